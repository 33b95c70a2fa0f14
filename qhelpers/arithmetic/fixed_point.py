"""exp, logistic, tanh and 1 / (1 + x) in integers alone, and the softmax that is built of them.

A number is an integer of `bits` bits, of which `whole` stand before the binary point and one is
the sign: raw / 2**(bits - 1 - whole). All arrays are int64. Functions that return values from -1
to 1 return them with no bit before the point.

Source: `fixedpoint.h` in gemmlowp; `reference/softmax.h` and `GetReciprocal` in LiteRT.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from qhelpers.arithmetic import Array
from qhelpers.arithmetic.requantization import quantized_multiplier

# exp(-2**e) for e = -2 to 4, in 32 bits.
_POWERS = (1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242)


def high_product(a: Any, b: Any, bits: int = 32) -> Array:
    """Return the upper `bits` bits of a doubled product; a half goes up, the top saturates."""
    product = (np.asarray(a) * b + (1 << (bits - 2))) >> (bits - 1)
    return np.asarray(np.minimum(product, (1 << (bits - 1)) - 1))


def divide_by_power(whole: Any, exponent: Any) -> Array:
    """Divide by 2**exponent and round a half away from zero."""
    whole, exponent = np.asarray(whole, np.int64), np.asarray(exponent, np.int64)
    half = (1 << exponent) >> 1
    return np.asarray((whole + half - ((whole < 0) & (exponent > 0))) >> exponent)


def saturated(whole: Any, bits: int) -> Array:
    """Clip to what `bits` bits hold."""
    return np.asarray(np.clip(whole, -(1 << (bits - 1)), (1 << (bits - 1)) - 1))


def _constant(raw: int, bits: int) -> int:
    """Return a constant of 32 bits in `bits` bits."""
    return int(divide_by_power(raw, 32 - bits))


def exp(raw: Array, whole: int, bits: int = 32) -> Array:
    """Return e**x for x of 0 or less."""
    fraction = bits - 1 - whole
    quarter = 1 << (fraction - 2)
    below = (raw & (quarter - 1)) - quarter  # from -1/4 to 0, without 0
    x = (below << whole) + (1 << (bits - 4))  # Taylor's series around -1/8
    x2 = high_product(x, x, bits)
    x3, x4 = high_product(x2, x, bits), high_product(x2, x2, bits)
    third = _constant(715827883, bits)
    rest = divide_by_power(high_product(divide_by_power(x4, 2) + x3, third, bits) + x2, 1)
    middle = _constant(1895147668, bits)  # exp(-1/8)
    result = saturated(middle + high_product(middle, x + rest, bits), bits)
    quarters = below - raw
    for e, power in zip(range(-2, whole), _POWERS, strict=False):
        smaller = high_product(result, _constant(power, bits), bits)
        result = np.where(quarters & (1 << (fraction + e)), smaller, result)
    if whole > 5:
        result = np.where(raw < -(32 << fraction), 0, result)
    return np.where(raw == 0, (1 << (bits - 1)) - 1, result)


def _newton(raw: Array, bits: int) -> Array:
    """Return 2 / (1 + x) for x from 0 to 1, with two bits before the point."""
    half = (raw + (1 << (bits - 1))) >> 1
    x = _constant(1515870810, bits) + high_product(half, _constant(-1010580540, bits), bits)
    for _ in range(3):
        left = (1 << (bits - 3)) - high_product(half, x, bits)
        x = x + saturated(high_product(x, left, bits) << 2, bits)
    return x


def one_over_one_plus(raw: Array, bits: int = 32) -> Array:
    """Return 1 / (1 + x) for x from 0 to 1, with no bit before the point."""
    return saturated(_newton(raw, bits) << 1, bits)


def logistic(raw: Array, whole: int, bits: int = 32) -> Array:
    """Return 1 / (1 + e**-x)."""
    above = one_over_one_plus(exp(-np.abs(raw), whole, bits), bits)
    result = np.where(raw > 0, above, (1 << (bits - 1)) - 1 - above)
    return np.where(raw == 0, 1 << (bits - 2), result)


def tanh(raw: Array, whole: int, bits: int = 32) -> Array:
    """Return the hyperbolic tangent, from e**(-2 * |x|)."""
    x = _newton(exp(-np.abs(raw), whole + 1, bits), bits) - (1 << (bits - 3))
    return np.where(raw == 0, 0, np.sign(raw) * saturated(x << 2, bits))


def radius(whole: int, shift: int, bits: int = 31) -> int:
    """Return the largest input, in steps, that 2**shift does not drive beyond `whole` bits."""
    return int(((1 << whole) - 1) * 2.0 ** (bits - whole - int(shift)))


def softmax(values: Array, scale: Any, beta: float) -> Array:
    """Return the softmax of int8 [..., classes] of this scale: int8 of scale 1/256, from -128."""
    real = min(float(beta) * float(scale) * (1 << 26), 2.0**31 - 1)
    mantissa, shift = quantized_multiplier(real)
    steps = np.arange(256)
    exps = exp(high_product(-steps << max(int(shift), 0), mantissa), 5)
    exps[steps > radius(5, int(shift))] = 0
    behind = values.max(axis=-1, keepdims=True).astype(np.int64) - values
    terms = exps[behind]
    total = np.where(terms > 0, divide_by_power(terms, 12), 0).sum(axis=-1, keepdims=True)
    headroom = 32 - np.frexp(total.astype(np.float64))[1]
    inverse = one_over_one_plus((total << headroom) - (1 << 31))
    scaled = divide_by_power(high_product(inverse, terms), 12 - headroom + 23)
    return np.where(terms > 0, np.clip(scaled - 128, -128, 127), -128).astype(np.int8)
