"""What lesson 08 takes as given: two causes of error, ternary and binary weights, a codebook.

Rows of real numbers, [rows, n], have a scale each.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qhelpers.arithmetic import affine

Floats = NDArray[np.float64]

_ROUNDS = 100  # of k-means; it mostly settles after fewer


def squared_errors(rows: Floats, bits: int, clip: Floats) -> tuple[Floats, Floats]:
    """Split each row's mean squared error into rounding and clipping, where it ends at `clip`.

    The ends are [rows]. The errors, [rows] each, come from the numbers inside the range, and from
    those outside.
    """
    params = affine.choose_per_channel(clip[:, None], axis=0, bits=bits)
    squares = (rows - affine.fake_quantize(rows, params)) ** 2
    inside = np.abs(rows) <= np.asarray(params.scale)[:, None] * params.qmax
    return np.mean(squares * inside, axis=1), np.mean(squares * ~inside, axis=1)


def ternary(rows: Floats) -> tuple[NDArray[np.int8], affine.QuantParams]:
    """Make 0 of what is below 0.7 times the mean magnitude; the scale is the mean of the rest.

    Source: F. Li, B. Zhang, B. Liu, "Ternary Weight Networks", arXiv:1605.04711, 2016.
    """
    sizes = np.abs(rows)
    kept = sizes > 0.7 * sizes.mean(axis=1, keepdims=True)
    scales = (sizes * kept).sum(axis=1) / kept.sum(axis=1)
    return (np.sign(rows) * kept).astype(np.int8), affine.QuantParams(scales, 0, -1, 1, axis=0)


def binary(rows: Floats) -> tuple[NDArray[np.int8], affine.QuantParams]:
    """Keep the signs, -1 and 1; the scale is the mean magnitude.

    Source: M. Rastegari et al., "XNOR-Net", ECCV 2016, equations 5 and 6.
    """
    signs = np.where(rows < 0, -1, 1).astype(np.int8)
    return signs, affine.QuantParams(np.abs(rows).mean(axis=1), 0, -1, 1, axis=0)


def codebook(values: NDArray[np.float32], count: int) -> tuple[NDArray[np.intp], Floats]:
    """Return indices [values] into a table [count], which k-means made of evenly spaced levels.

    Source: S. Han, H. Mao, W. J. Dally, "Deep Compression", ICLR 2016, section 3.
    """
    table = np.linspace(values.min(), values.max(), count)
    for _ in range(_ROUNDS):
        nearest = np.searchsorted((table[1:] + table[:-1]) / 2, values).ravel()
        sizes = np.bincount(nearest, minlength=count)
        sums = np.bincount(nearest, values.ravel(), minlength=count)
        table = np.where(sizes > 0, sums / np.maximum(sizes, 1), table)
    return np.searchsorted((table[1:] + table[:-1]) / 2, values), table
