"""The checks of lesson 20: rounding in integers, and engines that differ by a byte."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from qhelpers.data import Array
from qhelpers.lessons.lesson20 import device
from qhelpers.notebook.exercises import Verdict, choice, exercise, hint, right

_HALVES = np.array([-7, -6, -5, -3, -2, -1, 0, 1, 2, 3, 5, 6, 7])


def shifted_away(whole: Array, right: Any) -> Array:
    """Shift whole numbers to the right by some bits; a half goes away from zero."""
    half = (1 << right) >> 1
    return np.asarray((whole + half - ((whole < 0) & (right > 0))) >> right)


@exercise("20.1", expects="callable")
def _shift_away(answer: Callable[[Array, Any], Any]) -> Verdict:
    """Check a right shift that rounds halves away from zero."""
    for bits in (0, 1, 2, 9):
        whole = np.concatenate([_HALVES << max(bits - 2, 0), _HALVES * 1001]).astype(np.int64)
        exact = whole / 2.0**bits
        wanted = np.trunc(exact + np.copysign(0.5, exact))
        got = np.asarray(answer(whole, np.int64(bits)))
        if got.shape != whole.shape or got.dtype.kind not in "iu":
            return hint(f"Give integers of the shape of `whole`; got {got.dtype} {got.shape}.")
        if np.array_equal(got, wanted):
            continue
        if np.array_equal(got, np.floor(exact)):
            return hint("`>>` alone rounds down. Something has to be added before the shift.")
        if np.array_equal(got, np.trunc(exact)):
            return hint("Everything goes towards zero, as C divides: no half was added.")
        if np.array_equal(got, np.floor(exact + 0.5)):
            return hint("Halves of negative numbers go up, to -2 for -2.5. They should go to -3.")
        if np.array_equal(got, np.rint(exact)):
            return hint("Halves go to the even neighbor. They should go away from zero.")
        if bits == 0:
            return hint("With right = 0 nothing is shifted, and nothing may change.")
        place = int(np.flatnonzero(got != wanted)[0])
        return hint(f"{whole[place]} shifted by {bits} gives {got[place]}, not {wanted[place]:g}.")
    return right("Halves go away from zero on both sides: the network below uses your function.")


choice(
    "20.2",
    [device.FAULT],
    "Only large logits differ, and none lies above one value.",
    {
        "rounds down": "That would move small and large logits alike, each by about a step.",
        "swaps two digits": "Then two digits would differ, up and down. Look at the signs.",
        "ignores the bias": "Then a digit would be off by the same amount in every image.",
    },
)


_NOT_ITS = dict.fromkeys(
    ("ruy", "float64", "float32"),
    "That is the rule of another engine. Which engine is LiteRT for Microcontrollers?",
)
_NEARLY = "LiteRT's reference engine does so. Is the chip's dense layer the same?"

choice(
    "20.3",
    ["gemmlowp", "gemmlowp"],
    "The rules of the chip's plain kernels, on any processor that has NumPy.",
    _NOT_ITS,
    _NOT_ITS | {"float64": _NEARLY},
)
