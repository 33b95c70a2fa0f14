"""The checks of lesson 21: the order of float sums."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from qhelpers.arithmetic import float_order
from qhelpers.notebook.exercises import Verdict, choice, exercise, hint, right

_F32 = np.float32
# Added one by one, from the start on, the small ones are lost; 2^-24 is half a gap at 1.
_SMALL = np.full(3, 2.0**-24, _F32)


def added_up(numbers: Any, weights: Any, start: Any, fused: bool = False) -> Any:
    """Add products to a start, one after the other, in float32; fused: each in one rounding."""
    total = start
    for number, weight in zip(numbers, weights, strict=True):
        if fused:
            total = float_order.multiply_add(number, weight, total, fused=True)
        else:
            total = total + number * weight
    return total


@exercise("21.1", expects="callable")
def _add_up(answer: Callable[[Any, Any, Any], Any]) -> Verdict:
    """Check a sum of products in order."""
    rng = np.random.default_rng(0)
    numbers, weights = (rng.normal(size=(40, 5)).astype(_F32) for _ in range(2))
    for values, factors, start in (
        (_SMALL, np.ones(3, _F32), _F32(1)),
        (numbers, weights, np.full(5, 0.3, _F32)),
    ):
        wanted = added_up(values, factors, start)
        got = np.asarray(answer(values, factors, start))
        if got.shape != np.shape(wanted):
            return hint(f"The result should have shape {np.shape(wanted)}; got {got.shape}.")
        if np.array_equal(got, wanted):
            continue
        if got.dtype != _F32:
            return hint(f"Every step should be float32; got {got.dtype}.")
        if np.array_equal(got, added_up(values, factors, np.zeros_like(start)) + start):
            why = "The products are added up first and `start` joins at the end, whichever side of "
            return hint(f"{why}the + it stands on. Begin with it, then add product by product.")
        if not np.allclose(got, wanted, rtol=1e-4):
            return hint("That is another sum. Is every product in it once, and `start`, too?")
        if np.array_equal(got, added_up(values, factors, start, fused=True)):
            return hint("Each product should be rounded before it is added: this fuses.")
        return hint("Nearly: the order is another one. np.sum and @ choose their own.")
    return right("In order, one rounding after the other: the cells below use your function.")


choice(
    "21.2",
    ["halves"],
    "One activation moved by a step: all logits of its image, and no other image.",
    {
        "scales": "Every logit of every image is multiplied by the scales. How many are touched?",
        "bias": "The bias goes into every image. How many are touched?",
        "order of the sum": "These are sums of integers in int32: does their order matter at all?",
    },
)


choice(
    "21.3",
    ["a bound"],
    "Wide enough for every order, narrow enough to catch a wrong program.",
    {
        "every bit": "Do the two engines add in the same order?",
        "accuracy only": "Which mistakes would never show in it?",
    },
)
