"""Integer sums of products of convolutions: ordinary, in groups, depthwise and transposed.

Images are [n, height, width, channels], and so are sums: whole numbers in a float type that holds
them exactly, as in `integer_ops`, bias included. A sum that does not fit the engine's int32 is an
OverflowError. Padding is "VALID" or "SAME"; outside the images lies the zero point, the real 0.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from qhelpers.arithmetic import Array, integer_ops
from qhelpers.arithmetic.integer_ops import Pair


class Kernels(NamedTuple):
    """Kernels, ready to be multiplied: in the type that holds all sums, with what is added."""

    values: Array
    bias: Array | None
    zero_point: int
    bound: int  # of all sums; below 2**31 or checked where the engine keeps int32


def prepared(kernels: Array, bias: Array | None, zero_point: int, dtype: Any) -> Kernels:
    """Return int8 kernels [channels, ...] for images of this type and zero point."""
    bound = integer_ops.largest_sum(kernels, bias, zero_point, dtype)
    exact = integer_ops.exact_type(bound)
    wide = bias is not None and bias.dtype == np.int64
    added = None if bias is None else bias.astype(exact)
    return Kernels(kernels.astype(exact), added, zero_point, 0 if wide else bound)


def sums_of_convolution(
    images: Array,
    kernels: Kernels,
    stride: Pair = (1, 1),
    padding: str = "VALID",
    dilation: Pair = (1, 1),
) -> Array:
    """Sum the products of kernels [channels, height, width, the images' channels / groups]."""
    count, down, across, depth = kernels.values.shape
    flat, groups = kernels.values.reshape(count, -1), images.shape[3] // depth
    shifted = _shifted(images, kernels)
    if (down, across, *stride, groups) == (1, 1, 1, 1, 1):
        sums = shifted.reshape(-1, depth) @ flat.T
        return _finished(sums.reshape(*images.shape[:3], count), kernels)
    if groups == 1 and depth < 4:  # long rows of pixels are faster than short ones of channels
        columns, shape = integer_ops.patches(shifted, (down, across), stride, padding, dilation)
        return _finished(np.moveaxis((flat @ columns).reshape(count, *shape), 0, -1), kernels)
    taps = integer_ops.windows(shifted, (down, across), stride, padding, dilation, 0)
    places = [tap for row in taps for tap in row]
    rows = np.empty((*places[0].shape[:3], groups, len(places), depth), shifted.dtype)
    for at, tap in enumerate(places):
        rows[..., at, :] = tap.reshape(*tap.shape[:3], groups, depth)
    pixels = rows.reshape(-1, groups, len(places) * depth)
    if groups == 1:
        sums = pixels[:, 0] @ flat.T
    else:
        each = flat.reshape(groups, count // groups, -1)
        sums = np.matmul(pixels.transpose(1, 0, 2), each.transpose(0, 2, 1)).transpose(1, 0, 2)
    return _finished(sums.reshape(*rows.shape[:3], count), kernels)


def sums_of_depthwise(
    images: Array,
    kernels: Kernels,
    stride: Pair = (1, 1),
    padding: str = "VALID",
    dilation: Pair = (1, 1),
) -> Array:
    """Sum the products of kernels [the images' channels * multiplier, height, width]."""
    count, down, across = kernels.values.shape
    weights = np.ascontiguousarray(kernels.values.transpose(1, 2, 0)).reshape(-1, count)
    sums = None
    for at, image in enumerate(images):  # one image's sums stay in the cache
        shifted = _shifted(image[None], kernels)
        if count != images.shape[3]:
            shifted = np.repeat(shifted, count // images.shape[3], axis=3)
        taps = integer_ops.windows(shifted, (down, across), stride, padding, dilation, 0)
        places = [tap[0] for row in taps for tap in row]
        if sums is None:
            sums = np.empty((len(images), *places[0].shape), shifted.dtype)
            product = np.empty_like(sums[0])
        np.multiply(places[0], weights[0], out=sums[at])
        for tap, weight in zip(places[1:], weights[1:], strict=True):
            sums[at] += np.multiply(tap, weight, out=product)
    assert sums is not None, "at least one image"
    return _finished(sums, kernels)


def sums_of_transposed(
    images: Array, kernels: Kernels, stride: Pair, padding: str, size: Pair
) -> Array:
    """Sum what each pixel spreads over an output of `size`: a convolution's gradient.

    Kernels are [channels, height, width, the images' channels].
    """
    count, down, across, depth = kernels.values.shape
    flat = _shifted(images, kernels).reshape(-1, depth) @ kernels.values.reshape(-1, depth).T
    spread = flat.reshape(*images.shape[:3], count, down, across)
    starts, room = [], []
    for length, wanted, k, s in zip(images.shape[1:3], size, (down, across), stride, strict=True):
        missing = max((-(-wanted // s) - 1) * s + k - wanted, 0) if padding == "SAME" else 0
        starts.append(missing // 2)
        room.append(max(wanted + missing, (length - 1) * s + k))
    sums = np.zeros((len(images), *room, count), flat.dtype)
    (high, wide), (step_down, step_across) = images.shape[1:3], stride
    for y in range(down):
        for x in range(across):
            rows = slice(y, y + (high - 1) * step_down + 1, step_down)
            columns = slice(x, x + (wide - 1) * step_across + 1, step_across)
            sums[:, rows, columns] += spread[..., y, x]
    top, left = starts
    return _finished(sums[:, top : top + size[0], left : left + size[1]], kernels)


def _shifted(images: Array, kernels: Kernels) -> Array:
    """Return images less their zero point in the kernels' type."""
    shifted = images.astype(kernels.values.dtype)
    if kernels.zero_point:
        shifted -= shifted.dtype.type(kernels.zero_point)
    return shifted


def _finished(sums: Array, kernels: Kernels) -> Array:
    """Add the bias; make sure that sums fit where the engine keeps them."""
    if kernels.bias is not None:
        sums += kernels.bias
    return integer_ops.fitting_int32(sums, kernels.bound)
