"""Checks of lesson 03."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from qhelpers.arithmetic import affine
from qhelpers.notebook.exercises import Verdict, choice, exercise, hint, right

# The second and third expose a zero point that is cut (toward zero), the first one rounded down.
_RANGES = (
    *((-1.5, 4.5), (-1.265, 3.835), (-2.0075, 0.5425), (-2.0, 0.55)),
    *((0.0, 5.1), (-7.0, 7.0), (2.0, 5.1), (-3.0, -1.0)),
)


@exercise("03.1", expects="callable")
def scale_and_zero_point(answer: Callable[[float, float], Any]) -> Verdict:
    """Hold a function `(low, high) -> (scale, zero_point)` against `affine.choose`."""
    for low, high in _RANGES:
        found = answer(low, high)
        if not isinstance(found, (tuple, list)) or len(found) != 2:
            return hint(f"Return two numbers, (scale, zero_point); got {found!r}.")
        wrong = _wrong(float(found[0]), found[1], low, high)
        if wrong:
            return hint(f"for [{low}, {high}]: {wrong}")
    return right(
        "Right on eight ranges, those without a zero inside too. For [-1.5, 4.5]: zero point -64."
    )


def _wrong(scale: float, zero_point: Any, low: float, high: float) -> str:
    """Return what is wrong with the numbers of one range; nothing if both are right."""
    wanted = affine.choose(low, high)
    if not np.isclose(scale, wanted.scale, rtol=1e-6):
        if not low <= 0 <= high:
            return "0 needs a level of its own. Widen the range to hold 0 first."
        if np.isclose(scale, (high - low) / 256, rtol=1e-6):
            return "256 levels have 255 steps between them."
        if np.isclose(scale, max(abs(low), abs(high)) / 127, rtol=1e-6):
            return "this is the symmetric scale of weights; use both ends here."
        return "the scale is the length of the range over the number of steps."
    if zero_point != round(zero_point):
        return f"the zero point is one of the integers; got {zero_point}. Round it."
    if zero_point == wanted.zero_point:
        return ""
    if zero_point == wanted.zero_point + 128:
        return f"{zero_point} is for uint8, which begins at 0. int8 begins at -128."
    if abs(zero_point - (-128 - low / wanted.scale)) < 1:
        return "one level off. Start from `low`; int() and // cut the fraction off."
    if zero_point == -128 + np.rint(low / wanted.scale):
        return "mind the sign. `low` gets -128; on which side of it does 0 lie?"
    return "the scale is right. `low` is to become -128; where does 0 land then?"


def file_from_somebody(convert: Callable[..., bytes], model: Any, images: Any) -> bytes:
    """Return the file of 03.2: `convert(model, examples)`, its images divided by 255 twice."""
    return convert(model, images / 255)


_CAUSES = ("not divided", "divided twice", "noise", "one class")


@exercise("03.2", expects=list)
def broken_file(answer: list[Any]) -> Verdict:
    """The tensor where the noise comes in, and the mistake in calibration behind it."""
    if len(answer) != 2:
        return hint(f"Two texts, [tensor, cause]; got {answer!r}.")
    tensor, cause = (str(part).strip().lower() for part in answer)
    if tensor != "input":
        return hint('Read the column "added" from the top: where is it large first?')
    if cause not in _CAUSES:
        return hint(f"The cause is one of {', '.join(map(repr, _CAUSES))}; got {answer[1]!r}.")
    if cause == "not divided":
        return hint("Pixels up to 255 would give a scale of 1. Is this one too large or too small?")
    if cause != "divided twice":
        return hint("Those images reach from 0 to 1, as they should. What would the scale be?")
    return right("The ruler ends at the first gray. One look at the input's scale tells.")


choice(
    "03.3",
    ["MSE", "percentile", "min-max"],
    "The levels, the outliers, the range decide.",
    {"": "1: what do rounding and clipping cost? Which of the three weighs both?"},
    {"": "2: where does each of the three clip `hot`? What is left for pixels from 0 to 1?"},
    {"": "3: what could a shorter range leave out here, and what would it gain?"},
)
