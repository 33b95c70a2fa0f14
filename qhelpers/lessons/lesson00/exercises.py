"""The checks of lesson 00."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from qhelpers.notebook.exercises import Verdict, choice, exercise, hint, right


@exercise("00.1", expects="callable")
def reach(answer: Callable[..., Any], kernels: Sequence[npt.NDArray[Any]]) -> Verdict:
    """Check a function that says how far three marks should reach over each kernel."""
    if _is_the_courses(answer):
        return hint("That is the course's own function. Write a rule of yours, with NumPy alone.")
    for kernel in kernels:
        got = answer(kernel)
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
    names = getattr(getattr(inspect.unwrap(answer), "__code__", None), "co_names", ())
    return str(getattr(answer, "__module__", "")).startswith("qhelpers") or bool(
        {"affine", "ranges", "choose", "by_mse", "by_percentile"} & {*names}
    )


choice(
    "00.2",
    ["rounding"],
    "All moved toward zero: the digits were cut off. Rounding goes either way.",
    {
        "scale": "A wrong scale stretches all values alike. How far off is 0.98, and 0.57?",
        "zero point": "A wrong zero point shifts all values the same way. Compare both signs.",
        "clipping": "Clipping harms the ends of the range alone. Look at 0.57 as well.",
    },
)


choice(
    "00.3",
    ["static int8"],
    "It fits, needs no floats at run time, and seldom needs training.",
    {
        "float16": "Count the bytes: two for each weight. And who computes with them?",
        "dynamic int8": "It fits. But who finds each input's range of activations, and in what?",
        "binary": "It fits easily. What would be left of the accuracy without training?",
    },
)
