"""Fixtures that the tests of the PyTorch networks share."""

from __future__ import annotations

import numpy as np
import pytest

from qhelpers import data as digits


@pytest.fixture(scope="module")
def few() -> digits.Digits:
    """Eighty images that are easy to tell apart: the label is the bright row."""
    labels = np.arange(80, dtype=np.uint8) % 10
    images = np.random.default_rng(0).integers(0, 60, (80, 28, 28), np.uint8)
    images[np.arange(80), 2 * labels + 4] = 255
    return digits.Digits("few", "few", images, labels, images[:40], labels[:40], "0123456789ab")
