"""What nbval does beyond comparing outputs: exercises solved and missed, guards, memory; no bars.

Behind the cell of each exercise its solution and the wrong answers of `tests/answers/lessonNN.py`
are checked, and behind the last cell `tests/guards/lessonNN.py`, in the notebook's own kernel. With
QHELPERS_ALONE=folder each notebook has an empty home in that folder, as if it were the first.
"""

from __future__ import annotations

import os
import re
import runpy
import tempfile
import textwrap
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from nbformat.v4 import new_code_cell

# nbval compares every output of a cell, that of a progress bar too; kernels inherit this.
os.environ.setdefault("QHELPERS_PROGRESS", "0")

HOMES = os.environ.get("QHELPERS_ALONE")
TESTS = Path(__file__).resolve().parent / "tests"
UNANSWERED = re.compile(r"^answer = \.\.\.$", re.MULTILINE)
SOLUTION = re.compile(r"```python\n(.*?)```", re.DOTALL)
ATTEMPT = """\
import contextlib as _contextlib, io as _io
_printed = _io.StringIO()
with _contextlib.redirect_stdout(_printed):
{code}
_printed = _printed.getvalue()
assert any(line.startswith({mark!r}) for line in _printed.splitlines()), _printed
assert {hint!r} in _printed, _printed
"""
# `make bench` holds 1.1 GB. Resident memory counts the pages of libraries, too, and more of
# them right after they were installed: the same run was seen from 1.07 to 1.18 GB.
# nbval kills the kernel, so coverage that is measured in it has to be saved here.
LAST = """
import os as _os, sys as _sys
from qhelpers.cli.run_notebooks import resident_peak as _resident_peak
assert _resident_peak(_os.getpid()) < 1.3e9, "memory"
_files = sorted(f for f in _os.listdir() if f[0] != '.')
assert _files == {files!r}, "a notebook writes nothing into its working folder"
if "coverage" in _sys.modules and _sys.modules["coverage"].Coverage.current():
    _sys.modules["coverage"].Coverage.current().save()
"""


def attempts(exercise: Any, notebook: Any, wrong: dict[str, list[tuple[str, str]]]) -> list[str]:
    """Return the sources that solve and miss an exercise, and say what must be printed."""
    found = re.search(r'exercises\.check\(\s*"([\d.]+)"', exercise.source)
    assert found, exercise.source
    number = found.group(1)
    assert wrong[number], "each exercise has a wrong answer"
    later = notebook.cells[notebook.cells.index(exercise) :]
    solution = next(cell for cell in later if "solution" in cell.metadata.get("tags", []))
    folded = SOLUTION.search(solution.source)
    assert folded, solution.source
    tries = [(folded.group(1), "✓", "")]
    tries += [(f"answer = {answer}", "✗", hint) for answer, hint in wrong[number]]
    sources = []
    for code, mark, hint in tries:
        source, count = UNANSWERED.subn(lambda _, code=code: code, exercise.source)
        assert count == 1, exercise.source
        inside = textwrap.indent(source, "    ")
        sources.append(ATTEMPT.format(code=inside, mark=f"{mark} {number}", hint=hint))
    return sources


def extras(cell: Any, is_last: bool) -> list[tuple[str, str]]:
    """Return what runs behind a notebook's cell, names and sources: attempts, then guards."""
    lesson, found = f"lesson{cell.path.name[:2]}.py", []
    if "exercise" in cell.cell.metadata.get("tags", []):
        wrong = runpy.run_path(str(TESTS / "answers" / lesson))["WRONG"]
        sources = attempts(cell.cell, cell.parent.nb, wrong)
        found += [(f"{cell.name}, answer {i}", source) for i, source in enumerate(sources)]
    guards = TESTS / "guards" / lesson
    if is_last and guards.is_file():
        files = sorted(path.name for path in cell.path.parent.iterdir() if path.name[0] != ".")
        found.append(("guards", guards.read_text(encoding="utf-8") + LAST.format(files=files)))
    return found


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the attempts behind the exercises, and the guards behind the last cell."""
    cells: list[Any] = [item for item in items if type(item).__name__ == "IPyNbCell"]
    last = {cell.parent: cell for cell in cells}
    for cell in cells:
        added = [
            type(cell).from_parent(
                cell.parent,
                name=name,
                cell_num=cell.cell_num,
                cell=new_code_cell(source),
                options=defaultdict(bool),
            )
            for name, source in extras(cell, cell is last[cell.parent])
        ]
        at = items.index(cell) + 1
        items[at:at] = added


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: Any) -> None:
    """Give the kernel that is about to start an empty home, where they are to be alone."""
    if HOMES and type(item).__name__ == "IPyNbCell" and item.parent.kernel is None:
        os.environ["QHELPERS_HOME"] = tempfile.mkdtemp(dir=HOMES)
