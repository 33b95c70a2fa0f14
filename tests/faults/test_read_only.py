"""A cache that an instructor has filled, read by a user who may not write there."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from course_files import SOMEBODY

from .conftest import PYTHON, Run, tree


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that everybody may enter; pytest's own are closed to others."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        yield Path(folder)


@pytest.mark.skipif(os.name != "posix", reason="modes and users are Unix's")
def test_lesson_03_reads_what_prepare_has_made(
    run: Run, place: Path, figure: Callable[[str], None]
) -> None:
    root = os.getuid() == 0
    if root and not shutil.which("setpriv"):
        pytest.skip("root writes everywhere, and there is no setpriv to become somebody else")
    course, own = place / "course", place / "own"
    done = run(PYTHON, "-m", "qhelpers", "prepare", "03", QHELPERS_HOME=course)
    assert done.returncode == 0, done.stdout + done.stderr
    assert list((course / "models").glob("cnn-plain-*.npz"))
    own.mkdir()
    for folder, _, _ in os.walk(course):
        os.chmod(folder, 0o555)
    if root:
        os.chown(own, 65534, 65534)
    before = tree(course)
    begin = time.monotonic()
    own_folders = {name: own / name.lower() for name in ("XDG_CACHE_HOME", "TMPDIR")}
    (own / "tmpdir").mkdir()
    (own / "tmpdir").chmod(0o777)
    command = [*(SOMEBODY if root else []), PYTHON, "-m", "qhelpers", "run", "03"]
    done = run(*command, QHELPERS_HOME=course, HOME=own, **own_folders)
    seconds = time.monotonic() - begin
    for folder, _, _ in os.walk(course):
        os.chmod(folder, 0o755)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "claims held" in done.stdout
    assert tree(course) == before
    names = [path.name for path in own.rglob("*") if path.is_file()]
    assert "03_full_integer.html" in names
    assert "int8.json" in names  # its row of the scorecard
    assert not [name for name in names if name.endswith(".npz")]  # it has trained nothing
    figure(f"lesson 03 on a read-only cache: {seconds:.0f} s, trains nothing, writes nothing there")
