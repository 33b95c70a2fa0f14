"""Checks of lesson 13."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from qhelpers.arithmetic.integer_ops import sums_in_pairs
from qhelpers.notebook.exercises import Verdict, choice, exercise, hint, right
from qhelpers.tflite.file import Array


@exercise("13.1", expects="callable")
def sums_of_pairs(answer: Callable[[Array, Array], Any]) -> Verdict:
    """Check a function `(pixels, weights) -> sums`: full bytes, an odd number, random ones."""
    rng, cases = np.random.default_rng(0), []
    for k, weight in ((9, 127), (9, -127), (2, None), (9, None), (10, None)):
        some = rng.integers(0, 256, (5, k)) if weight is None else np.full((5, k), 255)
        others = rng.integers(-127, 128, (k, 3)) if weight is None else np.full((k, 3), weight)
        cases.append((some.astype(np.uint8), others.astype(np.int8)))
    for pixels, weights in cases:
        found, wanted = np.asarray(answer(pixels, weights)), sums_in_pairs(pixels, weights)
        exact = pixels.astype(np.int64) @ weights.astype(np.int64)
        if found.shape != wanted.shape:
            return hint(f"One sum for each row and column, {wanted.shape}; got {found.shape}.")
        if np.array_equal(found, wanted):
            continue
        if np.array_equal(found, exact):
            return hint("The exact sums. One product always fits; where does a pair's sum end?")
        if np.array_equal(found, exact.clip(-32768, 32767)):
            return hint("You clip the whole sum, or the sum so far: 16 bits hold a pair's.")
        how = "Widen to int64 before you multiply."
        return hint(f"Wrong for {len(weights)} products. {how} A last one may be alone.")
    return right("Each pair stops at 32,767 or -32,768; 255 * 127 * 2 would be 64,770.")


choice(
    "13.2",
    ["shared step", "no kernel", "batch statistics"],
    "Three files, three measurements, three causes.",
    {"": "A: compare its step with its largest score."},
    {"": "B: its answers are right, alone and in a batch. What is left to complain about?"},
    {"": "C: an image's answer depends on its company."},
)
choice(
    "13.3",
    ["preparation"],
    "The error goes where the bytes go, whatever the engine.",
    {
        "engine": "The phone's engine reads the desktop's bytes well.",
        **dict.fromkeys(("calibration", "weights"), "That is in the file, which reads well here."),
    },
)
