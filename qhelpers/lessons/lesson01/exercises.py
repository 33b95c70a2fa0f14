"""Checks of lesson 01."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from qhelpers.notebook.exercises import Verdict, choice, exercise, hint, right

# Three images and three scores: the first keeps its digit, the others flip, one to a lower one.
_FIRST = np.array([[0.1, 2.0, -1.0], [3.0, 1.0, 0.0], [-5.0, -6.0, -4.0]], np.float32)
_SECOND = np.array([[0.2, 1.5, -1.0], [0.5, 1.0, 0.0], [-3.0, -6.0, -4.0]], np.float32)


@exercise("01.1", expects="callable")
def count_flips(answer: Callable[..., Any]) -> Verdict:
    """Check a function that counts where two models predict different digits."""
    if str(getattr(answer, "__module__", "")).startswith("qhelpers"):
        return hint("That is the course's own function. Write it with NumPy alone.")
    got = answer(_FIRST, _SECOND)
    if np.ndim(got) != 0:
        return hint(f"Expected one number; got something of shape {np.shape(got)}. Count.")
    if got == 2 and answer(_FIRST, _FIRST) == 0:
        return right("Predictions are compared, not scores, and no labels are needed.")
    if got == int((_FIRST != _SECOND).sum()):
        return hint("That counts scores that differ. Compare which score is the largest.")
    if got == int((_FIRST.argmax(axis=0) != _SECOND.argmax(axis=0)).sum()):
        return hint("The digits lie along axis 1: look for the largest in each row.")
    if got == 1 or 0 < got < 1:
        return hint("Count the images that differ; do not take their share, or those that agree.")
    return hint(f"For two flips in three images your function gives {got!r:.30}.")


choice(
    "01.2",
    ["pixels"],
    "They go from 0 to 255, and the network learned from 0 to 1.",
    {
        "weights": "The same file gave the right logits before. What else went in?",
        "labels": "Labels change the accuracy, but can they make logits larger?",
        "order": "Images in another order have other answers, but no larger logits.",
    },
)


@exercise("01.3", expects=int)
def filters(answer: int) -> Verdict:
    """Check how many filters fit: each brings 1,700 parameters of 4 bytes."""
    if answer == (131_072 - 4_000 - 40) // (4 * 1_700):
        return right("Each filter brings 1,700 parameters, nearly all in the dense layer.")
    if answer == 131_072 // (4 * 1_700):
        return hint("Nearly: some bytes of the file are no parameters.")
    if answer == (131_072 - 4_000) // 1_700:
        return hint("That counts a byte for each parameter. A float32 has more.")
    if answer > 100:
        return hint("A filter brings more than its own weights: who reads what it gives?")
    return hint("Count what one filter brings to both layers, in bytes, and divide.")
