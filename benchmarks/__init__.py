"""Ratios side by side, each measured in one run; never part of the tests."""

import sys
from pathlib import Path

# The networks and the notebooks' facts are those of the tests.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
