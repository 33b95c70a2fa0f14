"""Breaks things for real: `make faults` runs this folder, and prints its figures at the end."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from course_files import ROOT

from qhelpers import data

FIGURES = pytest.StashKey[list[str]]()
Figure = Callable[[str], None]
Run = Callable[..., "subprocess.CompletedProcess[str]"]


def pytest_configure(config: pytest.Config) -> None:
    config.stash[FIGURES] = []


@pytest.fixture
def figure(pytestconfig: pytest.Config) -> Figure:
    """Keep a line for the end of the run."""
    return pytestconfig.stash[FIGURES].append


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    terminalreporter.section("figures")
    for line in terminalreporter.config.stash[FIGURES]:
        terminalreporter.line(line)


@pytest.fixture(autouse=True)
def small_digits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Train in seconds: on the built-in digits."""
    monkeypatch.delenv("QHELPERS_DATA_DIR", raising=False)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("QHELPERS_PROGRESS", "0")


@pytest.fixture
def run() -> Run:
    """Run a command; its output is text, and none of it a traceback."""

    def run(*command: str | Path, **environment: str | Path) -> subprocess.CompletedProcess[str]:
        variables = os.environ | {name: str(value) for name, value in environment.items()}
        done = subprocess.run(
            [str(word) for word in command],
            env=variables,
            cwd=environment.get("PYTHONPATH", ROOT),
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return done

    return run


@pytest.fixture(scope="session")
def digits() -> data.Digits:
    return data._builtin()


def tree(folder: Path) -> dict[str, bytes]:
    """Return all files below a folder, by name, with their content."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


PYTHON = sys.executable
