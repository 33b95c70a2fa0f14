"""Two notebooks at once, in another folder, with nothing cached and no network."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from course_files import ROOT

from qhelpers.cli import run_notebooks


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("QHELPERS_OFFLINE", "1")
    monkeypatch.setenv("QHELPERS_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("QHELPERS_DATA_DIR", raising=False)
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    return folder


def test_two_at_once_on_an_empty_cache(offline: Path) -> None:
    with ThreadPoolExecutor(2) as pool:
        path = ROOT / "notebooks" / "04_float16.ipynb"
        runs = [pool.submit(run_notebooks.execute, path, offline) for _ in range(2)]
        assert [run.result().error for run in runs] == [None, None]
    assert not list((offline.parent / "home").rglob("*.part"))
