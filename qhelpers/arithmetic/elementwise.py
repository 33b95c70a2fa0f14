"""Sums, products, means and other small arithmetic on quantized numbers, as engines compute it.

Results are whole numbers before the output's zero point is added, except where a function says
that it adds it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from qhelpers.arithmetic import Array, Place, fixed_point, requantization
from qhelpers.arithmetic.requantization import multiply_by_quantized, quantized_multiplier

_F32 = np.float32


def add(
    first: Array, second: Array, a: Place, b: Place, out: Place, sign: int = 1, how: str = "twice"
) -> Array:
    """Add or subtract (`sign` -1) as LiteRT's own kernels do: on a common scale, in int32.

    Both are int8 or int16, of places `a` and `b`; the result is int64 for `out`. Each input is
    scaled with two roundings ("twice"); in vectors of equal length with one ("once"); in vectors
    next to a single number the second one rounds down ("down").

    Source: `ops::builtin::add::Prepare`, `reference_integer_ops::AddFunc`, and
    `optimized/integer_ops/add.h` in LiteRT.
    """
    left, largest = common_scale(first.dtype, a, b)

    def scaled(values: Array, place: Place) -> Array:
        mantissa, shift = quantized_multiplier(np.float64(place[0]) / largest)
        whole = values.astype(np.int64) - place[1]
        if how == "once":
            moved = whole << (left + shift) if left + shift >= 0 else whole >> -(left + shift)
            return fixed_point.high_product(moved, mantissa)
        if how == "down":
            return fixed_point.high_product(whole << left, mantissa) >> -shift
        return multiply_by_quantized(whole << left, mantissa, shift)

    total = scaled(first, a) + sign * scaled(second, b)
    ratio = quantized_multiplier(largest / (np.float64(1 << left) * np.float64(out[0])))
    return multiply_by_quantized(total, *ratio)


def common_scale(dtype: Any, a: Place, b: Place) -> tuple[int, Any]:
    """Return by how many bits `add` shifts to the left, and the scale that both inputs get then."""
    return (15 if dtype == np.int16 else 20), 2 * np.float64(max(a[0], b[0]))


def multiply(
    rule: Callable[..., Array], first: Array, second: Array, a: Place, b: Place, out: Place
) -> Array:
    """Multiply int8 or int16 and scale the product by a rule; arguments as in `add`."""
    product = (first.astype(np.int32) - a[1]) * (second.astype(np.int32) - b[1])
    return rule(product, a[0], b[0], out[0])


def add_in_vectors(first: Array, second: Array, a: Place, b: Place, out: Place) -> Array:
    """Add as LiteRT's optimized kernels do: 16 numbers at a time, what is left one by one.

    The arrays are [n, *shape] of one rank. Where one is repeated, a run ends where it starts again.

    Source: `AddElementwiseInt8`, `AddElementwiseInt16`, `AddScalarBroadcast`,
    `ProcessBroadcastShapes` and `BinaryBroadcastFiveFold` in LiteRT.
    """
    wide = first.dtype == np.int16
    vector, how = _vectors(first.shape[1:], second.shape[1:], wide, 16 if wide else 8)
    if vector.all():
        return add(first, second, a, b, out, how=how)
    one_by_one = add(first, second, a, b, out)
    if not vector.any():
        return one_by_one
    return np.where(vector, add(first, second, a, b, out, how=how), one_by_one)


def in_short(
    rule: Callable[..., Array],
    saturates: bool,
    first: Array,
    second: Array,
    a: Place,
    b: Place,
    out: Place,
) -> Array:
    """Compute what the vectors of LiteRT's optimized int8 kernels keep in int16, as they keep it.

    MUL saturates there and ADD wraps around; then the zero point is added, which wraps around.

    Source: `MulElementwise`, `MulSimpleBroadcast`, `AddElementwiseInt8` and `AddScalarBroadcast`.
    """
    whole = rule(first, second, a, b, out)
    if not whole.size or np.abs(whole).max() < 2**15 - 2**8:
        return whole
    vector, _ = _vectors(first.shape[1:], second.shape[1:], False, 16 if saturates else 8)
    short = np.clip(whole, -(2**15), 2**15 - 1) if saturates else whole
    kept = (short + out[1]).astype(np.int16).astype(np.int64) - out[1]
    return np.where(vector, kept, whole)


def _vectors(
    one: tuple[int, ...], two: tuple[int, ...], wide: bool, narrow: int
) -> tuple[Array, str]:
    """Return which numbers of a result are computed in vectors, and how these add.

    Next to a single number a vector has `narrow` numbers, else 16.
    """
    run, same, how = _run(one, two, wide)
    shape, width = np.broadcast_shapes(one, two), 16 if same else narrow
    place = np.arange(int(np.prod(shape))) % run
    return (place < run // width * width).reshape(shape), how


def _run(one: tuple[int, ...], two: tuple[int, ...], wide: bool) -> tuple[int, bool, str]:
    """Return the numbers in a run, whether both sides have as many, and how a vector adds."""
    if one == two:
        return int(np.prod(one)), True, "once"
    # From the last axis on: "=" where both have as many, "a" or "b" where that one is repeated.
    pairs = [pair for pair in zip(one[::-1], two[::-1], strict=True) if pair != (1, 1)]
    kinds = "".join("=" if a == b else "a" if a == 1 else "b" for a, b in pairs)
    found = re.fullmatch("(=*)(?:(a+)=*b*|(b+)=*a*)=*", kinds)
    if wide or not found:  # no vectors
        return 1, True, "once"
    lengths, at = [max(pair) for pair in pairs], len(found[1])
    same = math.prod(lengths[:at])
    repeated = math.prod(lengths[at : at + len(found[2] or found[3])])
    return (same, True, "once") if same > 1 else (repeated, False, "down")


def add_by_xnnpack(
    first: Array, second: Array, a: Place, b: Place, out: Place, sign: int = 1
) -> Array:
    """Add or subtract int8 as XNNPACK does: products on one power of two, one rounding, a half up.

    Scales are 2**-10 to 2**8 times the output's, else a ValueError.

    Source: `xnn_init_qs8_add_minmax_scalar_params` and the `qs8-vadd` kernels in XNNPACK.
    """
    multipliers, shift = multipliers_of_xnnpack(a, b, out)
    left = (first.astype(np.int64) - a[1]) * multipliers[0]
    right = (second.astype(np.int64) - b[1]) * multipliers[1]
    total: Array = (left + sign * right + (1 << (shift - 1))) >> shift
    return np.clip(total, -(2**15), 2**15 - 1)


def multipliers_of_xnnpack(a: Place, b: Place, out: Place) -> tuple[Array, int]:
    """Return the two multipliers with which XNNPACK adds, int64, and the shift for both."""
    ratios = np.array([_F32(a[0]), _F32(b[0])]) / _F32(out[0])
    if not ((ratios >= 2.0**-10) & (ratios < 2.0**8)).all():
        raise ValueError(f"XNNPACK adds with ratios of scales from 2**-10 to 2**8; got {ratios}.")
    shift = 20 - int(np.frexp(ratios.max())[1] - 1)
    return np.rint(np.ldexp(ratios, shift)).astype(np.int64), shift


def gemmlowp_of_float32(
    whole: Array, scale: Any, other: Any, output_scale: Any, sign_first: bool = False
) -> Array:
    """Scale as `requantization.gemmlowp` does, by a multiplier that is computed in float32.

    The sign of a negative `other` is applied last, or first.

    Source: `Prepare` of MUL, RELU, LEAKY_RELU and PRELU in LiteRT; `QuantizeLeakyRelu`.
    """
    real = np.asarray(_F32(scale) * np.asarray(other, _F32) / _F32(output_scale))
    sign = np.sign(real).astype(np.int64)
    ratio = quantized_multiplier(np.abs(real))
    if sign_first:
        return multiply_by_quantized(whole * sign, *ratio)
    return multiply_by_quantized(whole, *ratio) * sign


def eighths(whole: Array, scale: Any, other: Any, output_scale: Any) -> Array:
    """Scale by a multiplier of 8 bits behind the point; a half goes up.

    Source: `xnn_init_qs8_cvt_scalar_params`, `xnn_init_qs8_lrelu_scalar_params` and their kernels.
    """
    ratio = _F32(scale) / _F32(output_scale) * np.asarray(other, _F32)
    multiplier = np.rint(_F32(256) * ratio).astype(np.int64)
    return np.asarray((whole.astype(np.int64) * multiplier + 128) >> 8)


def in_groups(whole: Array, scale: Any, others: Any, output_scale: Any, size: int) -> Array:
    """Scale as `ruy` does in whole groups of `size` along the last axis, else as `gemmlowp`.

    Source: `optimized_ops::Quantize` and `MultiplyByQuantizedMultiplier4Rows` in LiteRT.
    """
    inside = whole.shape[-1] // size * size
    if inside == whole.shape[-1]:
        return requantization.ruy(whole, scale, others, output_scale)
    spread = np.broadcast_to(np.asarray(others, _F32), whole.shape[-1:])
    groups = requantization.ruy(whole[..., :inside], scale, spread[:inside], output_scale)
    rest = requantization.gemmlowp(whole[..., inside:], scale, spread[inside:], output_scale)
    return np.concatenate([groups, rest], axis=-1)


def in_eights(whole: Array, scale: Any, others: Any, output_scale: Any) -> Array:
    """Scale in groups of 8 channels: LiteRT's optimized depthwise convolution."""
    return in_groups(whole, scale, others, output_scale, 8)


def in_sixteens(whole: Array, scale: Any, other: Any, output_scale: Any) -> Array:
    """Scale in groups of 16 numbers of a sample: LiteRT's optimized QUANTIZE of 8 bits."""
    flat = whole.reshape(len(whole), -1)
    return in_groups(flat, scale, other, output_scale, 16).reshape(whole.shape)


def average(sums: Array, counts: Array) -> Array:
    """Divide sums of quantized numbers by how many they are; a half is rounded away from zero.

    Source: `reference_integer_ops::AveragePool` in LiteRT.
    """
    return np.asarray(np.sign(sums) * ((np.abs(sums) + counts // 2) // counts))


def mean(sums: Array, count: int, source: Place, output: Place) -> Array:
    """Scale sums of `count` numbers to their mean, zero point included: the division is a mantissa.

    Source: `reference_ops::QuantizedMeanOrSum` in LiteRT.
    """
    mantissa, shift = quantized_multiplier(np.float64(source[0]) / np.float64(output[0]))
    more = min(int(count).bit_length() - 1, 32, 31 + int(shift))
    mantissa = (mantissa << more) // count
    return multiply_by_quantized(sums - source[1] * count, mantissa, shift - more) + output[1]


def mean_in_groups(sums: Array, count: int, source: Place, output: Place) -> Array:
    """Scale sums over height and width to their mean, zero point included, 16 channels at a time.

    Source: `optimized_integer_ops::Mean` in LiteRT.
    """
    moved = _F32(source[1]) * _F32(source[0]) / _F32(output[0])
    bias = output[1] - int(moved + (_F32(0.5) if moved > 0 else _F32(-0.5)))
    real = _F32(source[0]) / (_F32(count) * _F32(output[0]))
    return in_groups(sums, real, 1, 1, 16) + bias


def mean_by_xnnpack(sums: Array, count: int, source: Place, output: Place) -> Array:
    """Scale sums to their mean in float32, zero point included, a half to the even neighbor.

    Source: `reduce-nd.c` and `unary_ukernel_quantized_output` in XNNPACK.
    """
    scale = _F32(source[0]) / _F32(output[0]) * (_F32(1) / _F32(count))
    zero = _F32(output[1]) - _F32(count * source[1]) * scale
    return np.asarray(np.rint(sums.astype(_F32) * scale + zero).astype(np.int64))


def hard_swish(values: Array, source: Place, output: Place, wide: bool = False) -> Array:
    """Compute x * relu6(x + 3) / 6 of int8, in 16 bits, with multipliers of float32, or `wide`.

    Source: `reference_ops::HardSwish` and `HardSwishPrepare` in LiteRT.
    """
    kind: Any = np.float64 if wide else _F32
    fine = kind(source[0]) / kind(128)
    ratios = np.array([fine / kind(output[0]), fine / (kind(3) / kind(32768))], np.float64)
    mantissas, powers = quantized_multiplier(ratios)
    if powers[0] > 0:
        raise ValueError("HARD_SWISH takes outputs of at least 1/128 of the input's scale.")
    short = np.minimum((mantissas + (1 << 15)) >> 16, 32767)
    x = (values.astype(np.int64) - source[1]) << 7
    gate, power = x, int(powers[1])
    if power > 0:
        gate = fixed_point.saturated(gate << (power - 1), 16)
    gate = fixed_point.high_product(gate, short[1], 16)
    if power > 0:
        gate = fixed_point.saturated(gate << 1, 16)
    gate = (fixed_point.divide_by_power(gate, max(0, -power)) + (1 << 15)) >> 1
    product = gate * fixed_point.high_product(x, short[0], 16)
    towards_zero = np.sign(product) * (np.abs(product) >> 15)
    return fixed_point.divide_by_power(towards_zero, -powers[0])
