"""The rounding rules against the definitions that they simplify, in unlimited whole numbers."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qhelpers.arithmetic import requantization

SUMS = st.integers(-(2**31), 2**31 - 1)
REALS = st.floats(2.0**-40, 0.999)


def towards_zero(numerator: int, denominator: int) -> int:
    """C's integer division."""
    quotient = abs(numerator) // denominator
    return quotient if numerator >= 0 else -quotient


def doubling_high_multiply(a: int, b: int) -> int:
    """The rule of SaturatingRoundingDoublingHighMul for b > 0, as its source words it."""
    product = a * b
    nudge = (1 << 30) if product >= 0 else 1 - (1 << 30)
    return towards_zero(product + nudge, 1 << 31)


def divide_by_power(x: int, exponent: int) -> int:
    """The rule of gemmlowp's RoundingDivideByPOT."""
    mask = (1 << exponent) - 1
    threshold = (mask >> 1) + (1 if x < 0 else 0)
    return (x >> exponent) + (1 if (x & mask) > threshold else 0)


@given(st.floats(0, 2.0**20))
def test_a_multiplier_is_written_to_31_bits(real: float) -> None:
    mantissa, shift = (int(part) for part in requantization.quantized_multiplier(real))
    assert (mantissa, shift) == (0, 0) or 2**30 <= mantissa < 2**31
    assert shift >= -31
    written = Fraction(mantissa) * Fraction(2) ** (shift - 31)
    if mantissa:
        assert abs(written - Fraction(real)) <= Fraction(real) / 2**31
    else:
        assert real < 2.0**-31


def test_multipliers_worked_out_by_hand() -> None:
    mantissa, shift = requantization.quantized_multiplier(
        [0.5, 1.0, 0.75, 0.0, 1 - 2.0**-40, 2.0**-33]
    )
    assert mantissa.tolist() == [2**30, 2**30, 3 * 2**29, 0, 2**30, 0]
    assert shift.tolist() == [0, 1, 0, 0, 1, 0]


@pytest.mark.parametrize("real", [-0.1, np.nan, np.inf])
def test_a_multiplier_that_is_none_is_refused(real: float) -> None:
    with pytest.raises(ValueError, match="finite and not negative; got"):
        requantization.quantized_multiplier(real)


@given(st.lists(SUMS, min_size=1, max_size=30), REALS)
def test_gemmlowp_is_what_its_source_words(sums: list[int], real: float) -> None:
    mantissa, shift = (int(part) for part in requantization.quantized_multiplier(real))
    wanted = [divide_by_power(doubling_high_multiply(x, mantissa), -shift) for x in sums]
    got = requantization.gemmlowp(np.array(sums), np.float32(1), *_as_scales(real))
    exact = _multiplier_of(real)
    if exact == real:  # the scales are float32: not every multiplier can be made of them
        assert got.tolist() == wanted
    whole = requantization.multiply_by_quantized(np.array(sums), mantissa, shift)
    assert whole.tolist() == wanted


def _as_scales(real: float) -> tuple[np.float32, np.float32]:
    return np.float32(real), np.float32(1)


def _multiplier_of(real: float) -> float:
    return float(requantization.real_multiplier(np.float32(1), *_as_scales(real)))


@given(st.lists(st.integers(-(2**40), 2**40), min_size=1, max_size=30), st.floats(2.0**-20, 2**-10))
def test_reduced_is_one_rounding_with_16_bits(sums: list[int], real: float) -> None:
    mantissa, shift = (int(p) for p in requantization.quantized_multiplier(_multiplier_of(real)))
    short = (mantissa + 2**15) >> 16 if mantissa < 0x7FFF0000 else 0x7FFF
    exact = [Fraction(x * short) * Fraction(2) ** (shift - 15) for x in sums]
    wanted = [(2 * e + 1).__floor__() // 2 for e in exact]  # halves go up
    got = requantization.reduced(np.array(sums), np.float32(1), *_as_scales(real))
    assert got.tolist() == wanted


@given(st.lists(st.integers(-(2**31), 2**31 - 1), min_size=1), st.floats(2.0**-20, 2**-1))
def test_ruy_on_arm_is_one_rounding(sums: list[int], real: float) -> None:
    mantissa, shift = (int(p) for p in requantization.quantized_multiplier(_multiplier_of(real)))
    exact = [Fraction(x * mantissa) * Fraction(2) ** (shift - 31) for x in sums]
    wanted = [(2 * e + 1).__floor__() // 2 for e in exact]  # halves go up
    got = requantization.ruy_on_arm(np.array(sums), np.float32(1), *_as_scales(real))
    assert got.tolist() == wanted


@pytest.mark.parametrize("rule", [requantization.gemmlowp, requantization.ruy])
def test_floats_in_any_order_in_memory_are_rounded_twice(rule: Any) -> None:
    """Only what lies close to a half is; it has to come back to its place."""
    rng = np.random.default_rng(0)
    sums = rng.integers(-(2**15), 2**15, (6, 5, 40)).astype(np.float32)
    scales = np.float32(2.0**-6) * np.linspace(0.5, 1, 40).astype(np.float32)
    wanted = rule(sums.astype(np.int64), 0.25, scales, 1)
    for axes in ((0, 1, 2), (1, 0, 2), (2, 1, 0)):
        moved = sums.transpose(axes).copy().transpose(np.argsort(axes))
        assert np.array_equal(rule(moved, 0.25, scales, 1), wanted), axes
    once = np.floor(sums * (0.25 * scales) + np.float32(0.5))
    assert (once != wanted).any(), "else the second rounding is not seen"


def test_halves() -> None:
    sums, half = np.array([-5, -3, -1, 1, 3, 5]), (np.float32(1), np.float32(0.5), np.float32(1))
    assert requantization.float64(sums, *half).tolist() == [-3, -2, -1, 1, 2, 3]
    assert requantization.float32(sums, *half).tolist() == [-2, -2, 0, 0, 2, 2]
    assert requantization.reduced(sums, *half).tolist() == [-2, -1, 0, 1, 2, 3]
    # gemmlowp's first rounding takes the half up; there is no shift left for a second.
    assert requantization.gemmlowp(sums, *half).tolist() == [-2, -1, 0, 1, 2, 3]
    quarter = (np.float32(1), np.float32(0.25), np.float32(1))
    # -0.25 becomes 0 and stays; -1.25 x 2 = -2.5 goes up to -2, then -1; -0.5 x ... twice rounded.
    assert requantization.gemmlowp(np.array([-6, -2, 2, 6]), *quarter).tolist() == [-2, -1, 1, 2]
    assert requantization.ruy(np.array([-6, -2, 2, 6]), *quarter).tolist() == [-1, 0, 1, 2]
    assert requantization.half_away(np.array([0.49999999999999994, -0.5, 2.5])).tolist() == [
        0,
        -1,
        3,
    ]


def test_two_roundings_can_differ_from_one() -> None:
    # 0.4995 of a step: once rounded it is 0; rounded to halves first (0.5), and then away, it is 1.
    sums, scales = np.array([1]), (np.float32(1), np.float32(0.25 * 1.998), np.float32(1))
    assert requantization.float64(sums, *scales).tolist() == [0]
    assert requantization.gemmlowp(sums, *scales).tolist() == [1]


@pytest.mark.parametrize(
    "rule", [requantization.gemmlowp, requantization.float64, requantization.float32]
)
def test_what_leaves_32_bits_is_refused(rule: Any) -> None:
    with pytest.raises(OverflowError, match="does not fit int32"):
        rule(np.array([2**30]), np.float32(1), np.float32(8), np.float32(1))
    with pytest.raises(OverflowError, match="below 128"):
        requantization.reduced(np.array([1]), np.float32(1), np.float32(999), np.float32(1))
