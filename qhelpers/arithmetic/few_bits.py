"""Fewer than eight bits: groups, ranges chosen by error, codebooks, ternary and binary weights.

Everything here works on rows: a scale belongs to one row. The same weights are cut into rows in
three ways (`rows`): one row for the whole tensor, one for each channel, or one for each group.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qhelpers.arithmetic import affine, ranges

Floats = NDArray[np.float64]
Per = Literal["tensor", "channel"] | int

_ROUNDS = 100  # of k-means; it mostly settles after fewer


def rows(weights: ArrayLike, per: Per) -> Floats:
    """Cut weights into the rows that get a scale each.

    Args:
        weights: real numbers [channels, ...], output channel first.
        per: "tensor" for one row, "channel" for one each, or a number: groups of so many
            neighbouring weights of a channel (the whole channel where it has fewer).

    Returns:
        float64 [rows, weights per row].

    Raises:
        ValueError: no channel axis, no weights, or a channel is no whole number of groups.
    """
    real = np.asarray(weights, np.float64)
    if real.ndim < 2 or real.size == 0:
        raise ValueError(f"weights must be [channels, ...] with numbers; got {list(real.shape)}.")
    flat = real.reshape(len(real), -1)
    if per == "tensor":
        return flat.reshape(1, -1)
    if per == "channel":
        return flat
    if isinstance(per, str) or per < 1:
        raise ValueError(f'per must be "tensor", "channel" or a size of 1 or more; got {per!r}.')
    size = min(per, flat.shape[1])
    if flat.shape[1] % size:
        raise ValueError(
            f"a channel of {flat.shape[1]} weights is no whole number of groups of {size}; "
            "choose a divisor."
        )
    return flat.reshape(-1, size)


def by_max(cut: ArrayLike, bits: int) -> affine.QuantParams:
    """Choose each row's scale so that its largest magnitude just fits: nothing is clipped.

    Args:
        cut: real numbers [rows, n].
        bits: 2 to 16. The integers are symmetric: -7 to 7 for 4 bits, -1 to 1 for 2.
    """
    return ranges.by_minmax(cut, bits, axis=0, symmetric=True)


def by_percentile(cut: ArrayLike, bits: int, percent: float) -> affine.QuantParams:
    """Choose each row's scale so that `percent` of its magnitudes fit: `ranges.by_percentile`."""
    return ranges.by_percentile(cut, bits, percent, axis=0, symmetric=True)


def by_mse(cut: ArrayLike, bits: int) -> affine.QuantParams:
    """Choose each row's scale so that the mean squared error is smallest: `ranges.by_mse`."""
    return ranges.by_mse(cut, bits, axis=0, symmetric=True)


def squared_errors(cut: ArrayLike, bits: int, clip: ArrayLike) -> tuple[Floats, Floats]:
    """Split the mean squared error of quantization into its two causes.

    Args:
        cut: real numbers [rows, n].
        bits: as in `by_max`.
        clip: where each row is clipped, [rows]: the largest magnitude that still fits.

    Returns:
        (rounding, clipping), float64 [rows] each: what the numbers inside the range and what those
        outside add to the row's mean squared error.
    """
    real = np.asarray(cut, np.float64)
    ends = np.asarray(clip, np.float64)[:, None]
    params = affine.choose_per_channel(ends, axis=0, bits=bits)
    squares = (real - affine.fake_quantize(real, params)) ** 2
    inside = np.abs(real) <= np.asarray(params.scale)[:, None] * params.qmax
    count = real.shape[1]
    return (squares * inside).sum(axis=1) / count, (squares * ~inside).sum(axis=1) / count


def ternary(cut: ArrayLike) -> tuple[NDArray[np.int8], affine.QuantParams]:
    """Turn weights into -1, 0 and 1, with a scale for each row.

    What is below 0.7 times the mean magnitude becomes 0; the scale is the mean of the rest.

    Args:
        cut: real numbers [rows, n].

    Returns:
        int8 [rows, n], and the parameters that `affine.dequantize` needs.

    Source: F. Li, B. Zhang, B. Liu, "Ternary Weight Networks", arXiv:1605.04711, 2016.
    """
    real = np.asarray(cut, np.float64)
    magnitudes = np.abs(real)
    kept = magnitudes > 0.7 * magnitudes.mean(axis=1, keepdims=True)
    scales = (magnitudes * kept).sum(axis=1) / np.maximum(kept.sum(axis=1), 1)
    return (np.sign(real) * kept).astype(np.int8), _levels(scales)


def binary(cut: ArrayLike) -> tuple[NDArray[np.int8], affine.QuantParams]:
    """Turn weights into their signs, -1 and 1, with a scale for each row: its mean magnitude.

    Args:
        cut: real numbers [rows, n].

    Returns:
        int8 [rows, n] without zeros, and the parameters that `affine.dequantize` needs.

    Source: M. Rastegari et al., "XNOR-Net", ECCV 2016, equations 5 and 6.
    """
    real = np.asarray(cut, np.float64)
    return np.where(real < 0, -1, 1).astype(np.int8), _levels(np.abs(real).mean(axis=1))


def _levels(scales: Floats) -> affine.QuantParams:
    """Return parameters for the integers -1 to 1; a row of zeros gets a scale that does no harm."""
    return affine.QuantParams(np.maximum(scales, np.finfo(np.float32).tiny), 0, -1, 1, axis=0)


def codebook(values: ArrayLike, levels: int) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Choose the real numbers that stand for a whole tensor by k-means, from evenly spaced ones.

    Args:
        values: real numbers of any shape.
        levels: how many numbers, 2 to 256.

    Returns:
        (indices, table): `table[indices]` are the approximated values. uint8 of the values' shape,
        and float32 [levels], ascending.

    Raises:
        ValueError: no values, or too few or too many levels.

    Source: S. Han, H. Mao, W. J. Dally, "Deep Compression", ICLR 2016, section 3.
    """
    real = np.asarray(values, np.float64)
    if real.size == 0 or not 2 <= levels <= 256:
        raise ValueError(f"needs values and 2 to 256 levels; got {real.size} and {levels}.")
    ordered = np.sort(real, axis=None)
    sums = np.concatenate([[0.0], np.cumsum(ordered)])
    table = np.linspace(ordered[0], ordered[-1], levels)
    for _ in range(_ROUNDS):
        # In one dimension, what is nearest to a level lies between two neighbours' midpoints.
        edges = np.searchsorted(ordered, (table[1:] + table[:-1]) / 2)
        ends = np.concatenate([[0], edges, [ordered.size]])
        counts = np.diff(ends)
        means = np.diff(sums[ends]) / np.maximum(counts, 1)
        moved = np.where(counts > 0, means, table)  # a level that nothing is near stays
        if np.array_equal(moved, table):
            break
        table = moved
    table = table.astype(np.float32)
    middles = (table[1:].astype(np.float64) + table[:-1]) / 2
    return np.searchsorted(middles, real).astype(np.uint8), table
