"""Integers of 1 to 8 bits in bytes, the first in the lowest bits, as LiteRT stores them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


def pack(integers: ArrayLike, bits: int) -> NDArray[np.uint8]:
    """Put integers of any shape into uint8 [ceil(n * bits / 8)], in C order.

    Negative ones become two's complement; what is left over in the last byte is zeros.

    Raises:
        ValueError: another number of bits, no integers, or one that does not fit.
    """
    _check(bits)
    array = np.asarray(integers)
    if array.dtype.kind not in "iu":
        raise ValueError(f"only integers can be packed; got {array.dtype}. Quantize first.")
    if array.size:
        low, high = int(array.min()), int(array.max())
        fits_signed = -(2 ** (bits - 1)) <= low and high < 2 ** (bits - 1)
        if not fits_signed and not (low >= 0 and high < 2**bits):
            raise ValueError(f"integers from {low} to {high} do not fit into {bits} bits.")
    column = array.astype(np.uint8).reshape(-1, 1)
    lowest = np.unpackbits(column, axis=1, count=bits, bitorder="little")
    return np.packbits(lowest, bitorder="little")


def unpack(packed: ArrayLike, bits: int, count: int, signed: bool = True) -> NDArray[Any]:
    """Undo `pack`: int8 [count] from two's complement, or else uint8 [count].

    Raises:
        ValueError: another number of bits, or the number of bytes does not fit `count`.
    """
    _check(bits)
    array, size = np.asarray(packed, np.uint8).ravel(), -(-count * bits // 8)
    if array.size != size:
        raise ValueError(f"{count} integers of {bits} bits take {size} bytes; got {array.size}.")
    rows = np.unpackbits(array, count=count * bits, bitorder="little").reshape(count, bits)
    found: NDArray[Any] = np.packbits(rows, axis=1, bitorder="little").ravel()
    if not signed:
        return found
    half = 2 ** (bits - 1)  # what begins with a 1 is negative
    return np.asarray((found.astype(np.int16) ^ half) - half, np.int8)


def _check(bits: int) -> None:
    """Refuse widths that no format has."""
    if bits not in (1, 2, 4, 6, 8):
        raise ValueError(f"bits must be 1, 2, 4, 6 or 8; got {bits}.")
