"""Checks of lesson 04."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from qhelpers.lessons.lesson04 import half
from qhelpers.notebook.exercises import Verdict, choice, exercise, hint, right


@exercise("04.1", expects="callable")
def rounded_fraction(answer: Callable[..., Any]) -> Verdict:
    """A function that keeps 10 of 23 fraction bits, rounded to nearest, ties to even."""
    step, tie = 2**13, 2**12
    for fraction, why in {
        5 * step + tie + 1: "clearly above half: cut off without rounding?",
        5 * step + tie - 1: "clearly below half: that rounds down.",
        5 * step + tie: "a tie above an odd number goes to the even neighbor, here upward.",
        6 * step + tie: "a tie above an even number goes to the even neighbor, here downward.",
        2**23 - 1: "all ones: the carry counts, the result may be one more than ten bits hold.",
    }.items():
        found = answer(fraction)
        if int(found) != found:
            return hint(f"The kept part is a whole number; got {found!r}.")
        if found != half.rounded(fraction):
            return hint(f"For {fraction:023b}, {why}")
    return right("The ten bits that stay, each tie on its even side.")


@exercise("04.2", expects=float)
def largest_factor(answer: float, weights: Any) -> Verdict:
    """The factor at which the largest of the float32 file's weights is the end of float16."""
    by_size = 1e12 * 65_504 / np.abs(weights)
    if np.isclose(answer, by_size.min(), rtol=0.01):
        return right("All above the end of float16 was clipped to it, silently.")
    if answer == 65504:
        return hint("That is the end of float16, and what stands in the file. How far is it off?")
    if np.isclose(answer, by_size.max(), rtol=0.01):
        return hint("The largest weight has to fit as well.")
    if answer > by_size.min():
        return hint("At that factor the largest weight is beyond float16's end, as in the file.")
    return hint("A larger factor would do. Where does float16 end, and how far beyond are they?")


choice(
    "04.3",
    ["bfloat16", "float16", "int32"],
    "Range first, then precision; and counts are whole numbers.",
    {
        "float16": "First case: where does float16 thin out? Its smallest number is 2^-24.",
        "": "First case: real numbers, in 16 bits.",
    },
    {
        "bfloat16": "Second case: the weights need no such range. Which has more fraction bits?",
        "": "Second case: real numbers, in 16 bits.",
    },
    {
        "float32": "Third case: from 2^24 on float32 skips every second whole number.",
        "": "Third case: it skips whole numbers, from 2,048 on or earlier.",
    },
)
