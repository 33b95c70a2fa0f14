"""Operations that move numbers: to another shape, another order, another size."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from qhelpers.tflite.file import Array
from qhelpers.tflite.operations.step import Step


def _reshape(step: Step, values: Array, *_: Array) -> Array:
    return step.shaped(values, len(values))


def _axis(step: Step, axis: int, rank: int) -> int:
    """Return an axis of arrays that begin with the samples' axis."""
    if not -rank <= axis < rank:
        step.refuse(f"axis {axis} of {rank}")
    return axis % rank + 1


def _concatenation(step: Step, *parts: Array) -> Array:
    count = max(map(len, parts))
    whole = [np.broadcast_to(part, (count, *part.shape[1:])) for part in parts]
    return np.concatenate(whole, _axis(step, step.option("axis"), parts[0].ndim - 1))


def _pack(step: Step, *parts: Array) -> Array:
    count, axis = max(map(len, parts)), _axis(step, step.option("axis"), parts[0].ndim)
    return np.stack([np.broadcast_to(p, (count, *p.shape[1:])) for p in parts], axis)


def _pad(step: Step, values: Array, *_: Array) -> Array:
    """PAD with the real 0, PADV2 with a number of its own."""
    outside = step.constant(2).item() if step.name == "PADV2" else 0
    if step.name == "PAD" and step.output.zero_points.size:
        outside = int(step.output.zero_points[0])
    edges = [(int(low), int(high)) for low, high in step.constant(1)]
    return np.pad(values, [(0, 0), *edges], constant_values=outside)


def _mirror_pad(step: Step, values: Array, *_: Array) -> Array:
    edges = [(int(low), int(high)) for low, high in step.constant(1)]
    return np.pad(values, [(0, 0), *edges], mode=("reflect", "symmetric")[step.option("mode")])


def _transpose(step: Step, values: Array, *_: Array) -> Array:
    rank = values.ndim - 1
    return values.transpose(0, *(_axis(step, int(axis), rank) for axis in step.constant(1)))


def _tile(step: Step, values: Array, *_: Array) -> Array:
    return np.tile(values, [1, *step.constant(1).ravel().tolist()])


def _slice(step: Step, values: Array, *_: Array) -> Array:
    begin, size = step.constant(1).ravel(), step.constant(2).ravel()
    ends = [b + s if s >= 0 else None for b, s in zip(begin, size, strict=True)]
    places = [slice(None), *(slice(b, e) for b, e in zip(begin, ends, strict=True))]
    return values[tuple(places)]


def _strided_slice(step: Step, values: Array, *_: Array) -> Array:
    """Take a slice whose masks say where begin and end do not count, and which axes go."""
    begin, end, stride = (step.constant(at).ravel() for at in (1, 2, 3))
    if step.option("ellipsisMask") or step.option("newAxisMask") or step.option("offset", False):
        step.refuse("ellipsis, new axis or offset")
    places: list[slice | int] = [slice(None)]
    for at, (b, e, s) in enumerate(zip(begin.tolist(), end.tolist(), stride.tolist(), strict=True)):
        bit = 1 << at
        if step.option("shrinkAxisMask") & bit:
            places.append(b)
            continue
        low = None if step.option("beginMask") & bit else b
        high = None if step.option("endMask") & bit else e
        places.append(slice(low, high, s))
    return values[tuple(places)]


def _split(step: Step, first: Array, second: Array, *_: Array) -> Sequence[Array]:
    """SPLIT, which reads the axis first, and SPLIT_V, which reads the sizes second."""
    values, at = (second, 0) if step.name == "SPLIT" else (first, 2)
    axis = _axis(step, int(step.constant(at).item()), values.ndim - 1)
    sizes = [info.shape[axis - 1] for info in step.outputs]
    return np.split(values, np.cumsum(sizes)[:-1], axis)


def _unpack(step: Step, values: Array) -> Sequence[Array]:
    axis = _axis(step, step.option("axis"), values.ndim - 1)
    return [np.take(values, at, axis) for at in range(values.shape[axis])]


def _resize(step: Step, images: Array, *_: Array) -> Array:
    down, across = (int(length) for length in step.constant(1))
    options = (down, across), step.option("alignCorners"), step.option("halfPixelCenters")
    flat = images.reshape(-1, *images.shape[2:])
    found = step.rule()(flat, *options)
    return step.shaped(found.astype(images.dtype), len(images))


def _blocks(step: Step, images: Array) -> Array:
    """SPACE_TO_DEPTH and DEPTH_TO_SPACE."""
    k, (n, b, h, w, c) = step.option("blockSize"), images.shape
    if step.name == "SPACE_TO_DEPTH":
        parts = images.reshape(n, b, h // k, k, w // k, k, c).transpose(0, 1, 2, 4, 3, 5, 6)
    else:
        parts = images.reshape(n, b, h, w, k, k, c // k**2).transpose(0, 1, 2, 4, 3, 5, 6)
    return step.shaped(parts, n)


def _space_to_batch(step: Step, images: Array, *_: Array) -> Array:
    """Deal pixels out to images of their own, of every k-th: how dilation may be written."""
    block, zero = step.constant(1).ravel().tolist(), step.output.zero_points
    axes, rest = range(2, 2 + len(block)), [(0, 0)] * (images.ndim - 2 - len(block))
    edges = [(0, 0), (0, 0), *step.constant(2).tolist(), *rest]
    images = np.pad(images, edges, constant_values=int(zero[0]) if zero.size else 0)
    sides = [v for axis, k in zip(axes, block, strict=True) for v in (images.shape[axis] // k, k)]
    parts = images.reshape(*images.shape[:2], *sides, *images.shape[2 + len(block) :])
    order = [0, *(2 * axis - 1 for axis in axes), 1, *(2 * axis - 2 for axis in axes)]
    found = step.shaped(parts.transpose([*order, *range(len(order), parts.ndim)]), len(images))
    if step.engine == "micro" and found.shape[1:] != step.output.shape:
        step.refuse("the batch is open; microcontrollers take the shapes of the file as they are")
    return found


def _batch_to_space(step: Step, images: Array, *_: Array) -> Array:
    """Put together what `_space_to_batch` dealt out, and cut off the edges."""
    block = step.constant(1).ravel().tolist()
    m, (n, batch, *rest) = len(block), images.shape
    parts = images.reshape(n, *block, batch // int(np.prod(block)), *rest)
    order = [0, m + 1, *(axis for at in range(m) for axis in (m + 2 + at, 1 + at))]
    parts = parts.transpose([*order, *range(len(order), parts.ndim)])
    sides = [side * k for side, k in zip(rest, block, strict=False)]
    whole = parts.reshape(n, parts.shape[1], *sides, *rest[m:])
    edges = zip(sides, step.constant(2).tolist(), strict=True)
    cut = [slice(None)] * 2 + [slice(low, side - high) for side, (low, high) in edges]
    return whole[tuple(cut)]


OPERATIONS: dict[str, Callable[..., Array | Sequence[Array]]] = {
    "RESHAPE": _reshape,
    "SQUEEZE": _reshape,
    "EXPAND_DIMS": _reshape,
    "CONCATENATION": _concatenation,
    "PACK": _pack,
    "UNPACK": _unpack,
    "PAD": _pad,
    "PADV2": _pad,
    "MIRROR_PAD": _mirror_pad,
    "TRANSPOSE": _transpose,
    "TILE": _tile,
    "SLICE": _slice,
    "STRIDED_SLICE": _strided_slice,
    "SPLIT": _split,
    "SPLIT_V": _split,
    "RESIZE_NEAREST_NEIGHBOR": _resize,
    "RESIZE_BILINEAR": _resize,
    "SPACE_TO_DEPTH": _blocks,
    "DEPTH_TO_SPACE": _blocks,
    "SPACE_TO_BATCH_ND": _space_to_batch,
    "BATCH_TO_SPACE_ND": _batch_to_space,
}
