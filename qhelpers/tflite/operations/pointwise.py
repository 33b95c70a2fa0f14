"""Operations that make one number of one or two: sums, products, activations, changes of type."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from qhelpers.arithmetic import requantization
from qhelpers.tflite.file import Array
from qhelpers.tflite.operations.step import Step, aligned, place


def _add(step: Step, first: Array, second: Array) -> Array:
    if step.is_float:
        first, second = aligned(first, second)
        return step.activated(first + second if step.name == "ADD" else first - second)
    if step.bits == 16 and step.option("potScaleInt16", False) and step.engine != "micro":
        scales = [np.log2(float(t.scales[0])) for t in (step.source, step.input(1), step.output)]
        if all(abs(s - np.rint(s)) < 1e-3 for s in scales):
            step.refuse("scales that are powers of two, with potScaleInt16")
    return _of_two(step, first, second)


def _of_two(step: Step, first: Array, second: Array) -> Array:
    places = place(step.source), place(step.input(1)), place(step.output)
    return step.clipped(step.rule()(*aligned(first, second), *places))


def _rescaled(step: Step, whole: Array, other: float = 1, bits: int = 0) -> Array:
    """Scale whole numbers on the source's scale times another to the output's."""
    return step.rule(bits=bits)(whole, step.source.scales[0], other, step.output.scales[0])


def _relu(step: Step, values: Array) -> Array:
    """RELU and RELU6; the latter on microcontrollers clips only, and reads no output scale."""
    scale, zero = place(step.source)
    if step.engine == "micro" and step.name == "RELU6":
        steps = requantization.half_away(np.float64(np.float32(6) / scale))
        return np.clip(values, zero, int(steps) + zero).astype(values.dtype)
    return step.clipped(_rescaled(step, values.astype(np.int64) - zero))


def _leaky_relu(step: Step, values: Array, alpha: Array | None = None) -> Array:
    """LEAKY_RELU, whose slope is an option, and PRELU, whose slopes are a tensor."""
    whole = values.astype(np.int64) - int(step.source.zero_points[0])
    above = _rescaled(step, whole)
    if alpha is None:
        below = _rescaled(step, whole, step.option("alpha"))
    else:
        whole, slopes = aligned(whole, alpha)
        slope, slope_zero = place(step.input(1))
        product = np.minimum(whole, 0) * (slopes.astype(np.int64) - slope_zero)
        below = _rescaled(step, product, slope)
    return step.clipped(np.where(whole >= 0, above, below))


def _hard_swish(step: Step, values: Array) -> Array:
    return step.clipped(step.rule()(values, place(step.source), place(step.output)))


def _quantize(step: Step, values: Array) -> Array:
    if values.dtype == np.float32:
        by_eights = step.rule(bits=32) is requantization.by_reciprocal
        if by_eights and step.floats is None and np.prod(step.output.shape) % 8:
            step.refuse("the numbers left over from groups of 8 are not known")
        return step.clipped(step.rule(bits=32)(values, step.output.scales[0]))
    wide = max(step.source.dtype.itemsize, step.output.dtype.itemsize) > 1
    whole = values.astype(np.int64) - int(step.source.zero_points[0])
    return step.clipped(_rescaled(step, whole, bits=16 if wide else 8))


def _dequantize(step: Step, values: Array) -> Array:
    info, real = step.source, values.astype(np.float32)  # up to 16 bits: exact
    if not len(info.scales):
        return real  # float16
    return np.asarray(np.float32(info.scales[0]) * (real - np.float32(info.zero_points[0])))


OPERATIONS: dict[str, Callable[..., Array]] = {
    "ADD": _add,
    "SUB": _add,
    "MUL": _of_two,
    "RELU": _relu,
    "RELU6": _relu,
    "RELU_N1_TO_1": _relu,
    "LEAKY_RELU": _leaky_relu,
    "PRELU": _leaky_relu,
    "HARD_SWISH": _hard_swish,
    "QUANTIZE": _quantize,
    "DEQUANTIZE": _dequantize,
}
