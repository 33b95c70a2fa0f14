"""The checks of lesson 00."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from qhelpers import data
from qhelpers.data import Array, Digits
from qhelpers.lessons.lesson00 import network
from qhelpers.notebook.exercises import Verdict, choice, exercise, hint, right


@exercise("00.1", expects="callable")
def reach(answer: Callable[..., Any], net: network.Net, digits: Digits) -> Verdict:
    """Check a function that says how far three marks should reach over each kernel."""
    names = getattr(getattr(inspect.unwrap(answer), "__code__", None), "co_names", ())
    if {"affine", "ranges", "choose", "by_mse", "by_percentile"} & {*names}:
        return hint("It calls the course's own function. Write a rule of yours, with NumPy alone.")
    rounded, complaints = dict(net), []
    for layer in (1, 2):
        kernel = net[f"kernel{layer}"]
        got = answer(kernel)
        if np.ndim(got) != 0 or not np.isfinite(got) or got <= 0:
            return hint(f"A reach is one number above 0; got {got!r:.40}.")
        end = float(got)
        rounded[f"kernel{layer}"] = _marks(kernel, end) * np.float32(end)
        harm, why = _complaint(kernel, end)
        complaints.append((harm, f"Layer {layer}: {why}"))
    images = data.to_float(digits.train_images[:2_000])
    found = network.forward(rounded, images)[1].argmax(axis=1)
    share = float((found == digits.train_labels[:2_000]).mean())
    if share >= 0.7:
        return right("A few large weights are clipped, and the marks go where the many are.")
    return hint(f"It reads {int(100 * share)} %. {max(complaints)[1]}")


def _marks(kernel: Array, end: float) -> Array:
    """Return which of the marks -1, 0 and 1 each weight goes to."""
    return np.clip(np.rint(kernel / np.float32(end)), -1, 1)


def _complaint(kernel: Array, end: float) -> tuple[float, str]:
    """Return by how much a reach misses the kernel's best, and what is wrong with it."""
    largest = float(np.abs(kernel).max())
    if end >= 0.999 * largest:
        return np.inf, "that reaches to the largest weight, or beyond: the range that broke it."

    def error(reach: float) -> float:
        return float(np.square(kernel - _marks(kernel, reach) * reach).sum())

    best = min(np.linspace(0.02, 1, 50) * largest, key=error)
    why = "still too far," if end > best else "too near, only"
    zeros = 100 * float((_marks(kernel, end) == 0).mean())
    return error(end) / error(best), f"{why} {zeros:.0f} % of its weights go to 0."


choice(
    "00.2",
    ["rounding"],
    "All moved toward zero: the digits were cut off. Rounding goes either way.",
    {
        "scale": "A wrong scale stretches all values alike. How far off is 0.98, and 0.26?",
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
