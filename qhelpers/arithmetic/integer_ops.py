"""Bounds of integer sums, pooling, and windows of images.

Sums of products are whole numbers. BLAS computes them in floating point and is exact all the same,
as long as no partial sum can leave the range in which the type holds every whole number: 2**24 for
float32, 2**53 for float64. `exact_type` picks the type from the weights at hand, by a bound that
holds for any input and for any order of summation, fused multiply-add included.

Pairs are (down, across). Images are [n, height, width, channels]; padding is "VALID" or "SAME",
another is a ValueError, and so are images that are smaller than a window.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from qhelpers.arithmetic import Array

Pair = tuple[int, int]


def largest_sum(weights: Array, bias: Array | None, zero_point: int, dtype: Any) -> int:
    """Return a bound on the size of every sum and partial sum that a layer can meet.

    It is the largest of: the weights' absolute values of one channel, added up, times the largest
    distance of an input of `dtype` from its zero point, plus the bias.
    """
    limits = np.iinfo(dtype)
    distance = max(limits.max - zero_point, zero_point - limits.min)
    sizes = np.abs(weights.astype(np.int64)).reshape(len(weights), -1).sum(axis=1) * distance
    if bias is not None:
        sizes = sizes + np.abs(bias.astype(np.int64))
    return int(sizes.max(initial=0))


def exact_type(bound: int) -> type[np.floating[Any]]:
    """Return the smaller float type in which all whole numbers up to `bound` are exact."""
    if bound > 2**53:
        raise OverflowError(f"sums of up to {bound:,} are beyond 2**53: not exact in float64.")
    return np.float32 if bound <= 2**24 else np.float64


def sums_of_matrices(first: Array, second: Array, zero: int, other_zero: int) -> Array:
    """Sum the products of int8 or int16 matrices [..., rows, k] and [..., k, columns].

    The numbers count from their zero points. Returns [..., rows, columns], whole
    numbers in a float type that holds them exactly; one that an int8 layer's int32 does not hold is
    an OverflowError.
    Source: `reference_ops::BatchMatMul` in LiteRT's `kernels/internal/reference/batch_matmul.h`.
    """
    a, b = first.astype(np.int64) - zero, second.astype(np.int64) - other_zero
    bound = first.shape[-1] * int(np.abs(a).max(initial=0)) * int(np.abs(b).max(initial=0))
    exact = exact_type(bound)
    sums = np.matmul(a.astype(exact), b.astype(exact))
    return fitting_int32(sums, bound if first.dtype == np.int8 else 0)


def fitting_int32(sums: Array, bound: int) -> Array:
    """Return sums, none larger than `bound`; an OverflowError where one does not fit int32."""
    if bound >= 2**31 and sums.size and np.abs(sums).max() >= 2**31:
        raise OverflowError(f"a sum of {np.abs(sums).max():,.0f} does not fit int32.")
    return sums


def sums_in_pairs(inputs: Array, weights: Array) -> Array:
    """Sum products as x86 processors without VNNI do: each pair of them is clipped to 16 bits.

    From uint8 [n, k] and int8 [k, m] to int64 [n, m]; with an odd k the last product is alone.

    Source: the instruction PMADDUBSW.
    """
    sums = np.zeros((len(inputs), weights.shape[1]), np.int64)
    for first in range(0, len(weights), 2):
        some = slice(first, first + 2)
        pair = inputs[:, some].astype(np.int64) @ weights[some].astype(np.int64)
        sums += pair.clip(-32768, 32767)
    return sums


def patches(
    images: Array, size: Pair, stride: Pair, padding: str, dilation: Pair
) -> tuple[Array, tuple[int, ...]]:
    """Return what a convolution's kernel of `size` meets, one column for each output pixel.

    Returns:
        [size down * size across * channels, pixels], and the pixels' (n, height, width).
    """
    taps = windows(images, size, stride, padding, dilation, outside=0)
    columns = np.stack([np.moveaxis(tap, -1, 0) for row in taps for tap in row])
    return columns.reshape(columns.shape[0] * columns.shape[1], -1), columns.shape[2:]


def max_pool(images: Array, size: Pair, stride: Pair, padding: str = "VALID") -> Array:
    """Take the largest value of each window; nothing is rescaled, since order is kept."""
    outside = -np.inf if images.dtype.kind == "f" else np.iinfo(images.dtype).min
    # First down, then across: fewer comparisons, and whole rows of numbers in the first.
    for k, s in (((size[0], 1), (stride[0], 1)), ((1, size[1]), (1, stride[1]))):
        taps = (tap for row in windows(images, k, s, padding, (1, 1), outside) for tap in row)
        images = functools.reduce(np.maximum, taps)
    return images


def windows(
    images: Array, size: Pair, stride: Pair, padding: str, dilation: Pair, outside: float
) -> list[list[Array]]:
    """Return, for each place in a window, the pixels that all windows have there.

    The value outside the images is `outside`. The arrays, one for each place [down][across], are
    [n, height, width, channels] of the output.
    """
    if padding not in ("VALID", "SAME"):
        raise ValueError(f"unknown padding {padding!r}; it must be VALID or SAME.")
    spans, edges, counts = [], [], []
    for length, k, s, d in zip(images.shape[1:3], size, stride, dilation, strict=True):
        span = (k - 1) * d + 1
        count = -(-length // s) if padding == "SAME" else (length - span) // s + 1
        if count < 1:
            raise ValueError(f"images of {images.shape[1:3]} are smaller than a window of {size}.")
        missing = max((count - 1) * s + span - length, 0)
        edges.append((missing // 2, missing - missing // 2))  # an odd one goes to the end
        spans.append((count - 1) * s + 1)
        counts.append(count)
    if np.any(edges):
        images = np.pad(images, [(0, 0), *edges, (0, 0)], constant_values=outside)
    (down, across), (step_down, step_across) = spans, stride
    return [
        [
            images[:, y : y + down : step_down, x : x + across : step_across]
            for x in range(0, size[1] * dilation[1], dilation[1])
        ]
        for y in range(0, size[0] * dilation[0], dilation[0])
    ]
