"""Each notebook alone: another folder, nothing cached, no network; exercises solved and missed."""

from __future__ import annotations

import importlib.util
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from course_files import GUARDS, NAMES, ROOT, printed, read, tags
from nbformat.v4 import new_code_cell

from qhelpers.cli import run_notebooks

UNANSWERED = re.compile(r"^answer = \.\.\.$", re.MULTILINE)
CODE = re.compile(r"```python\n(.*?)```", re.DOTALL)


def wrong_answers(number: str) -> dict[str, list[tuple[str, str]]]:
    path = ROOT / "tests" / "answers" / f"lesson{number}.py"
    spec = importlib.util.spec_from_file_location(f"answers{number}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    wrong: dict[str, list[tuple[str, str]]] = module.WRONG
    return wrong


def with_answers(notebook: Any, number: str) -> list[tuple[Any, str, str]]:
    """Put solved and missed copies behind each exercise; return (cell, must start, must hold)."""
    wrong, expected, cells = wrong_answers(number), [], []
    waiting: tuple[Any, str] | None = None
    for cell in notebook.cells:
        cells.append(cell)
        if "exercise" in tags(cell):
            identity = re.search(r'exercises\.check\(\s*"([\d.]+)"', cell.source)
            assert identity, cell.source
            waiting = (cell, identity.group(1))
            expected.append((cell, f"○ {identity.group(1)}", ""))
        elif "solution" in tags(cell):
            assert waiting is not None
            exercise, identity_text = waiting
            solution = CODE.search(cell.source)
            assert solution, cell.source
            attempts = [(solution.group(1), "✓", "")]
            attempts += [(f"answer = {w}", "✗", hint) for w, hint in wrong[identity_text]]
            assert len(attempts) >= 2
            for code, mark, hint in attempts:
                source, found = UNANSWERED.subn(lambda _, code=code: code, exercise.source)
                assert found == 1, exercise.source
                copy = new_code_cell(source)
                cells.append(copy)
                expected.append((copy, f"{mark} {identity_text}", hint))
            waiting = None
    assert waiting is None, "an exercise without a solution"
    notebook.cells = cells
    return expected


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("QHELPERS_OFFLINE", "1")
    monkeypatch.setenv("QHELPERS_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("QHELPERS_DATA_DIR", raising=False)
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    return folder


@pytest.mark.parametrize("name", NAMES)
def test_alone_with_exercises_solved_and_missed(name: str, offline: Path) -> None:
    notebook, number = read(name), name[:2]
    expected = with_answers(notebook, number)
    assert 2 <= sum(mark.startswith("✓") for _, mark, _ in expected) <= 4
    guards = GUARDS / f"lesson{number}.py"
    if guards.is_file():
        notebook.cells.append(new_code_cell(guards.read_text(encoding="utf-8")))
    error, peak = run_notebooks.execute(notebook, offline, name)
    assert error is None
    for cell, mark, hint in expected:
        text = printed(cell)
        assert any(line.startswith(mark) for line in text.splitlines()), f"{cell.source}\n-> {text}"
        assert hint in text, f"{cell.source}\n-> {text}"
    assert not list(offline.iterdir()), "a notebook writes nothing into its working folder"
    # `make bench` holds 1.1 GB. Resident memory counts the pages of libraries, too, and more of
    # them right after they were installed: the same run was seen from 1.01 to 1.10 GB.
    assert peak < 1.15e9


def test_two_at_once_on_an_empty_cache(offline: Path) -> None:
    with ThreadPoolExecutor(2) as pool:
        runs = [
            pool.submit(run_notebooks.execute, read("04_float16"), offline, str(i)) for i in (1, 2)
        ]
        assert [run.result()[0] for run in runs] == [None, None]
    assert not list((offline.parent / "home").rglob("*.part"))
