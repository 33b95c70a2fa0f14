"""Ratios side by side, each measured in one run; never part of the tests."""
