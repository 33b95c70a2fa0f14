"""Shared fixtures: every test has a home folder of its own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("MPLBACKEND", "agg")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave the tests that load PyTorch to a process of their own, which names their folder.

    Loaded after TensorFlow, a part of PyTorch's plain build (triton) crashes the process.
    """
    named = any("with_torch" in argument for argument in config.args)
    return True if collection_path.name == "with_torch" and not named else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep a file's tests in one process, for the fixtures they share; notebooks go alone."""
    for item in items:
        if item.path.name != "test_notebooks_alone.py":
            item.add_marker(pytest.mark.xdist_group(item.path.name))


@pytest.fixture(autouse=True)
def own_home(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Keep a test's files out of the clone and the user's cache, and the test off the network."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("QHELPERS_HOME", str(home))
    monkeypatch.setenv("QHELPERS_OFFLINE", "1")
    return home
