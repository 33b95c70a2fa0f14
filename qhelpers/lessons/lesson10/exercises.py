"""The checks of lesson 10: a ruler's own noise, a diagnosis, a decision."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qhelpers.notebook.exercises import Verdict, choice, exercise, hint, right

Array = NDArray[Any]


def rounded(real: Array, scale: float, zero_point: int) -> Array:
    """Return values of any shape as int8 keeps them: divided, rounded, clipped, and back."""
    levels = np.clip(np.rint(real / scale) + zero_point, -128, 127)
    return np.asarray((levels - zero_point) * scale)


@exercise("10.1", expects="callable")
def own(answer: Callable[[Array, float, int], Any]) -> Verdict:
    """Check a function that takes values to int8 and back."""
    real = np.array([-99.0, -1.0, 0.0, 0.3, 0.74, 1.0, 199.0])
    found = np.asarray(answer(real.copy(), 0.5, -100), np.float64)
    wanted = rounded(real, 0.5, -100)
    if found.shape != real.shape:
        return hint(f"Return one value for each; got shape {found.shape}.")
    if np.array_equal(found, rounded(real, 0.5, 0)):
        return hint("The zero point is missing: with it, the integers end elsewhere.")
    if np.array_equal(found, np.rint(real / 0.5) * 0.5):
        return hint("199 comes back as 199, and no int8 is so large: clip to -128 and 127.")
    if np.array_equal(found, wanted / 0.5 - 100):
        return hint("These are the integers. Take them back to real numbers.")
    if not np.allclose(found, wanted):
        place = int(np.abs(found - wanted).argmax())
        return hint(f"At scale 0.5, zero point -100, {real[place]} became {found[place]}.")
    return right("What is lost here is the tensor's own noise; all else was handed to it.")


choice(
    "10.2",
    ["variance"],
    "What enters looks clean in decibels, and what leaves is ruined: it happens here.",
    {
        "square": "What arrives there is as clean as its own rounding allows.",
        "cube": "It looks terrible, and what it gets is ruined already. Go further up.",
        "convolution": "What it gets is ruined already. Where does that begin?",
        "normalized": "Compare with the line above: it was ruined further up.",
    },
)

choice(
    "10.3",
    ["16 bit"],
    "Its activations are integers, and the lesson has measured that 65,536 levels are enough.",
    {
        "mended": "It keeps the normalization in float: what does this chip do with it?",
        "dynamic": "Its steps between the products are floats: this chip has none.",
        "percentile": "You have seen what a cleverer range brought to this network.",
        "retrain": "That takes data and days; something cheaper was measured here.",
    },
)
