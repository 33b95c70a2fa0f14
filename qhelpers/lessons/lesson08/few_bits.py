"""What lesson 08 takes as given: the two causes of an error, and four levels for two bits."""

from __future__ import annotations

import numpy as np

from qhelpers.arithmetic import affine
from qhelpers.data import Array

_ROUNDS = 100  # of k-means; it mostly settles after fewer


def squared_errors(rows: Array, bits: int, clip: Array) -> tuple[Array, Array]:
    """Split each row's mean squared error into rounding and clipping, where it ends at `clip`.

    The ends are [rows]. The errors, [rows] each, come from the numbers inside the range, and from
    those outside.
    """
    params = affine.choose(-clip, clip, bits, symmetric=True, narrow=True, axis=0)
    squares = (rows - affine.fake_quantize(rows, params)) ** 2
    inside = np.abs(rows) <= np.asarray(params.scale)[:, None] * params.qmax
    return np.mean(squares * inside, axis=1), np.mean(squares * ~inside, axis=1)


def codebook(values: Array, count: int) -> tuple[Array, Array]:
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


def four_levels(real: Array) -> Array:
    """Return weights [channels, ...] rounded to -2, -1, 0 or 1 times a scale of either sign.

    Each channel gets the one of 100 scales that leaves the smallest squared error.
    """
    rows: Array = real.reshape(len(real), -1)
    best: Array
    best, least = np.zeros_like(rows), np.full(len(rows), np.inf)
    for share in np.arange(1, 51) / 50:
        for sign in (-1, 1):
            scales = sign * share * np.abs(rows).max(axis=1, keepdims=True)
            restored = scales * np.clip(np.rint(rows / scales), -2, 1)
            error = np.square(rows - restored).sum(axis=1)
            best = np.where((error < least)[:, None], restored, best)
            least = np.minimum(error, least)
    return best.reshape(real.shape).astype(np.float32)


def codebooks(real: Array) -> Array:
    """Return weights [channels, ...] rounded to the four numbers of each channel's codebook."""
    pairs = [codebook(row, 4) for row in real]
    return np.array([table[indices] for indices, table in pairs], np.float32)
