"""Checks of lesson 02."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from qhelpers.data import Array
from qhelpers.notebook.exercises import Verdict, choice, exercise, hint, right


@exercise("02.1", expects="callable")
def quantize_weights(answer: Callable[[Array], Any]) -> Verdict:
    """A function: float32 [outputs, inputs] -> (int8 of that shape, scales [outputs])."""
    random = np.random.default_rng(2)
    weights = (random.normal(size=(4, 50)) * [[1.0], [0.1], [3.0], [0.5]]).astype(np.float32)
    weights[0, 3] = -4.0  # so that the largest magnitude of a row is a negative number's
    try:
        result = answer(weights.copy())
    except ValueError as error:
        if "broadcast" not in str(error):
            raise
        return hint("[4, 50] weights and [4] scales do not meet: each row has one scale.")
    if not isinstance(result, (tuple, list)) or len(result) != 2:
        return hint("Return two things: the int8 values and the scales.")
    values, scales = np.asarray(result[0]), np.asarray(result[1], np.float64)
    wrong = _wrong_scales(scales.ravel(), weights) or _wrong_values(values, weights)
    if not wrong and scales.shape != (4,):
        wrong = f"The scales are right; return them as shape [4], not {list(scales.shape)}."
    if wrong:
        return hint(wrong)
    return right("One scale for each output, and the nearest of its levels for each weight.")


def _wrong_scales(scales: Array, weights: Array) -> str:
    """Return what is wrong with the scales; nothing if they are right."""
    largest = np.abs(weights).max(axis=1).astype(np.float64)
    if scales.size == 1:
        return "One scale for the whole tensor: each output takes its own largest magnitude."
    if scales.size == weights.shape[1]:
        return "That is a scale for each input. Row r of the weights belongs to output r."
    if scales.size != largest.size:
        return f"Expected {largest.size} scales, one for each output; got {scales.size}."
    for wrong, why in (
        (weights.max(axis=1) / 127, "The largest weight may be a negative one: take magnitudes."),
        (np.ptp(weights, axis=1) / 255, "That spreads minimum to maximum: it is asymmetric."),
        (largest / 128, "The largest magnitude would become 128, which int8 does not have."),
        (127 / largest, "Those are levels per unit. A scale is the distance between two levels."),
        (largest, "Those are the largest weights. Which integer does each of them become?"),
    ):
        if np.allclose(scales, wrong, rtol=1e-5, atol=0):
            return why
    if np.allclose(scales, largest / 127, rtol=1e-5, atol=0):
        return ""
    return f"If the largest magnitude is {largest[0]:.4g}, the scale is not {scales[0]:.4g}."


def _wrong_values(values: Array, weights: Array) -> str:
    """Return what is wrong with the integers; nothing if they are right."""
    if values.shape != weights.shape:
        return f"Weights of shape {weights.shape} gave values of shape {values.shape}."
    levels = weights * (127 / np.abs(weights).max(axis=1, keepdims=True))
    if np.mean(values == np.trunc(levels)) > 0.95:  # rounded ones: about a half
        return "astype alone cuts the decimals off."
    if np.any(np.abs(values - levels) > 0.501):
        return "Some values are further than half a step from their weight."
    if values.dtype != np.int8:
        return f"The values are right, but {values.dtype}: 1 byte each is wanted."
    return ""


_LINES = {
    2: "255 steps cover a range, and that is what they should do.",
    3: "It goes to the nearest level, as it should. Are the levels the right ones?",
    4: "Each row is multiplied by itself here; no row sees another one.",
    5: "It scales by what it was given, and the weights' scales and the bias are the file's.",
}


@exercise("02.2", expects=int)
def blame(answer: int) -> Verdict:
    """The line that mixes the images of a batch: the first, a maximum over all rows."""
    if answer == 1:
        return right("Its maximum is the batch's: add axis=1, keepdims=True, and it is the row's.")
    return hint(_LINES.get(answer, "The lines have the numbers 1 to 5."))


choice(
    "02.3",
    ["dynamic", "static", "neither"],
    "Data, hardware, and what one input holds decide.",
    {
        "static": "1: static scales come from examples. Have you any?",
        "neither": "1: is there anything in a text that 8 bits cannot hold?",
    },
    {"": "2: a hybrid kernel measures rows in float. What does this chip have, and what do you?"},
    {"": "3: how many scales does one clip get, dynamic or static?"},
)
