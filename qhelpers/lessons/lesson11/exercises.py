"""The checks of lesson 11: how far a weight moves, what is wrong with a file, a decision."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from qhelpers.notebook.exercises import Verdict, choice, exercise, hint, right


def moved(error: float, hessian: ArrayLike) -> float:
    """Return the best change of the second weight, given the first one's error."""
    curve = np.asarray(hessian, np.float64)
    return float(-error * curve[0, 1] / curve[1, 1])


@exercise("11.1", expects="callable")
def compensation(answer: Callable[[float, Any], Any]) -> Verdict:
    """Check a function that says how far the second weight moves."""
    error, hessian = 0.2, np.array([[3.0, 1.5], [1.5, 4.0]])
    found = np.asarray(answer(error, hessian.copy()), np.float64)
    if found.shape != ():
        return hint(f"Return one number, the change of the second weight; got {found.tolist()}.")
    wanted, given = moved(error, hessian), float(found)
    if np.isclose(given, -wanted):
        return hint("It moves the wrong way: then both errors push the output to the same side.")
    if np.isclose(given, wanted * 4 / 3):
        return hint(
            "You divided by the curvature of the first weight; it is the second that moves."
        )
    if np.isclose(abs(given), abs(wanted) / 2) or np.isclose(abs(given), 2 * abs(wanted)):
        return hint("A factor of 2 is off: the mixed term stands in the loss twice.")
    if np.isclose(given, wanted / error):
        return hint("However large the first weight's error is, you move the second one as far.")
    if np.isclose(given, wanted * 4):
        return hint("The second weight's own curvature counts, too: a steep valley, a short way.")
    if given == 0:
        return hint("Then nothing is compensated. Set the derivative by the second error to 0.")
    if not np.isclose(given, wanted):
        curve = f"[[3, 1.5], [1.5, 4]] and an error of {error}"
        return hint(f"For {curve} you return {given:.4f}; the loss has its minimum elsewhere.")
    return right("One weight's error is paid back by its neighbor. GPTQ does it for all columns.")


choice(
    "11.2",
    ["axis"],
    "Sixteen levels share a scale down the rows; along a row every weight has its own.",
    {
        "bits": "Down a column you count no more than 16 values, as 4 bits allow.",
        "scales": "Wrong scales would stretch a group; they would add no levels to it.",
        "calibration": "Calibration chooses which level; how many there are it does not change.",
    },
)

choice(
    "11.3",
    ["int4, cache int8"],
    "It fits, and of the two that fit it is far nearer to float.",
    {
        "int8, cache int8": "Add up: the weights alone, with their scales, are above 8 GB.",
        "int4, cache float16": "It is the best of the four, and too large: add the cache.",
        "int2, cache float16": "It fits, and look at what 2 bits did to the divergence.",
    },
)
