"""Eight kernels at once on one empty cache."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from course_files import NOTEBOOKS

from qhelpers.cli import run_notebooks

EIGHT = {
    "lesson 03 eight times": ["03"] * 8,
    "01 to 05, three of them twice": ["01", "02", "03", "04", "05", "01", "02", "04"],
}


@pytest.mark.parametrize("what", EIGHT)
def test_eight_at_once(
    own_home: Path, tmp_path: Path, figure: Callable[[str], None], what: str
) -> None:
    files = {path.name[:2]: path for path in NOTEBOOKS}
    chosen = [files[number] for number in EIGHT[what]]
    begin = time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        runs = [pool.submit(run_notebooks.execute, path, tmp_path) for path in chosen]
        errors = [run.result().error for run in runs]
    seconds = time.monotonic() - begin
    assert errors == [None] * 8
    assert not list(own_home.rglob("*.part"))
    networks = sorted((own_home / "models").glob("*.npz"))
    for path in networks:
        with np.load(path, allow_pickle=False) as kept:
            assert all(np.isfinite(kept[name]).all() for name in kept.files)
    rows = sorted(own_home.rglob("scorecards/**/*.json"))
    assert all(json.loads(path.read_bytes())["bytes"] for path in rows)
    assert networks
    assert rows
    count = len(networks) + len(rows)
    figure(f"{what}, at once: {seconds:.0f} s, 0 failures; {count} files in the cache, 0 corrupt")
