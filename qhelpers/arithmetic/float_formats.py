"""What the bits of a float32 mean, by integer arithmetic on those bits.

Source: IEEE 754-2019, "IEEE Standard for Floating-Point Arithmetic", section 3.4.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


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
