"""Weights that are hard to quantize in groups or blocks."""

from __future__ import annotations

import numpy as np


def hard(seed: int, rows: int, columns: int, alike: int = 64) -> np.ndarray:
    """Weights with groups of zeros, of one value (`alike` of it), of -0.0, of one sign, of ties.

    From row 7 on they are random, as a test may need others.
    """
    generator = np.random.default_rng(seed)
    weight = generator.normal(0, 10 ** generator.uniform(-2, 1), (rows, columns))
    weight = weight.astype(np.float32)
    weight[0, :64] = 0
    weight[1, :alike] = weight[1, 0]
    weight[2, :64] = -0.0
    weight[3] = np.abs(weight[3])
    weight[4] = -np.abs(weight[4])
    weight[5] = generator.integers(-15, 16, columns) * 0.5  # scale 1 or 0.5: halves
    weight[6, :32] = [7.5, *np.arange(-7.5, 8, 0.5)]
    return weight
