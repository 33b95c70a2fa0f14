"""Checks of lesson 04."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qhelpers.lessons.lesson04 import half
from qhelpers.notebook.exercises import Verdict, choice, exercise, hint, right


@exercise("04.1", expects="callable")
def rounded_fraction(answer: Callable[..., Any]) -> Verdict:
    """A function that keeps 10 of 23 fraction bits, rounded to nearest, ties to even."""
    step, tie = 2**13, 2**12
    cases = {
        "clearly above half": 5 * step + tie + 1,
        "clearly below half": 5 * step + tie - 1,
        "a tie above an odd number": 5 * step + tie,
        "a tie above an even number": 6 * step + tie,
        "all ones": 2**23 - 1,
    }
    hints = {
        "clearly above half": "cut off without rounding? The dropped part was above half.",
        "clearly below half": "the dropped part was below half: that rounds down.",
        "a tie above an odd number": "half exactly goes to the even neighbor, here upward.",
        "a tie above an even number": "half exactly goes to the even neighbor, here downward.",
        "all ones": "the carry counts: the result may be one more than ten bits hold.",
    }
    for name, fraction in cases.items():
        found = answer(fraction)
        if int(found) != found:
            return hint(f"The kept part is a whole number; got {found!r}.")
        if found != half.rounded(fraction):
            return hint(f"{name} ({fraction:023b}): {hints[name]}")
    return right("The ten bits that stay, each tie on its even side.")


@exercise("04.2", expects=float)
def broken_number(answer: float) -> Verdict:
    """The largest float16, to which the converter clips."""
    if abs(answer) == 65504:
        return right("The end of float16. What was far beyond it was clipped to it, silently.")
    if answer in (65519, 65520, 65535, 65536):
        return hint("Close to where float16 ends, but read the number that the file really holds.")
    if abs(answer) == float("inf"):
        return hint("NumPy would make it infinite. The converter did not: look at the numbers.")
    if abs(answer) > 65520:
        return hint("That is what the float32 file holds. What became of it in the other?")
    return hint("Look at the two lists. What do the values in the float16 one have in common?")


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
