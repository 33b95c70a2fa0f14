"""What the bits of a float mean, and floats of 16, 8, 6 and 4 bits made from float32.

A `FloatFormat` is a sign, some exponent bits, some fraction bits, a bias, and what the top exponent
stands for. `encode` rounds float32 to it, half to even, by integer arithmetic on the bits; `decode`
goes back, without an error.

Sources: IEEE 754-2019, section 3.4; P. Micikevicius et al., "FP8 Formats for Deep Learning",
arXiv:2209.05433, 2022; B. Noune et al., "8-bit Numerical Formats for Deep Neural Networks",
arXiv:2206.02915, 2022 (fnuz); B. Rouhani et al., "OCP Microscaling Formats (MX) Specification
v1.0", 2023, section 5.3 (6 and 4 bits, E8M0).
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float32]

_CHUNK = 2**15  # numbers that are encoded at a time: they stay in the processor's cache


@dataclass(frozen=True)
class Fields:
    """A float32 taken apart.

    Attributes:
        sign: 0 for plus, 1 for minus.
        exponent: 8 bits, as stored, with the bias 127 added.
        fraction: 23 bits, as an integer, without the hidden 1.
    """

    sign: int
    exponent: int
    fraction: int

    def __str__(self) -> str:
        """Return the bits with a space between sign, exponent and fraction."""
        return f"{self.sign} {self.exponent:08b} {self.fraction:023b}"


def fields32(x: float) -> Fields:
    """Take the float32 nearest to a number apart."""
    with np.errstate(over="ignore"):
        bits = int(np.float32(x).view(np.uint32))
    return Fields(bits >> 31, (bits >> 23) % 2**8, bits % 2**23)


@dataclass(frozen=True)
class FloatFormat:
    """A float of at most 16 bits: sign, exponent, fraction, from the highest bit down.

    Attributes:
        name: as the field says it, such as "E4M3".
        exponent_bits: how many; the exponent is stored with the bias added.
        fraction_bits: how many, without the hidden 1.
        bias: what is added to the exponent.
        top: "ieee": the top exponent is infinity and NaN. "fn": finite numbers, and NaN in the
            very last code alone. "fnuz": finite numbers; NaN takes the place of -0. "finite":
            neither NaN nor infinity.
        signed: without a sign, there are only the powers of two (E8M0), and neither 0 nor
            subnormals.
    """

    name: str
    exponent_bits: int
    fraction_bits: int
    bias: int
    top: Literal["ieee", "fn", "fnuz", "finite"]
    signed: bool = True

    @property
    def bits(self) -> int:
        """Return how many bits a number takes."""
        return self.signed + self.exponent_bits + self.fraction_bits

    @property
    def largest(self) -> float:
        """Return the largest finite number."""
        return float(self.values[self._last])

    @property
    def smallest(self) -> float:
        """Return the smallest number above 0: a subnormal one, where there are any."""
        return float(self.values[int(self.signed)])

    @property
    def _last(self) -> int:
        """Return the code of the largest finite number."""
        below = {"ieee": (1 << self.fraction_bits) + 1, "fn": 2, "fnuz": 1, "finite": 1}[self.top]
        return (1 << self.exponent_bits + self.fraction_bits) - below

    @property
    def _nan(self) -> int:
        """Return the code of NaN, where there is one: quiet, and without a sign."""
        quiet = 1 << self.fraction_bits - 1 if self.top == "ieee" else 0  # and infinity before it
        return self._last + 1 + quiet

    @functools.cached_property
    def values(self) -> Floats:
        """Return what each code stands for, in the order of the codes: float32 [2**bits]."""
        codes = np.arange(2**self.bits)
        place = self.exponent_bits + self.fraction_bits
        magnitude, negative = codes % 2**place, codes >> place > 0
        exponent, fraction = magnitude >> self.fraction_bits, magnitude % 2**self.fraction_bits
        hidden = ((exponent > 0) | (not self.signed)) << self.fraction_bits
        lowest = np.maximum(exponent, int(self.signed)) - self.bias - self.fraction_bits
        values = np.ldexp((hidden + fraction).astype(np.float64), lowest)
        values[magnitude > self._last] = np.nan
        if self.top == "ieee":
            values[magnitude == self._last + 1] = np.inf
        values = np.where(negative, -values, values)
        if self.top == "fnuz":
            values[self._nan] = np.nan
        values = values.astype(np.float32)
        values.flags.writeable = False
        return values

    def decode(self, codes: ArrayLike) -> Floats:
        """Return what codes, integers of any shape, stand for: float32, exactly.

        Raises:
            ValueError: a code that needs more bits than the format has.
        """
        array = np.asarray(codes)
        if array.size and not 0 <= array.min() <= array.max() < 2**self.bits:
            found = f"got {array.min()} to {array.max()}"
            raise ValueError(f"{self.name} has codes 0 to {2**self.bits - 1}; {found}. Unpack.")
        return np.asarray(self.values[array], np.float32)

    def encode(self, real: ArrayLike, saturate: bool = False) -> NDArray[Any]:
        """Return the codes of the nearest numbers, half to even: uint8, above 8 bits uint16.

        Args:
            real: any shape; what is not float32 becomes it first.
            saturate: what is too large, infinity too, becomes the largest number; else infinity,
                or NaN in a format that has none. Formats without either always saturate numbers.

        Raises:
            ValueError: NaN, or infinity that is not to saturate, and the format has neither.
        """
        x = np.asarray(real, np.float32)
        if self.top == "finite":
            strange = np.isnan(x) if saturate else ~np.isfinite(x)
            if strange.any():
                at = np.unravel_index(int(strange.argmax()), x.shape)
                what = f"{x[at]} at {tuple(map(int, at))}"
                advice = "Clip infinities (saturate=True), and find out where a NaN comes from."
                raise ValueError(f"{self.name} has neither NaN nor infinity; got {what}. {advice}")
        codes = np.empty(x.size, np.uint8 if self.bits <= 8 else np.uint16)
        for start in range(0, x.size, _CHUNK):
            part = np.ascontiguousarray(x).reshape(-1)[start : start + _CHUNK]
            codes[start : start + _CHUNK] = self._encoded(part.view(np.uint32), saturate)
        return codes.reshape(x.shape)

    def _encoded(self, bits: NDArray[Any], saturate: bool) -> NDArray[Any]:
        """Return the codes of float32 numbers [n], given by their bits."""
        magnitude, negative = bits & np.uint32(2**31 - 1), bits >> 31
        codes = self._rounded(magnitude) if self.signed else _exponents(magnitude)
        # Behind the largest number comes infinity, or else NaN.
        beyond = self._last + (self.top != "finite" and not saturate)
        np.copyto(codes, np.uint32(beyond), where=codes > self._last)
        np.copyto(codes, np.uint32(self._nan), where=magnitude > 0x7F800000)
        if not self.signed:  # no zero, nothing negative
            np.copyto(codes, np.uint32(self._nan), where=(negative > 0) | (magnitude == 0))
        elif self.top == "fnuz":  # zero and NaN have no sign
            codes |= (negative & ((codes > 0) & (codes <= self._last))) << (self.bits - 1)
        else:
            codes |= negative << (self.bits - 1)
        return codes

    def _rounded(self, magnitude: NDArray[Any]) -> NDArray[Any]:
        """Return codes of float32 magnitudes, too large where they do not fit."""
        drop = 23 - self.fraction_bits
        # Half of the last kept place, less 1 where that place is even: a carry runs into the
        # exponent, as it should.
        codes = magnitude >> drop & 1
        codes += magnitude
        codes += 2 ** (drop - 1) - 1
        codes >>= drop
        codes -= np.uint32((127 - self.bias) << self.fraction_bits)
        # Below the first normal number the steps are all alike. Added to a float whose last place
        # is such a step, the processor rounds half to even.
        step = np.array([2.0 ** (24 - self.bias - self.fraction_bits)], np.float32)
        small = magnitude < (128 - self.bias) << 23
        if small.any():
            with np.errstate(invalid="ignore"):
                sums = (magnitude.view(np.float32) + step).view(np.uint32)
            np.copyto(codes, sums - step.view(np.uint32), where=small)
        return codes


def _exponents(magnitude: NDArray[Any]) -> NDArray[Any]:
    """Return E8M0 codes of float32 magnitudes: the nearest power of two, half up."""
    # Of what is subnormal in float32, 2**-127 and less goes down, the rest up, as in PyTorch.
    return (magnitude + 2**22 - (magnitude < 2**23)) >> 23


BFLOAT16 = FloatFormat("bfloat16", 8, 7, 127, "ieee")
FLOAT16 = FloatFormat("float16", 5, 10, 15, "ieee")
E5M2 = FloatFormat("E5M2", 5, 2, 15, "ieee")
E5M2FNUZ = FloatFormat("E5M2 fnuz", 5, 2, 16, "fnuz")
E4M3 = FloatFormat("E4M3", 4, 3, 7, "fn")
E4M3_IEEE = FloatFormat("E4M3 IEEE", 4, 3, 7, "ieee")
E4M3FNUZ = FloatFormat("E4M3 fnuz", 4, 3, 8, "fnuz")
E3M2 = FloatFormat("E3M2", 3, 2, 3, "finite")
E2M3 = FloatFormat("E2M3", 2, 3, 1, "finite")
E2M1 = FloatFormat("E2M1", 2, 1, 1, "finite")
E8M0 = FloatFormat("E8M0", 8, 0, 127, "fn", signed=False)
