"""Checks of lesson 01."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from qhelpers.data import Digits, Floats
from qhelpers.notebook.exercises import Verdict, choice, exercise, hint, right

# Six images and three scores: two keep their digit, four flip, to a higher one and to lower ones.
_FIRST = np.array(
    [[6, -3, -3], [3, -5, -2], [4, -4, 9], [2, 6, 4], [1, 7, 1], [8, -3, 0]], np.float32
)
_SECOND = np.array(
    [[-4, -1, 0], [-1, 7, 1], [-2, 4, -3], [-4, 2, -1], [0, 1, -2], [-2, 3, 5]], np.float32
)


@exercise("01.1", expects="callable")
def count_flips(answer: Callable[..., Any]) -> Verdict:
    """Check a function that counts where two models predict different digits."""
    got = answer(_FIRST, _SECOND)
    if np.ndim(got) != 0:
        return hint(f"Expected one number; got something of shape {np.shape(got)}. Count.")
    if got == 4 and answer(_FIRST, _FIRST) == 0:
        return right("Predictions are compared, not scores, and no labels are needed.")
    if got == int((_FIRST != _SECOND).sum()):
        return hint("That counts scores that differ. Compare which score is the largest.")
    if got == int((_FIRST.argmax(axis=0) != _SECOND.argmax(axis=0)).sum()):
        return hint("The digits lie along axis 1: look for the largest in each row.")
    if got == int(_FIRST.argmax() != _SECOND.argmax()):
        return hint("argmax() without an axis finds one largest score. Look in each row.")
    if got == int((_FIRST.max(axis=1) != _SECOND.max(axis=1)).sum()):
        return hint("That compares scores. Compare where each row's largest one stands.")
    if got == 2 or 0 < got < 1:
        return hint("Count the images that differ; do not take their share, or those that agree.")
    return hint(f"For four flips in six images your function gives {got!s:.30}.")


def mystery(digits: Digits) -> Floats:
    """Return the test images of exercise 01.2, with what is wrong with them: [n, 28, 28]."""
    return digits.test_images.astype(np.float32)


choice(
    "01.2",
    ["pixels"],
    "They go from 0 to 255, and the network learned from 0 to 1.",
    {
        "weights": "The same file gave the right logits before. What else went in?",
        "labels": "Then the flips would be none. Look into `mystery`: shape, minimum, maximum.",
        "order": "Then nearly all answers would flip. Look into `mystery`: minimum, maximum.",
    },
)


@exercise("01.3", expects=int)
def filters(answer: int) -> Verdict:
    """Check how many filters fit: each brings 1,700 parameters of 4 bytes."""
    if answer == (131_072 - 4_000 - 40) // (4 * 1_700):
        return right("Each filter brings 1,700 parameters, nearly all in the dense layer.")
    if answer == 131_072 // (4 * 1_700):
        return hint("Nearly: some bytes of the file are no parameters.")
    if answer == (131_072 - 4_000 - 40) // (4 * (9 + 1 + 26 * 26 * 10)):
        return hint("That counts the picture before pooling. What reaches the dense layer?")
    if answer == (131_072 - 4_000) // 1_700:
        return hint("That counts a byte for each parameter. A float32 has more.")
    if answer > 100:
        return hint("A filter brings more than its own weights: who reads what it gives?")
    return hint("Count what one filter brings to both layers, in bytes, and divide.")
