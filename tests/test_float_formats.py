import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qhelpers.arithmetic import float_formats

EVERY_HALF = np.arange(2**16, dtype=np.uint16)
ANY_FLOAT32 = st.floats(width=32, allow_nan=True, allow_infinity=True, allow_subnormal=True)


def same(ours, theirs):
    """Compare float arrays bit by bit; any NaN equals any NaN."""
    ours, theirs = np.atleast_1d(ours), np.atleast_1d(theirs)
    assert ours.dtype == theirs.dtype
    assert ours.shape == theirs.shape
    nan = np.isnan(theirs)
    np.testing.assert_array_equal(np.isnan(ours), nan)
    bits = np.uint32 if ours.dtype == np.float32 else np.uint16
    np.testing.assert_array_equal(ours[~nan].view(bits), theirs[~nan].view(bits))


def test_fields_worked_by_hand():
    # -6.5 = -1.625 * 2^2: exponent 2 + 127, fraction .625 = .101 in binary
    fields = float_formats.fields32(-6.5)
    assert (fields.sign, fields.exponent, fields.fraction) == (1, 129, 0b101 << 20)
    assert fields.bits == "1" + "10000001" + "101" + "0" * 20
    assert str(fields) == "1 10000001 101" + "0" * 20
    assert (fields.value, fields.kind) == (-6.5, "normal")
    half = float_formats.fields(-6.5, np.float16)
    assert (half.sign, half.exponent, half.fraction) == (1, 2 + 15, 0b101 << 7)
    assert str(half) == "1 10001 1010000000"


@pytest.mark.parametrize(
    ("x", "kind"),
    [
        (0.0, "zero"),
        (-0.0, "zero"),
        (2.0**-149, "subnormal"),
        (2.0**-126, "normal"),
        (math.inf, "inf"),
        (-math.inf, "inf"),
        (1e300, "inf"),
        (math.nan, "nan"),
    ],
)
def test_kinds_of_float32(x, kind):
    assert float_formats.fields32(x).kind == kind


def test_fields_of_halves():
    patterns = np.concatenate(
        [EVERY_HALF[::97], EVERY_HALF[0x03F0:0x0410], EVERY_HALF[0x7BF0:0x7C10]]
    )
    for number in patterns.view(np.float16):
        fields = float_formats.fields(number, np.float16)
        same(np.float16(fields.value), number)
        assert fields.sign == np.signbit(number)
        assert int(fields.bits, 2) == number.view(np.uint16)


@given(ANY_FLOAT32)
def test_fields_put_together_again(x):
    fields = float_formats.fields32(x)
    same(np.float32(fields.value), np.float32(x))
    assert fields.bits == f"{np.float32(x).view(np.uint32):032b}"
    assert int(fields.bits[1:9], 2) == fields.exponent
    assert int(fields.bits[9:], 2) == fields.fraction
    assert fields.sign == np.signbit(np.float32(x))
    expected = "nan" if math.isnan(x) else "inf" if math.isinf(x) else "zero" if x == 0 else None
    expected = expected or ("normal" if abs(x) >= np.finfo(np.float32).tiny else "subnormal")
    assert fields.kind == expected


def test_every_half_there_and_back():
    wide = EVERY_HALF.view(np.float16).astype(np.float32)
    same(float_formats.to_float16(wide).view(np.float16), EVERY_HALF.view(np.float16))


def test_rounding_between_all_halves():
    halves = EVERY_HALF[:0x7C00].view(np.float16).astype(np.float64)
    ends = np.append(halves, 65536.0)  # where the next half would be: overflow starts half way
    middle = ((ends[:-1] + ends[1:]) / 2).astype(np.float32)
    below, above = np.nextafter(middle, np.float32(0)), np.nextafter(middle, np.float32(np.inf))
    quarter = (ends[:-1] * 0.75 + ends[1:] * 0.25).astype(np.float32)
    for x in (middle, below, above, quarter):
        for signed in (x, -x):
            with np.errstate(over="ignore"):
                same(float_formats.to_float16(signed).view(np.float16), signed.astype(np.float16))
    even = float_formats.to_float16(middle)
    assert np.all(even % 2 == 0)


def test_borders_of_float16():
    def half(x):
        return float_formats.to_float16(np.float32([x])).view(np.float16)[0]

    assert half(65519.996) == 65504
    assert half(65520) == np.inf
    assert half(-65520) == -np.inf
    assert half(3.4e38) == np.inf
    assert half(2.0**-24) == 2.0**-24
    assert half(2.0**-25) == 0  # a tie, and zero is even
    assert half(np.nextafter(np.float32(2.0**-25), np.float32(1))) == 2.0**-24
    assert half(1e-45) == 0
    assert np.signbit(half(-1e-45))


@given(st.lists(ANY_FLOAT32, min_size=1))
def test_to_float16_against_numpy(numbers):
    x = np.array(numbers, np.float32)
    with np.errstate(over="ignore", under="ignore"):
        same(float_formats.to_float16(x).view(np.float16), x.astype(np.float16))


@given(st.lists(st.integers(0, 2**32 - 1), min_size=1))
def test_to_float16_of_any_bit_pattern(patterns):
    x = np.array(patterns, np.uint32).view(np.float32)
    with np.errstate(all="ignore"):
        same(float_formats.to_float16(x).view(np.float16), x.astype(np.float16))


def test_nan_stays_nan_and_keeps_its_sign():
    nans = np.array([0x7F800001, 0x7FC00000, 0x7FFFFFFF, 0xFF800001], np.uint32).view(np.float32)
    halves = float_formats.to_float16(nans)
    assert np.all(np.isnan(halves.view(np.float16)))
    assert (halves >> 15).tolist() == [0, 0, 0, 1]


def test_shapes():
    x = np.ones((2, 3), np.float32)
    assert float_formats.to_float16(x).shape == (2, 3)
    assert float_formats.to_float16(x[:, ::2]).shape == (2, 2)
    assert float_formats.to_float16(x[:0]).size == 0


def test_errors_say_what_to_do():
    with pytest.raises(ValueError, match=r"got float64\. Pass x\.astype\(np\.float32\)"):
        float_formats.to_float16(np.ones(3))
    with pytest.raises(ValueError, match=r"one number; got an array of shape \(3,\)"):
        float_formats.fields32(np.ones(3))
