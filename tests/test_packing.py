"""Packed integers against Python's own big integers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qhelpers.arithmetic import packing

WIDTHS = st.sampled_from([1, 2, 4, 6, 8])


def as_one_number(integers: list[int], bits: int) -> bytes:
    """Pack by arithmetic: one large number, least significant first."""
    number = sum((value % 2**bits) << (bits * place) for place, value in enumerate(integers))
    return number.to_bytes(-(-len(integers) * bits // 8), "little")


@given(st.data(), WIDTHS, st.booleans())
def test_packed_is_one_little_endian_number_and_comes_back(data, bits, signed):
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    integers = data.draw(st.lists(st.integers(low, high), max_size=40))
    packed = packing.pack(np.array(integers, np.int64), bits)
    assert packed.dtype == np.uint8
    assert packed.tobytes() == as_one_number(integers, bits)
    back = packing.unpack(packed, bits, len(integers), signed)
    assert back.dtype == (np.int8 if signed else np.uint8)
    assert back.tolist() == integers


def test_the_first_integer_is_in_the_low_half():
    assert packing.pack([1, -2, 7], 4).tolist() == [0xE1, 0x07]


def test_one_bit_is_numpys_little_order():
    signs = np.random.default_rng(1).integers(0, 2, 37).astype(np.uint8)
    assert np.array_equal(packing.pack(signs, 1), np.packbits(signs, bitorder="little"))


@pytest.mark.parametrize(
    ("integers", "bits", "message"),
    [
        ([1, 2], 3, "1, 2, 4, 6 or 8; got 3"),
        ([0.5], 4, "Quantize first"),
        ([8, -1], 4, "-1 to 8 do not fit into 4 bits"),
        ([16], 4, "16 to 16 do not fit"),
        ([-9], 4, "-9 to -9 do not fit"),
        ([-1, 1], 1, "do not fit into 1 bits"),
    ],
)
def test_what_does_not_fit_is_refused(integers, bits, message):
    with pytest.raises(ValueError, match=message):
        packing.pack(np.array(integers), bits)


def test_the_wrong_number_of_bytes_is_refused():
    with pytest.raises(ValueError, match="5 integers of 4 bits take 3 bytes; got 2"):
        packing.unpack(np.zeros(2, np.uint8), 4, 5)
