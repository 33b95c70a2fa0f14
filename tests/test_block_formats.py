"""Block formats against the specification's own rules, in plain Python floats."""

from __future__ import annotations

import math

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from qhelpers.arithmetic import block_formats, packing

# Format -> (element as ml_dtypes has it, its emax as the specification's table 1 has it)
MX = {
    block_formats.MXFP8_E4M3: (ml_dtypes.float8_e4m3fn, 8),
    block_formats.MXFP8_E5M2: (ml_dtypes.float8_e5m2, 15),
    block_formats.MXFP6_E3M2: (ml_dtypes.float6_e3m2fn, 4),
    block_formats.MXFP6_E2M3: (ml_dtypes.float6_e2m3fn, 2),
    block_formats.MXFP4: (ml_dtypes.float4_e2m1fn, 2),
    block_formats.MXINT8: (None, 0),
}
ALL = [*MX, block_formats.NVFP4]
each = pytest.mark.parametrize("form", ALL, ids=lambda form: form.name)
each_mx = pytest.mark.parametrize("form", MX, ids=lambda form: form.name)
BLOCKS = arrays.arrays(
    np.float32, 32, elements=st.floats(width=32, allow_nan=False, allow_infinity=False)
)


def by_the_specification(block, form):
    """Return scale exponent and numbers of one block: section 6.3, one number at a time."""
    dtype, emax = MX[form]
    largest = max(abs(float(x)) for x in block)
    power = math.floor(math.log2(largest)) if largest else -127
    while largest and 2.0 ** (power + 1) <= largest:  # log2 rounds
        power += 1
    while largest and 2.0**power > largest:
        power -= 1
    exponent = max(power - emax, -127)
    scaled = [math.ldexp(float(x), -exponent) for x in block]
    if dtype is None:
        steps = [max(-127, min(127, round(64 * x))) for x in scaled]  # round: half to even
        return exponent, [math.ldexp(step / 64, exponent) for step in steps]
    top = float(ml_dtypes.finfo(dtype).max)
    clipped = np.array([max(-top, min(top, x)) for x in scaled], np.float64)
    rounded = clipped.astype(dtype).astype(np.float64)
    return exponent, [math.ldexp(x, exponent) for x in rounded]


@given(st.sampled_from(list(MX)), BLOCKS)
def test_a_block_is_what_the_specification_says(form, block):
    found = block_formats.quantize(block, form)
    exponent, numbers = by_the_specification(block, form)
    assert found.scales.tolist() == [exponent + 127]
    assert found.decode().tolist() == np.float32(numbers).tolist()


@each_mx
def test_blocks_along_the_last_axis(form):
    x = np.random.default_rng(0).standard_t(2, (3, 5, 96)).astype(np.float32)
    found = block_formats.quantize(x, form)
    assert found.codes.shape == (3, 5, 96)
    assert found.scales.shape == (3, 5, 3)
    for place in np.ndindex(3, 5, 3):
        *rows, i = place
        block = slice(32 * i, 32 * i + 32)
        exponent, numbers = by_the_specification(x[(*rows, block)], form)
        assert found.scales[place] == exponent + 127
        assert found.decode()[(*rows, block)].tolist() == np.float32(numbers).tolist()


@each
def test_packed_and_back(form):
    x = np.random.default_rng(1).standard_normal((4, 96)).astype(np.float32)
    blocks = block_formats.quantize(x, form)
    packed = blocks.pack()
    assert packed.nbytes + blocks.scales.nbytes == form.bits * x.size / 8
    back = block_formats.unpack(form, packed, blocks.scales, blocks.tensor_scale)
    assert np.array_equal(back.codes, blocks.codes)
    assert np.array_equal(back.decode(), blocks.decode())
    with pytest.raises(ValueError, match="384 integers of"):
        block_formats.unpack(form, packed[1:], blocks.scales)


def test_bits_of_a_number_with_its_scale():
    found = {form.name: form.bits for form in ALL}
    assert found["MXFP8 E4M3"] == found["MXINT8"] == 8.25
    assert found["MXFP6 E2M3"] == 6.25
    assert found["MXFP4"] == 4.25
    assert found["NVFP4"] == 4.5


def test_four_numbers_of_six_bits_in_three_bytes():
    blocks = block_formats.quantize(np.tile([0, 1, -2, 7.5], 8), block_formats.MXFP6_E2M3)
    assert blocks.codes[:4].tolist() == [0, 0b001000, 0b110000, 0b011111]
    number = 0b001000 << 6 | 0b110000 << 12 | 0b011111 << 18
    assert blocks.pack()[:3].tolist() == list(number.to_bytes(3, "little"))


def test_mxint8_is_symmetric():
    blocks = block_formats.quantize(np.tile([-1.999, 1.999, 1, 0], 8), block_formats.MXINT8)
    assert blocks.decode()[:4].tolist() == [-127 / 64, 127 / 64, 1, 0]
    assert blocks.codes[:4].tolist() == [129, 127, 64, 0]


def test_nvfp4_has_two_levels_of_scale():
    """The largest block gets the scale 448; one of an eighth of it 56, and loses nothing."""
    levels = np.array([0, 0.5, 1, 1.5, 2, 3, 4, 6, -0.5, -1, -1.5, -2, -3, -4, -6, 6])
    x = np.concatenate([8 * levels, levels]).astype(np.float32)
    blocks = block_formats.quantize(x, block_formats.NVFP4)
    assert blocks.tensor_scale == np.float32(48) / np.float32(6 * 448)
    assert blocks.form.scale.decode(blocks.scales).tolist() == [448, 56]
    np.testing.assert_allclose(blocks.decode(), x, rtol=1e-6)
    given = block_formats.quantize(x, block_formats.NVFP4, tensor_scale=1)
    assert given.form.scale.decode(given.scales).tolist() == [8, 1]
    assert np.array_equal(given.decode(), x)


@each
@pytest.mark.parametrize("size", [0.0, 1e-45, 1e-38, 1e-30, 3.4e38])
def test_zeros_the_faintest_and_the_largest(form, size):
    x = np.full(32, size, np.float32)
    x[0] = 0
    found = block_formats.quantize(x, form).decode()
    assert np.isfinite(found).all()
    assert found[0] == 0
    if size in (0, 1e-30, 3.4e38):
        np.testing.assert_allclose(found, x, rtol=0.3)


@each
def test_what_cannot_be_quantized_is_named(form):
    with pytest.raises(ValueError, match=rf"multiple of {form.block}; got shape \(2, 33\)\. Pad"):
        block_formats.quantize(np.zeros((2, 33)), form)
    with pytest.raises(ValueError, match=r"got shape \(\)"):
        block_formats.quantize(1.0, form)
    for bad in (math.nan, -math.inf):
        x = np.zeros((2, 32), np.float32)
        x[1, 3] = bad
        with pytest.raises(ValueError, match=rf"cannot scale {bad} at \(1, 3\)\. It would"):
            block_formats.quantize(x, form)


def test_packed_four_bits_are_those_of_packing():
    blocks = block_formats.quantize(np.tile([0.5, -6], 16), block_formats.MXFP4)
    assert blocks.pack().tolist() == packing.pack([1, 15] * 16, 4).tolist() == [0xF1] * 16
