"""The checks of lesson 00."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from qhelpers.notebook.exercises import Verdict, exercise, hint, right, unanswered


@exercise("00.1", expects="callable")
def reach(answer: Callable[..., Any], kernels: Sequence[npt.NDArray[Any]]) -> Verdict:
    """Check a function that says how far three marks should reach over each kernel."""
    if _is_the_courses(answer):
        return hint("That is the course's own function. Write a rule of yours, with NumPy alone.")
    for kernel in kernels:
        got = answer(kernel)
        if got is ...:
            return unanswered()
        if got is None:
            return hint("Your function returns nothing: add return.")
        if np.ndim(got) != 0 or not np.isfinite(got) or got <= 0:
            return hint(f"A reach is one number above 0; got {got!r:.40}.")
        largest, end = float(np.abs(kernel).max()), float(got)
        if end >= 0.999 * largest:
            return hint("That reaches to the largest weight, or beyond: the range that broke it.")
        if 3 * _squared_error(kernel, end) > 2 * _squared_error(kernel, largest):
            too_far = end > 2 * float(kernel.std())
            return hint(
                "Still too far: count how many weights go to 0."
                if too_far
                else "Too near: most weights end up clipped to the outer marks."
            )
    return right("A few large weights are clipped, and the marks go where the many are.")


def _squared_error(kernel: npt.NDArray[Any], end: float) -> float:
    """Return the sum of squared errors where marks lie at -end, 0 and end."""
    return float(np.square(kernel - np.clip(np.rint(kernel / end), -1, 1) * end).sum())


def _is_the_courses(answer: Any) -> bool:
    """Tell whether a function is one of qhelpers, or hands its work on to one."""
    names = getattr(getattr(answer, "__code__", None), "co_names", ())
    return str(getattr(answer, "__module__", "")).startswith("qhelpers") or bool(
        {"affine", "ranges", "choose", "by_mse", "by_percentile"} & {*names}
    )


@exercise("00.2", expects=str)
def diagnose(answer: str) -> Verdict:
    """Check the diagnosis of numbers that were cut off in place of rounded."""
    name = answer.strip().lower()
    if name in ("rounding", "round"):
        return right("All moved toward zero: the digits were cut off. Rounding goes either way.")
    if name == "scale":
        return hint("A wrong scale stretches all values alike. How far off is 0.98, and 0.57?")
    if name in ("zero point", "zero_point"):
        return hint("A wrong zero point shifts all values the same way. Compare both signs.")
    if name in ("clipping", "clip"):
        return hint("Clipping harms the ends of the range alone. Look at 0.57 as well.")
    return hint('Choose one of "scale", "zero point", "rounding" and "clipping".')


@exercise("00.3", expects=str)
def decide(answer: str) -> Verdict:
    """Check the choice for a chip without floating point and with little memory."""
    name = " ".join(answer.lower().replace("-", " ").split())
    if name == "static int8":
        return right("It fits, needs no floats at run time, and seldom needs training.")
    if name == "float16":
        return hint("Count the bytes: two for each weight. And who computes with them?")
    if name == "dynamic int8":
        return hint("It fits. But who finds the range of each input's activations, and in what?")
    if name == "binary":
        return hint("It fits easily. What would be left of the accuracy without training?")
    return hint('Choose one of "float16", "dynamic int8", "static int8" and "binary".')
