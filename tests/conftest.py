"""Shared fixtures: every test has a home folder of its own."""

from __future__ import annotations

import functools
import os
import re
from pathlib import Path

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("MPLBACKEND", "agg")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave two folders to a process of their own, which names them.

    `with_torch`: loaded after TensorFlow, a part of PyTorch's plain build (triton) crashes the
    process. `faults`: it breaks things for minutes, and wants the machine for itself.
    """
    name = collection_path.name
    named = any(f"tests/{name}" in argument for argument in config.args)
    return True if name in ("with_torch", "faults") and not named else None


FRAMEWORKS = re.compile(
    r"^\s*(?:from|import) .*\b(?:keras|keras_cnn|tensorflow|torch|tflite|pytorch|ai_edge_litert"
    r"|quantizer|zoo|run_notebooks|one_layer|nbclient)\b",
    re.MULTILINE,
)


@functools.cache
def needs_framework(path: Path) -> bool:
    """Say whether a file's tests import a framework, or start kernels that do."""
    if path.name == "test_notebooks.py":  # reads the stored files
        return False
    return FRAMEWORKS.search(path.read_text(encoding="utf-8")) is not None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep a file's tests in one process, for the fixtures they share."""
    for item in items:
        item.add_marker(pytest.mark.xdist_group(item.path.name))
        if item.path.suffix == ".py" and needs_framework(item.path):
            item.add_marker(pytest.mark.framework)


@pytest.fixture(autouse=True)
def own_home(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Keep a test's files out of the clone and the user's cache, and the test off the network."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("QHELPERS_HOME", str(home))
    monkeypatch.setenv("QHELPERS_OFFLINE", "1")
    return home
