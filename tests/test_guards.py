"""The guards of a lesson run behind its last cell, in the notebook's own namespace."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from course_files import ROOT
from nbformat.v4 import new_code_cell, new_notebook


@pytest.mark.framework  # starts a kernel
@pytest.mark.parametrize(("guard", "status"), [("x == 1", 0), ("x == 2", 1)])
def test_nbval_runs_the_guards_after_the_last_cell(tmp_path: Path, guard: str, status: int) -> None:
    for folder in ("tests/guards", "notebooks"):
        (tmp_path / folder).mkdir(parents=True)
    shutil.copy(ROOT / "conftest.py", tmp_path)
    (tmp_path / "tests" / "guards" / "lesson00.py").write_text(f'assert {guard}, "x is one"\n')
    cells = [
        new_code_cell(source, execution_count=i) for i, source in enumerate(["x = 0", "x = 1"])
    ]
    for name in ("00_guarded", "01_free"):
        nbformat.write(new_notebook(cells=cells), tmp_path / "notebooks" / f"{name}.ipynb")
    command = [sys.executable, "-m", "pytest", "-v", "--nbval", "--nbval-current-env", "notebooks"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == status, done.stdout
    assert done.stdout.count("::guards") >= 1
    assert f"{4 + (not status)} passed" in done.stdout
    assert ("x is one" in done.stdout) == bool(status)
