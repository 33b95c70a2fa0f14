"""What the bits of a float32 and of a float16 mean, by integer arithmetic on those bits.

Source: IEEE 754-2019, "IEEE Standard for Floating-Point Arithmetic", sections 3.4 and 4.3.1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

Bits16: TypeAlias = NDArray[np.uint16]


@dataclass(frozen=True)
class Format:
    """The layout of a float: one sign bit, then the exponent, then the fraction."""

    exponent_bits: int
    fraction_bits: int
    unsigned: np.dtype[Any]

    @property
    def width(self) -> int:
        """Return the number of bits altogether."""
        return 1 + self.exponent_bits + self.fraction_bits

    @property
    def bias(self) -> int:
        """Return what is subtracted from the stored exponent to get the power of two."""
        return (1 << (self.exponent_bits - 1)) - 1


FLOAT32 = Format(8, 23, np.dtype(np.uint32))
FLOAT16 = Format(5, 10, np.dtype(np.uint16))
_FORMATS = {np.dtype(np.float32): FLOAT32, np.dtype(np.float16): FLOAT16}


@dataclass(frozen=True)
class Fields:
    """A float taken apart.

    Attributes:
        sign: 0 for plus, 1 for minus.
        exponent: the exponent as stored, with the bias added.
        fraction: the fraction as an integer, without the hidden 1.
        bits: all bits as "0" and "1", the sign first, 32 or 16 characters.
        value: what the fields mean together; exact.
        kind: "zero", "subnormal", "normal", "inf" or "nan".
    """

    sign: int
    exponent: int
    fraction: int
    bits: str
    value: float
    kind: str

    def __str__(self) -> str:
        """Return the bits with a space between sign, exponent and fraction."""
        exponent_bits = 8 if len(self.bits) == 32 else 5
        return f"{self.bits[0]} {self.bits[1 : 1 + exponent_bits]} {self.bits[1 + exponent_bits :]}"


def fields32(x: float) -> Fields:
    """Take the float32 nearest to a number apart.

    Args:
        x: one number.

    Returns:
        Its fields: 8 bits of exponent with bias 127, 23 bits of fraction.
    """
    return fields(x, np.float32)


def to_float16(x: NDArray[np.float32]) -> Bits16:
    """Round float32 numbers to float16, halves to even, with integers only.

    Args:
        x: float32 of any shape.

    Returns:
        uint16 of the same shape: the bit patterns, `.view(np.float16)` shows them as numbers. From
        65520 on it is infinity; below 2^-14 subnormal, with fewer and fewer bits; at most 2^-25
        zero.

    Raises:
        ValueError: not float32.
    """
    values = np.asarray(x)
    if values.dtype != np.float32:
        raise ValueError(f"x must be float32; got {values.dtype}. Pass x.astype(np.float32).")
    sign, exponent, fraction = _split(values.view(np.uint32), FLOAT32)
    significand = np.where(exponent > 0, fraction | 1 << 23, fraction)  # the hidden 1
    exponent16 = exponent - FLOAT32.bias + FLOAT16.bias

    # 23 - 10 bits fall away, and one more for every step below the smallest normal exponent, 1.
    # With 25 dropped nothing is left of a 24-bit significand.
    dropped = np.minimum(13 + np.maximum(1 - exponent16, 0), 25)
    kept = significand >> dropped
    remainder = significand - (kept << dropped)
    half = np.int64(1) << (dropped - 1)
    kept += (remainder > half) | ((remainder == half) & (kept % 2 == 1))

    # Adding instead of joining the bits: the hidden 1 in `kept` raises the exponent by the 1 taken
    # off here, and a carry out of the fraction raises it once more, up to infinity (31).
    magnitude = ((np.maximum(exponent16, 1) - 1) << 10) + kept
    magnitude = np.minimum(magnitude, 31 << 10)
    quiet_nan = 31 << 10 | 1 << 9 | fraction >> 13
    magnitude = np.where((exponent == 255) & (fraction > 0), quiet_nan, magnitude)
    return np.asarray(sign << 15 | magnitude).astype(np.uint16)


def _split(bits: NDArray[Any], form: Format) -> tuple[NDArray[np.int64], ...]:
    """Return sign, stored exponent and fraction of bit patterns, each int64."""
    wide = np.asarray(bits).astype(np.int64)  # room to shift and to subtract
    exponent = (wide >> form.fraction_bits) % 2**form.exponent_bits
    return wide >> (form.width - 1), exponent, wide % 2**form.fraction_bits


def _rounded(x: ArrayLike, dtype: DTypeLike) -> tuple[NDArray[Any], Format]:
    """Return `x` as an array of `dtype`, and the layout of that type."""
    form = _FORMATS.get(np.dtype(dtype))
    if form is None:
        raise ValueError(
            f"dtype must be float32 or float16; got {np.dtype(dtype)}. "
            "Python's own float is float64: choose one of the two."
        )
    with np.errstate(over="ignore"):
        return np.asarray(x).astype(dtype), form


def fields(x: float, dtype: DTypeLike) -> Fields:
    """Take one number apart, rounded to float32 or float16 first."""
    values, form = _rounded(x, dtype)
    if values.ndim:
        raise ValueError(f"x must be one number; got an array of shape {values.shape}. Pick one.")
    bits = int(values.view(form.unsigned))
    sign, exponent, fraction = (int(part) for part in _split(np.asarray(bits), form))
    power = max(exponent, 1) - form.bias - form.fraction_bits
    hidden = 2**form.fraction_bits if exponent else 0
    value = math.ldexp(hidden + fraction, power)
    kind = "normal" if exponent else "subnormal" if fraction else "zero"
    if exponent == 2**form.exponent_bits - 1:
        value, kind = (math.nan, "nan") if fraction else (math.inf, "inf")
    return Fields(sign, exponent, fraction, f"{bits:0{form.width}b}", (-1) ** sign * value, kind)
