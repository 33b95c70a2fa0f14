"""Checks of lesson 02."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qhelpers.notebook.exercises import Verdict, exercise, hint, right

Array = NDArray[Any]


@exercise("02.1", expects=int)
def cross_the_rule(answer: int) -> Verdict:
    """The fewest 5x5 filters over 8 channels with 1,024 weights: 6 of 200 weights."""
    if answer == 6:
        return right("Six filters have 6 x 200 = 1,200 weights; five have 1,000, just too few.")
    if answer == 5:
        return hint("5 x 200 = 1,000 weights. That stays below the rule: round up, not down.")
    if answer == 41:
        return hint("A filter looks at all 8 channels: it has 5 x 5 x 8 weights, not 5 x 5.")
    if answer == 1024:
        return hint("1,024 is the number of weights. How many of them does one filter bring?")
    if answer in (113, 114):
        return hint(
            "That is for 3x3 filters over one channel. Here a filter has 5 x 5 x 8 weights."
        )
    return hint("Divide 1,024 by the weights of one filter (5 x 5 x 8), and round up.")


@exercise("02.2", expects=np.ndarray)
def four_bit_scales(answer: Array, weights: Array) -> Verdict:
    """The ten scales of the dense layer's weights with 4 bits: largest magnitude over 7."""
    largest = np.abs(weights).max(axis=1).astype(np.float64)
    if answer.shape != largest.shape:
        return hint(
            f"Expected {len(largest)} scales, one for each output; got shape "
            f"{list(answer.shape)}. Row r of weights belongs to output r: reduce along axis 1."
        )
    if np.allclose(answer, largest / 7, rtol=1e-5, atol=0):
        return right("With 4 bits the levels lie 127 / 7, about 18 times, as far apart.")
    if np.allclose(answer, answer[0], rtol=1e-6):
        return hint("That is the same scale ten times. Each output takes its own largest weight.")
    for divisor, why in (
        (8, "-8 is left out, so that both sides are alike: the largest integer is 7."),
        (15, "15 steps cover the whole range, but the largest magnitude covers one side of zero."),
        (16, "16 is the number of integers. The largest weight becomes the largest integer."),
        (127, "127 is the largest integer of 8 bits. Which one is it with 4?"),
        (1, "Those are the largest weights. Which integer does each of them become?"),
    ):
        if np.allclose(answer, largest / divisor, rtol=1e-5, atol=0):
            return hint(why)
    if np.allclose(answer, weights.max(axis=1) / 7, rtol=1e-5, atol=0):
        return hint("The largest weight may be a negative one: take magnitudes first.")
    if np.allclose(answer, np.ptp(weights, axis=1) / 15, rtol=1e-5, atol=0):
        return hint("That is the asymmetric scale, from minimum to maximum. Weights are symmetric.")
    return hint("Each scale is the largest magnitude of its row, divided by the largest integer.")


@exercise("02.3", expects="callable")
def quantize_a_row(answer: Callable[[Array], Any]) -> Verdict:
    """A function: float32 [n] -> (int8 [n], scale), symmetric, from the row's own range."""
    random = np.random.default_rng(2)
    rows = [
        random.normal(size=50).astype(np.float32),
        -np.abs(random.normal(size=50)).astype(np.float32),
        (1e-3 * random.normal(size=50)).astype(np.float32),
    ]
    rows[0][3] = -4.0  # so that the largest magnitude is a negative number's
    for row in rows:
        wrong = _wrong_row(answer, row)
        if wrong:
            return hint(wrong)
    try:
        with np.errstate(all="ignore"):
            values, scale = answer(np.zeros(5, np.float32))
    except ZeroDivisionError:
        values, scale = np.zeros(5), 0.0
    if not (float(scale) > 0 and np.isfinite(float(scale)) and not np.any(values)):
        return hint(
            "A row of zeros: the scale becomes 0, and zero over zero is no number. Take any scale "
            "above 0 there, such as 1."
        )
    return right("Each row gets its own scale, measured when the row is there. That is dynamic.")


def _wrong_row(answer: Callable[[Array], Any], row: Array) -> str:
    """Return what is wrong with the answer to one row; nothing if it is right."""
    with np.errstate(all="ignore"):
        result = answer(row.copy())
    if not isinstance(result, (tuple, list)) or len(result) != 2:
        return "Return two things: the int8 values and the scale."
    values, scale = np.asarray(result[0]), float(result[1])
    largest = float(np.abs(row).max())
    if np.isclose(scale, float(row.max()) / 127, rtol=1e-5) and row.max() != largest:
        return "The largest magnitude may be that of a negative number: np.abs first."
    if np.isclose(scale, float(max(row.max(), 0) - min(row.min(), 0)) / 255, rtol=1e-5):
        return (
            "That is the asymmetric scale, over 255 steps. Symmetric: largest magnitude over 127."
        )
    if np.isclose(scale, largest / 128, rtol=1e-5):
        return "With 128 the largest number would become 128, which int8 does not have. Use 127."
    if not np.isclose(scale, largest / 127, rtol=1e-5):
        return f"For a row whose largest magnitude is {largest:.4g} the scale is not {scale:.4g}."
    if values.shape != row.shape:
        return f"A row of shape {row.shape} gave values of shape {values.shape}."
    if values.dtype != np.int8:
        return f"The values are {values.dtype}. Convert them to np.int8: 1 byte each."
    levels = row.astype(np.float64) * 127 / largest
    if np.array_equal(values, np.trunc(levels)):
        return "astype alone cuts the decimals off. Round first, with np.rint."
    if np.any(np.abs(values - levels) > 0.501):
        return "Some values are further than half a step from their number: round(row / scale)."
    return ""
