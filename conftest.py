"""Runs the guards of a lesson after its last cell, when nbval runs the notebook; shows no bars."""

from __future__ import annotations

import os
from collections import defaultdict
from pathlib import Path

import pytest
from nbformat.v4 import new_code_cell

# nbval compares every output of a cell, that of a progress bar too; kernels inherit this.
os.environ.setdefault("QHELPERS_PROGRESS", "0")

GUARDS = Path(__file__).resolve().parent / "tests" / "guards"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put `tests/guards/lessonNN.py` behind the last cell of each notebook that nbval collects."""
    last = {item.parent: item for item in items if type(item).__name__ == "IPyNbCell"}
    for notebook, cell in last.items():
        guards = GUARDS / f"lesson{cell.path.name[:2]}.py"
        if guards.is_file():
            item = type(cell).from_parent(
                notebook,
                name="guards",
                cell_num=cell.cell_num + 1,
                cell=new_code_cell(guards.read_text(encoding="utf-8")),
                options=defaultdict(bool, check=False),
            )
            items.insert(items.index(cell) + 1, item)
