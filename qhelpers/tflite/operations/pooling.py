"""Operations that make one number of many: pooling and mean."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from qhelpers.arithmetic import integer_ops
from qhelpers.tflite.file import Array
from qhelpers.tflite.operations.step import Step, place


def _max_pool(step: Step, images: Array) -> Array:
    size = step.option("filterHeight"), step.option("filterWidth")
    flat = images.reshape(-1, *images.shape[2:])
    largest = integer_ops.max_pool(flat, size, *step.windows[:2])
    if step.is_float:
        return step.shaped(step.activated(largest), len(images))
    return step.shaped(step.clipped(largest, zero=False), len(images))


def _average_pool(step: Step, images: Array) -> Array:
    """Average each window over the pixels that are in the image, zero point and all."""
    size = step.option("filterHeight"), step.option("filterWidth")
    flat = images.reshape(-1, *images.shape[2:]).astype(np.int32)
    inside = np.ones((1, *flat.shape[1:3], 1), np.int32)

    def total(one: Array) -> Array:
        rows = integer_ops.windows(one, size, *step.windows[:2], (1, 1), 0)
        return np.asarray(sum(tap for row in rows for tap in row))

    averages = step.rule()(total(flat), total(inside))
    return step.shaped(step.clipped(averages, zero=False), len(images))


def _mean(step: Step, values: Array, *_: Array) -> Array:
    rank = values.ndim - 1
    axes = sorted({int(axis) % rank for axis in step.constant(1).ravel()})
    count = int(np.prod([step.source.shape[axis] for axis in axes]))
    sums = values.sum(axis=tuple(axis + 1 for axis in axes), dtype=np.int64, keepdims=True)
    whole = axes == [1, 2] and rank == 4 and step.option("keepDims")
    rule = step.rule("over height and width" if whole else "")
    means = rule(sums, count, place(step.source), place(step.output))
    return step.shaped(step.clipped(means, zero=False), len(values))


OPERATIONS: dict[str, Callable[..., Array]] = {
    "MAX_POOL_2D": _max_pool,
    "AVERAGE_POOL_2D": _average_pool,
    "MEAN": _mean,
}
