"""The checks of lesson 07: quantization-aware training."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from qhelpers.notebook.exercises import Verdict, choice, exercise, hint, right
from qhelpers.pytorch import engines

Array = npt.NDArray[Any]


def straight_through(gradient: Array, x: Array, scale: Array, qmin: int, qmax: int) -> Array:
    """Return what fake quantization passes backward: exercise 07.1's answer.

    Args:
        gradient: float32 of x's shape.
        x: real numbers.
        scale: one, or one for each channel; it spreads over x.
        qmin: the smallest integer.
        qmax: the largest integer.

    Source: Y. Bengio, N. Léonard, A. Courville, arXiv:1308.3432, 2013.
    """
    level = np.rint(x / scale)
    passed: Array = gradient * ((level >= qmin) & (level <= qmax))
    return passed


def exact_engine() -> str:
    """Return the engine for exercise 07.2: one that adds in 32 bits on any CPU, where there is."""
    names = engines.supported()
    return next((name for name in ("onednn", "qnnpack") if name in names), names[0])


@exercise("07.1", "callable")
def backward_pass(answer: Callable[..., Any]) -> Verdict:
    """Check a function (gradient, x, scale, qmin, qmax): the straight-through gradient."""
    scale, qmin, qmax = 0.5, -2, 1
    x = np.array([-3.0, -1.26, -1.2, -1.0, 0.0, 0.2, 0.5, 0.74, 0.8, 5.0])
    gradient = np.array([1.0, -2.0, 3.0, 0.5, -1.0, 2.0, 4.0, -3.0, 1.5, 2.5])
    found = np.asarray(answer(gradient.copy(), x.copy(), scale, qmin, qmax), np.float64)
    if found.shape != x.shape:
        return hint(f"One gradient for each x is expected: shape {x.shape}, got {found.shape}.")
    level = np.rint(x / scale)
    inside = (level >= qmin) & (level <= qmax)
    wrong = (
        (np.zeros(x.shape), "That is rounding's own gradient. With it, nothing is ever learned."),
        (
            gradient,
            "You pass everything on. Where the value was clipped, moving it changes nothing.",
        ),
        (inside * 1.0, "These are the slopes, 0 or 1. Multiply by the gradient that arrives."),
        (gradient * ~inside, "Turned round: it passes inside the range, and stops outside."),
        (gradient * inside * scale, "No scale here: dividing and multiplying by it cancel out."),
        (
            gradient * ((x >= qmin) & (x <= qmax)),
            "qmin and qmax are integers; compare the level, round(x / scale), with them, not x.",
        ),
        (
            gradient * ((level > qmin) & (level < qmax)),
            "The outermost levels belong to the range: <=, not <.",
        ),
        (
            gradient * ((x / scale >= qmin) & (x / scale <= qmax)),
            "Nearly: a value up to half a step beyond the last level still rounds to it. "
            "Compare after rounding.",
        ),
    )
    if np.allclose(found, gradient * inside):
        return right("Inside the range the gradient passes unchanged, outside it stops.")
    for values, why in wrong:
        if np.allclose(found, values):
            return hint(why)
    return hint("Where round(x / scale) lies in qmin to qmax pass the gradient, elsewhere 0.")


choice(
    "07.2",
    ["seven_bits"],
    "One bit of the activations: the small channels share their scale.",
    {
        "images": "Run tried(images=5000): do the logits get better?",
        "histogram": "Run tried(histogram=False): do the logits get better?",
        "per_channel": "That is on. Turn it off: does it get better?",
    },
)


choice(
    "07.3",
    ["nothing", "ranges", "train"],
    "Training comes last, on top of the best that goes without.",
    {"": "Case 1: what is there to repair?"},
    {
        "train": "Case 2: has everything been tried that needs no labels?",
        "nothing": "Case 2 loses two points: with which kind of range?",
    },
    {"": "Case 3: what is left untried?"},
)
