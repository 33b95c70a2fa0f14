"""Requantization: how an engine scales an integer sum back to 8 or 16 bits. A rule is a function.

A layer's integer sum has the scale `input_scale * weight_scale`. To get to the output's scale it
is multiplied with the real multiplier, `input_scale * weight_scale / output_scale`, and rounded.
Engines do that in different arithmetic, so that one file has several right answers.

Each rule takes sums (whole numbers in any dtype), and float32 scales that spread over them; it
returns whole numbers (int64 if it computes in integers, else its float type) before the zero point
is added. So do `by_division` and `by_reciprocal` with the floats that enter a network. Where C++
leaves a result undefined, since it does not fit 32 bits, a rule raises OverflowError: there the
answer depends on the processor.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from qhelpers.arithmetic import Array


def half_away(real: Any) -> Array:
    """Round float64 to whole numbers, halves away from zero, as C's `round` does."""
    whole = np.trunc(real)
    return np.asarray(whole + np.where(np.abs(real - whole) >= 0.5, np.sign(real), 0))


def real_multiplier(input_scale: Any, weight_scales: Any, output_scale: Any) -> Array:
    """Return input_scale * weight_scales / output_scale in float64, as the LiteRT kernels do."""
    product = np.float64(input_scale) * np.asarray(weight_scales, np.float64)
    return np.asarray(product / np.float64(output_scale))


def quantized_multiplier(real: Any) -> tuple[Array, Array]:
    """Write multipliers, 0 or more, as mantissa * 2**(shift - 31), applied without floats.

    The mantissa, int64, is 2**30 to 2**31 - 1, the shift -31 or more. A multiplier too small for
    that becomes (0, 0).

    Source: `QuantizeMultiplier` in LiteRT; B. Jacob et al. (2018), section 2.2.
    """
    real = np.asarray(real, np.float64)
    if not (np.isfinite(real) & (real >= 0)).all():
        raise ValueError(f"multipliers must be finite and not negative; got {real}.")
    fraction, exponent = np.frexp(real)
    mantissa, shift = half_away(fraction * 2.0**31).astype(np.int64), exponent.astype(np.int64)
    if (shift > 30).any():
        raise OverflowError(
            f"a multiplier of {real.max():g} is beyond 2**30. Are the scales right?"
        )
    full = mantissa == 1 << 31  # rounded up to 1.0, which is 0.5 doubled
    mantissa, shift = np.where(full, 1 << 30, mantissa), shift + full
    lost = shift < -31
    return np.where(lost, 0, mantissa), np.where(lost, 0, shift)


def gemmlowp(sums: Array, input_scale: Any, weight_scales: Any, output_scale: Any) -> Array:
    """Round twice in integers: once to the upper 32 bits of a doubled product, once in the shift.

    Source: the 32-bit `MultiplyByQuantizedMultiplier` in LiteRT; gemmlowp's `fixedpoint.h`.
    """
    real = real_multiplier(input_scale, weight_scales, output_scale)
    return multiply_by_quantized(sums, *quantized_multiplier(real))


def ruy(sums: Array, input_scale: Any, weight_scales: Any, output_scale: Any) -> Array:
    """Round twice in integers as `gemmlowp` does, but a half goes up the second time, too.

    Source: LiteRT's optimized kernels multiply matrices with the library ruy; measured on x86-64.
    """
    real = real_multiplier(input_scale, weight_scales, output_scale)
    mantissa, shift = quantized_multiplier(real)
    return multiply_by_quantized(_within_int32(sums), mantissa, shift, away=False)


def ruy_on_arm(sums: Array, input_scale: Any, weight_scales: Any, output_scale: Any) -> Array:
    """Round once in integers, a half up. For multipliers below 2**30.

    Source: ruy's `kernel_arm64.cc` (`sqdmulh`, then `srshl`, since 2021); read, not measured.
    """
    real = real_multiplier(input_scale, weight_scales, output_scale)
    mantissa, shift = quantized_multiplier(real)
    product = _within_int32(sums).astype(np.int64) * mantissa
    return _within_int32((product + (1 << (30 - shift))) >> (31 - shift))


def multiply_by_quantized(whole: Array, mantissa: Any, shift: Any, away: bool = True) -> Array:
    """Multiply whole numbers in int32 with mantissa * 2**(shift - 31), rounding twice.

    The first time a half goes up; the second time away from zero, or up as well.
    """
    left, right = np.maximum(shift, 0), np.maximum(-np.asarray(shift), 0)
    if whole.dtype.kind == "f" and not left.any():
        quickly = _once_where_it_is_enough(whole, mantissa, right, away)
        if quickly is not None:
            return quickly
    result = whole.astype(np.int64)
    if left.any():
        result = _within_int32(result << left)
    result *= mantissa
    result += 1 << 30
    result >>= 31  # the first rounding: a half goes up
    negative = (result < 0) & (right > 0) if away else False
    result += (1 << right) >> 1
    np.subtract(result, 1, out=result, where=negative)
    result >>= right  # the second
    return result


def _once_where_it_is_enough(whole: Array, mantissa: Any, right: Array, away: bool) -> Array | None:
    """Round floats once where twice gives the same; None where they are too large for that.

    The first rounding moves a number by half a step of 2**-right, the float arithmetic by less
    than 2**-22 of the largest: only what lies that close to a half is computed in integers.
    """
    scaled = whole * np.ldexp(np.asarray(mantissa, np.float64), -right - 31).astype(whole.dtype)
    largest = max(scaled.max(initial=0), -scaled.min(initial=0))
    if largest >= 2**22:
        return None
    result = scaled + whole.dtype.type(0.5)
    np.floor(result, out=result)
    scaled -= result
    np.abs(scaled, out=scaled)
    safe = 0.5 - np.ldexp(0.5, -right) - float(largest) * 2.0**-22 - 2.0**-22
    close = np.flatnonzero(scaled >= safe.astype(whole.dtype))
    if close.size:
        m, shift = (np.broadcast_to(v, whole.shape).flat[close] for v in (mantissa, -right))
        some = whole.reshape(-1)[close].astype(np.int64)
        result.flat[close] = multiply_by_quantized(some, m, shift, away)
    return np.asarray(result)


def reduced(sums: Array, input_scale: Any, weight_scales: Any, output_scale: Any) -> Array:
    """Round once in integers, with a multiplier of 16 bits: for sums of 16x8, below 2**47.

    Source: the 64-bit `MultiplyByQuantizedMultiplier` in LiteRT.
    """
    real = real_multiplier(input_scale, weight_scales, output_scale)
    mantissa, shift = quantized_multiplier(real)
    if (shift > 7).any():
        raise OverflowError(f"16x8 takes multipliers below 128 only; got {real.max():g}.")
    short = np.where(mantissa < 0x7FFF0000, (mantissa + (1 << 15)) >> 16, 0x7FFF)
    total = 15 - shift
    return _within_int32((sums.astype(np.int64) * short + (1 << (total - 1))) >> total)


def float64(sums: Array, input_scale: Any, weight_scales: Any, output_scale: Any) -> Array:
    """Multiply in float64 and round once, a half away from zero.

    Source: `reference_integer_ops::FullyConnectedPerChannel` in LiteRT, the form that takes scales.
    """
    real = real_multiplier(input_scale, weight_scales, output_scale)
    return _within_int32(half_away(sums.astype(np.float64) * real))


def float32(sums: Array, input_scale: Any, weight_scales: Any, output_scale: Any) -> Array:
    """Multiply in float32 and round once, a half to the even neighbor.

    Three roundings to float32 come first: of the product of the scales, of the multiplier, and of
    the sum where it is beyond 2**24.

    Source: the `minmax-fp32` kernels in XNNPACK; `init_requantization_scale` of its operators.
    """
    product = np.float32(input_scale) * np.asarray(weight_scales, np.float32)
    scaled = sums.astype(np.float32) * np.asarray(product / np.float32(output_scale), np.float32)
    return _within_int32(np.rint(scaled, out=scaled))


def by_division(reals: Array, scale: Any) -> Array:
    """Quantize float32: divide in float32, then round a half away from zero.

    Source: `reference_ops::AffineQuantize` in LiteRT.
    """
    return half_away((reals / np.float32(scale)).astype(np.float64))


def by_reciprocal(reals: Array, scale: Any) -> Array:
    """Quantize float32: multiply with the scale's reciprocal, then round a half to even.

    Source: `optimized_ops::AffineQuantize` in LiteRT; `qs8-f32-vcvt` in XNNPACK.
    """
    return np.rint(reals * np.float32(1 / np.float64(scale)))


def _within_int32(whole: Array) -> Array:
    """Return `whole`, or raise where it leaves int32."""
    if whole.size and (whole.max() >= 2**31 or whole.min() < -(2**31)):
        raise OverflowError(
            f"a scaled sum of {max(whole.max(), -whole.min()):,.0f} does not fit int32; "
            "what an engine makes of it depends on the processor. Are the scales right?"
        )
    return whole
