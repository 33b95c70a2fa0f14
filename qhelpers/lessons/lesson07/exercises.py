"""The checks of lesson 07: quantization-aware training."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from qhelpers.data import Array
from qhelpers.notebook.exercises import Verdict, choice, exercise, hint, right
from qhelpers.pytorch import engines


def drop_unused(plan: Any) -> None:
    """Delete what a converted PT2E plan holds and its graph does not read: the float weights."""
    used = {node.target for node in plan.graph.nodes if node.op == "get_attr"}
    for name in set(plan.state_dict()) - used:
        place, _, leaf = name.rpartition(".")
        delattr(plan.get_submodule(place), leaf)


def straight_through(gradient: Array, x: Array, scale: Array, qmin: int, qmax: int) -> Array:
    """Return what fake quantization passes backward: exercise 07.1's answer.

    `scale` spreads over `x`. Source: Y. Bengio et al., arXiv:1308.3432, 2013.
    """
    level = np.rint(x / scale)
    return np.asarray(gradient * ((level >= qmin) & (level <= qmax)))


def exact_engine() -> str:
    """Return the engine for exercise 07.2: one that adds in 32 bits on any CPU, where there is."""
    names = engines.supported()
    return next((name for name in ("qnnpack", "onednn") if name in names), names[0])


@exercise("07.1", "callable")
def backward_pass(answer: Callable[..., Any]) -> Verdict:
    """Check a function (gradient, x, scale, qmin, qmax): the straight-through gradient."""
    scale, qmin, qmax = 0.5, -2, 1
    x = np.array([-3.0, -1.7, -1.26, -1.2, -1.0, -0.9, 0.0, 0.2, 0.5, 0.74, 0.8, 5.0])
    gradient = np.array([1.0, 0.5, -2.0, 3.0, 0.5, 1.5, -1.0, 2.0, 4.0, -3.0, 1.5, 2.5])
    found = np.asarray(answer(gradient.copy(), x.copy(), scale, qmin, qmax), np.float64)
    if found.shape != x.shape:
        return hint(f"One gradient for each x is expected: shape {x.shape}, got {found.shape}.")

    def within(values: Array) -> Array:
        return (values >= qmin) & (values <= qmax)

    level = np.rint(x / scale)
    inside = within(level)
    if np.allclose(found, gradient * inside):
        return right("Inside the range the gradient passes unchanged, outside it stops.")
    shares = {  # of the gradient that passes
        "That is rounding's own gradient. With it, nothing is ever learned.": x * 0,
        "You pass everything on. Where the value was clipped, moving it changes nothing.": x == x,
        "Turned round: it passes inside the range, and stops outside.": ~inside,
        "No scale here: dividing and multiplying by it cancel out.": inside * scale,
        "The fraction was cut off: round.": within(np.trunc(x / scale)),
        "The range need not be symmetric: use qmin as well.": np.abs(level) <= qmax,
        "The range need not be symmetric: use qmin, and round.": np.abs(x / scale) <= qmax,
        "qmin and qmax are integers; compare the level, round(x / scale), not x.": within(x),
        "The outermost levels belong to the range: <=, not <.": (level > qmin) & (level < qmax),
        "Nearly: a value up to half a step beyond the last level still rounds to it. "
        "Compare after rounding.": within(x / scale),
    }
    wrong = {why: gradient * share for why, share in shares.items()}
    wrong["These are the slopes, 0 or 1. Multiply by the gradient that arrives."] = inside * 1.0
    wrong["It is x that was clipped, not the gradient."] = np.clip(gradient, qmin, qmax)
    for why, values in wrong.items():
        if np.allclose(found, values):
            return hint(why)
    return hint("Try x = 0.2 and x = 5 at scale 0.5, qmin -2, qmax 1: which of them is clipped?")


choice(
    "07.2",
    ["seven_bits"],
    "One bit of the activations: the small channels share their scale.",
    {
        "images": "Run tried(images=5000): does it come near PT2E's accuracy?",
        "histogram": "Run tried(histogram=False): does it come near PT2E's accuracy?",
        "per_channel": "The weights have a scale for each channel. What has one for all channels?",
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
