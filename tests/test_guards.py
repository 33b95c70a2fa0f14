"""The guards of a lesson and the answers to its exercises run in the notebook's own kernel."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from course_files import ROOT
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

EXERCISE = """\
from types import SimpleNamespace
exercises = SimpleNamespace(check=lambda number, got: print(
    "✓ 00.1" if got == 4 else "✗ 00.1 odd" if got == 3 else "○ 00.1"))
answer = ...
exercises.check("00.1", answer)"""


def nbval(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-v", "--nbval", "--nbval-current-env", "notebooks"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture
def course(tmp_path: Path) -> Path:
    for folder in ("tests/guards", "tests/answers", "notebooks"):
        (tmp_path / folder).mkdir(parents=True)
    shutil.copy(ROOT / "conftest.py", tmp_path)
    return tmp_path


@pytest.mark.framework  # starts a kernel
@pytest.mark.parametrize(
    ("solution", "hint", "failed"), [("2 + 2", "odd", 0), ("5", "odd", 1), ("4", "even", 1)]
)
def test_nbval_tries_the_solution_and_the_wrong_answers(
    course: Path, solution: str, hint: str, failed: int
) -> None:
    exercise = new_code_cell(EXERCISE, execution_count=1, metadata={"tags": ["exercise"]})
    exercise.outputs = [new_output("stream", text="○ 00.1\n")]
    folded = f"```python\nanswer = {solution}\n```"
    cells = [exercise, new_markdown_cell(folded, metadata={"tags": ["solution"]})]
    nbformat.write(new_notebook(cells=cells), course / "notebooks" / "00_exercise.ipynb")
    wrong = f'WRONG = {{"00.1": [("3", {hint!r})]}}'
    (course / "tests" / "answers" / "lesson00.py").write_text(wrong)
    done = nbval(course)
    assert done.returncode == bool(failed), done.stdout
    assert f"{3 - failed} passed" in done.stdout


@pytest.mark.framework  # starts a kernel
@pytest.mark.parametrize(
    ("guard", "status"),
    [("x == 1", 0), ("x == 2", 1), ("open('left.txt', 'w')", 1), ("bytearray(1400000000)", 1)],
)
def test_nbval_runs_the_guards_after_the_last_cell(course: Path, guard: str, status: int) -> None:
    (course / "tests" / "guards" / "lesson00.py").write_text(f'assert {guard}, "x is one"\n')
    cells = [
        new_code_cell(source, execution_count=i) for i, source in enumerate(["x = 0", "x = 1"])
    ]
    for name in ("00_guarded", "01_free"):
        nbformat.write(new_notebook(cells=cells), course / "notebooks" / f"{name}.ipynb")
    done = nbval(course)
    assert done.returncode == status, done.stdout
    assert done.stdout.count("::guards") >= 1
    assert f"{4 + (not status)} passed" in done.stdout
    words = {"x": "x is one", "o": "writes nothing", "b": "memory"}
    assert (words[guard[0]] in done.stdout.partition("FAILURES")[2]) == bool(status)
