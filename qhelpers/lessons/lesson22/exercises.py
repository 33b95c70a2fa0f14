"""The checks of deep dive 22: PyTorch's engines."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from qhelpers.arithmetic.integer_ops import sums_in_pairs
from qhelpers.data import Array
from qhelpers.notebook.exercises import Verdict, choice, exercise, hint, right

Step = Callable[[Array, Any], Array]  # (sums, the Layer of the notebook) -> levels


def qnnpack(
    total: Array, layer: Any, rint: Any = np.rint, zero_point: int = 1, bias: int = 1
) -> Array:
    """Compute qnnpack's levels from sums [n, outputs]: 22.1's solution, or with a step left out."""
    one, step = np.float32(1), np.float32(layer.input_scale) * np.float32(layer.weight_scale)
    total = total + bias * rint(layer.bias * (one / step))
    levels = np.rint(np.float32(total) * (step * (one / np.float32(layer.scale))))
    return np.asarray(levels + layer.zero_point * zero_point)


@exercise("22.1", "callable")
def third_order(answer: Step, layer: Any, totals: Array) -> Verdict:
    """Check a function `(total, layer)` that computes qnnpack's levels."""
    zeroed = dataclasses.replace(layer, zero_point=37)
    got = np.asarray(answer(totals.copy(), zeroed), np.float64)
    if got.shape != totals.shape:
        return hint(f"One level for each sum is expected, {totals.shape}; got {got.shape}.")
    if np.array_equal(got, qnnpack(totals, zeroed)):
        hard = np.random.default_rng(0).integers(-(2**24), 2**24, (8000, totals.shape[1]))
        if not np.array_equal(answer(1.0 * hard, zeroed), qnnpack(1.0 * hard, zeroed)):
            return hint("On other sums a last bit differs. Is all float32? Divide by no scale.")
        return right("The integer bias, one multiplication, one rounding: this is qnnpack.")
    slips: dict[str, dict[str, Any]] = {
        "The zero point is missing.": {"zero_point": 0},
        "Where is the bias?": {"bias": 0},
        "The bias was truncated: round it.": {"rint": np.trunc},
        "The bias was added as a float, as fbgemm does: round it first.": {"rint": np.asarray},
    }
    for why, slip in slips.items():
        if np.array_equal(got, qnnpack(totals, zeroed, **slip)):
            return hint(why)
    if np.array_equal(got, qnnpack(totals, zeroed).clip(0, 255)):
        return hint("Nothing is clipped here: finish does that.")
    if not np.array_equal(got, np.rint(got)):
        return hint("Levels are whole numbers: round after the multiplication, as fbgemm does.")
    behind = qnnpack(totals, zeroed) - got
    if np.abs(behind).max() <= 1 and np.mean(behind != 0) < 0.01:
        return hint("Nearly: multiply by one / scale; dividing by it can change the last bit.")
    if set(np.unique(behind)) <= {0, 1}:
        return hint("The levels were cut off, as floor() does: round them.")
    return hint(f"{np.mean(behind != 0):.2%} of the levels differ. Check each product, in float32.")


def report(x: Array, layer: Any, rule: Step, finish: Step) -> Array:
    """Return the bytes that 22.2 is about, from bytes [n, inputs]: made with its mistake."""
    total = sums_in_pairs(x, layer.weight.T)
    total -= layer.input_zero_point * layer.weight.sum(axis=1, dtype=np.int64)
    return finish(rule(total.astype(np.float64), layer), layer).astype(np.int64)


choice(
    "22.2",
    ["pairs"],
    "Many levels, up in one image and down in another: sums that saturated.",
    {
        "bias": "Without its bias a neuron moves by the same amount in every image. Look at one "
        "column of moved.",
        "zero point": "That adds the same to a neuron in every image. Look at a column of moved.",
        "rows": "Another row's scale makes all levels of a neuron larger, or all smaller. Look at "
        "the signs in one column of moved.",
        "truncated": "Truncation moves a byte by one level at most, and always down. What are the "
        "smallest and the largest of moved?",
    },
)


choice(
    "22.3",
    ["qnnpack", "x86", "onednn"],
    "Choose for the machine that runs it, not for the one that you sit at.",
    {"": "(a): which of the three was made for phones?"},
    {"": "(b): without VNNI, pairs of full 8-bit activations saturate."},
    {"": "(c): nothing saturates there. Which of the two uses all 256 levels?"},
)
