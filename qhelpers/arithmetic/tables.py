"""Functions that engines look up in tables: 256 entries for 8 bits, 513 and a slope for 16.

Functions of floats are those of the C library, which the engines call, too: the last bit of a
float32 is the library's own.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from qhelpers.arithmetic import Array, Place, fixed_point
from qhelpers.arithmetic.requantization import (
    half_away,
    multiply_by_quantized,
    quantized_multiplier,
)

Function = Callable[[Array], Array]

_F32 = np.float32
_EXACT = {"expf": np.exp, "expm1f": np.expm1, "tanhf": np.tanh}


@functools.cache
def _of_c(name: str) -> Function:
    """Return a float32 function of the C library; where there is none, NumPy's, rounded."""
    exact: Function = _EXACT[name]
    try:
        called = getattr(ctypes.CDLL(None), name)
    except (OSError, AttributeError, TypeError):
        return lambda x: exact(x.astype(np.float64)).astype(_F32)
    called.argtypes, called.restype = [ctypes.c_float], ctypes.c_float
    return lambda x: np.array([called(v) for v in x.ravel()], _F32).reshape(x.shape)


def logistic(x: Array) -> Array:
    """Return 1 / (1 + e**-x) in float32, as LiteRT's kernels compute it."""
    return np.asarray(_F32(1) / (_F32(1) + _of_c("expf")(-x)))


def logistic_of_xnnpack(x: Array) -> Array:
    """Return 1 / (1 + e**-x) in float32, as XNNPACK computes it: in float64, then rounded."""
    e = np.exp(np.clip(x.astype(np.float64), -100, 100))
    return np.where(x > 100, 1, np.where(x < -100, 0, e / (1 + e))).astype(_F32)


def tanh(x: Array) -> Array:
    """Return the hyperbolic tangent in float32."""
    return _of_c("tanhf")(x)


def elu(x: Array) -> Array:
    """Return x, or e**x - 1 below 0, in float32."""
    return np.where(x < 0, _of_c("expm1f")(x), x)


def by_kernels(function: Function, values: Array, source: Place, output: Place) -> Array:
    """Look up int8 in LiteRT's table of a function: a half is rounded away from zero.

    Source: `LUTPopulateInt8` in LiteRT's `kernels/internal/common.h`.
    """
    real = _F32(source[0]) * (_steps() - source[1]).astype(_F32)
    scaled = half_away(function(real) * (_F32(1) / _F32(output[0]))) + output[1]
    return np.clip(scaled, -128, 127).astype(np.int8)[values.view(np.uint8)]


def by_xnnpack(function: Function, values: Array, source: Place, output: Place) -> Array:
    """Look up int8 in XNNPACK's table of a function: the zero point is added before rounding.

    Source: `unary_ukernel_quantized` in XNNPACK's `reference/unary-elementwise.cc`.
    """
    real = (_steps().astype(_F32) - _F32(source[1])) * _F32(source[0])
    scaled = np.rint(function(real) * (_F32(1) / _F32(output[0])) + _F32(output[1]))
    return np.asarray(np.clip(scaled, -128, 127).astype(np.int8)[values.view(np.uint8)])


def _steps() -> Array:
    """Return all values of int8, in the order of their bits."""
    return np.arange(256).astype(np.uint8).view(np.int8).astype(np.int64)


def fixed(function: Callable[..., Array], values: Array, source: Place, output: Place) -> Array:
    """Compute int8 with a function of `fixed_point` whose inputs have 4 bits before the point.

    The output's scale has to be 1/256 from -128 for the logistic function, 1/128 for tanh.
    Source: `reference_integer_ops::Logistic` and `Tanh` for int8, LiteRT for Microcontrollers.
    """
    mantissa, shift = quantized_multiplier(float(source[0]) * (1 << 27))
    largest = fixed_point.radius(4, int(shift))
    steps = _steps() - source[1]
    inside = np.clip(steps, -largest, largest)
    raw = function(multiply_by_quantized(inside, mantissa, shift), 4)
    scaled = fixed_point.divide_by_power(raw, 23 if output[1] == -128 else 24) + output[1]
    table = np.where(steps <= -largest, -128, np.where(steps >= largest, 127, scaled))
    return np.clip(table, -128, 127).astype(np.int8)[values.view(np.uint8)]


@functools.cache
def _sigmoids() -> Array:
    """Return 65,536 / (1 + e**(-i / 24)), i from 0 to 255, as LiteRT's table has it.

    44 of its entries are not the nearest: one too large. Source: `sigmoid_table_uint16` in LiteRT.
    """
    table = np.rint(65536 / (1 + np.exp(-np.arange(256) / 24))).astype(np.int64)
    table[[4, 8, 12, 14, 15, 16, 17, 19, 20, 21, 22, 25, 27, 28, 29, 30, 31, 33, 34, 35, 37]] += 1
    table[[39, 40, 41, 43, 44, 45, 46, 49, 50, 54, 62, 63, 64, 66, 82, 86, 93, 100, 103]] += 1
    table[[112, 116, 135, 255]] += 1
    return table


def _thirds(values: Array, scale: Any, powers: tuple[int, ...]) -> Array:
    """Bring int16 of a scale to steps of 1 / (3 * 4096), in which the table is read."""
    power = np.log2(float(scale)) + 12
    if abs(power - np.rint(power)) < 1e-3 and int(np.rint(power)) in powers:
        return values.astype(np.int64) * (3 << int(np.rint(power)))
    multiplier, shift = float(scale) * 4096 * 3, 0
    while multiplier <= 32767 / 2 and shift <= 30:
        multiplier, shift = multiplier * 2, shift + 1
    return (values.astype(np.int64) * int(multiplier) + ((1 << shift) >> 1)) >> shift


def _between(steps: Array, bits: int, top: int) -> Array:
    """Interpolate in that table; a place of it is 2**bits steps, and what lies beyond is `top`."""
    at, within = np.abs(steps) >> bits, np.abs(steps) & ((1 << bits) - 1)
    left, right = (_sigmoids()[np.minimum(at, 254) + side] for side in (0, 1))
    return np.where(at >= 255, top, (left << bits) + within * (right - left))


def logistic16(values: Array, source: Place, output: Place) -> Array:
    """Compute the logistic function of int16, interpolated in a table; scale 1 / 32,768.

    Source: `reference_integer_ops::Logistic` for int16 in LiteRT.
    """
    steps = _thirds(values, source[0], (0,))
    result = _between(steps, 9, 0x7FFF << 10)
    result = np.where(steps >= 0, result + 512, (1 << 25) - result + 511)
    return (result >> 10).astype(np.int16)


def tanh16(values: Array, source: Place, output: Place) -> Array:
    """Compute tanh of int16 from the table of the logistic function; scale 1 / 32,768.

    Source: `reference_integer_ops::Tanh` for int16 in LiteRT.
    """
    return tanh_of_thirds(_thirds(values, source[0], (0, 1)))


def tanh_of_thirds(steps: Array) -> Array:
    """Compute tanh of steps of 1 / (3 * 4096): int16 of scale 1 / 32,768."""
    result = _between(steps, 8, 0xFFFF << 8) - (1 << 23)
    result = np.where(steps >= 0, result + 128, -result + 127)
    return (result >> 8).astype(np.int16)


def of_powers(
    function: Callable[..., Array],
    otherwise: Callable[..., Array],
    powers: tuple[int, ...],
    values: Array,
    source: Place,
    output: Place,
) -> Array:
    """Compute int16 with a function of `fixed_point` where the scale is one of 2**(power - 12).

    Source: `SigmoidPrepare`, `TanhPrepare` and `optimized_ops` in LiteRT.
    """
    power = np.log2(float(source[0])) + 12
    if abs(power - np.rint(power)) >= 1e-3 or int(np.rint(power)) not in powers:
        return otherwise(values, source, output)
    moved = fixed_point.saturated(values.astype(np.int64) << int(np.rint(power)), 16)
    return function(moved, 3, 16).astype(np.int16)


def softmax_by_floats(values: Array, scale: Any, beta: float) -> Array:
    """Return the softmax of int8 [..., classes]: a table of e**x, sums in float32; scale 1/256.

    Source: `optimized_ops::Softmax` and `PopulateSoftmaxLookupTable` in LiteRT.
    """
    exps = _of_c("expf")(-_F32(scale) * _F32(beta) * np.arange(256).astype(_F32))
    behind = values.max(axis=-1, keepdims=True).astype(np.int64) - values
    terms = exps[behind]
    total = np.add.accumulate(terms, axis=-1)[..., -1:]  # one after the other
    scaled = half_away(terms * (_F32(1) / (total * _F32(1 / 256))))
    return np.clip(scaled - 128, -128, 127).astype(np.int8)


@functools.cache
def _table16(name: str, wide: bool) -> Array:
    """Return the 513 entries of a function for int16, built in float64 or float32.

    They are shifted by half of what a straight line errs by in the middle of its piece.
    Source: `LUTPopulateInt16` in LiteRT, with the ranges of `SoftmaxPrepare`.
    """
    kind: Any = np.float64 if wide else _F32
    if name == "exp":  # of -10 to 0
        function = np.exp if wide else _of_c("expf")
        low, high = kind(10) / kind(65535) * kind(-65535), kind(0)
    else:  # 1 / (1 + x) of 0 to 1
        function = lambda x: kind(1) / (kind(1) + x)  # noqa: E731
        low, high = kind(0), kind(1) / kind(65535) * kind(65535)
    scale = kind(2) / kind(65535)
    step = (high - low) / kind(512)
    levels = kind(65536) / (scale * kind(32767) - scale * kind(-32768))
    places = low + np.arange(513).astype(kind) * step
    at = function(places) * levels
    middle = half_away(function(places[:-1] + step / kind(2)) * levels)
    between = half_away((at[1:] + half_away(at[:-1]).astype(kind)) / kind(2))
    entries = half_away(at[:-1]) - half_away((between - middle) / 2)
    last = half_away(function(np.array([high])) * levels)
    return np.clip(np.append(entries, last), -32768, 32767).astype(np.int64)


def _looked_up(values: Array, table: Array) -> Array:
    """Interpolate int16 in a table of 513 entries. Source: `LUTLookup` in LiteRT."""
    at = (values >> 7) + 256
    slope = table[at + 1] - table[at]
    return np.asarray(table[at] + ((slope * (values & 127) + 64) >> 7))


def softmax16(values: Array, scale: Any, beta: float, wide: bool) -> Array:
    """Return the softmax of int16 [..., classes], by two tables; scale 1 / 32,768.

    Source: `reference_ops::SoftmaxInt16` in LiteRT; `wide`: its tables are built in float64, those
    of LiteRT for Microcontrollers in float32.
    """
    # LiteRT multiplies scale and beta in float32.
    real = float(_F32(scale) * _F32(beta)) if wide else float(scale) * float(_F32(beta))
    ratio = quantized_multiplier(real / (10 / 65535))
    behind = values.astype(np.int64) - values.max(axis=-1, keepdims=True)
    steps = fixed_point.saturated(multiply_by_quantized(behind, *ratio) + 32767, 16)
    terms = _looked_up(steps, _table16("exp", wide))
    total = terms.sum(axis=-1, keepdims=True)
    headroom = 32 - np.frexp(total.astype(np.float64))[1].astype(np.int64)
    shifted = ((total << (headroom - 1)) + (1 << 13)) >> 14
    shifted = fixed_point.saturated(shifted - ((1 << 15) + (1 << 16)), 16)
    inverse = _looked_up(shifted, _table16("inverse", wide))
    right = 31 - headroom
    result = (terms * inverse + (1 << (right - 1))) >> right
    return np.asarray(np.clip(result, 0, 32767).astype(np.int16))
