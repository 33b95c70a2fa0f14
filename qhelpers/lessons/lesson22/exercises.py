"""The checks of deep dive 22: PyTorch's engines."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from qhelpers.notebook.exercises import Verdict, choice, exercise, hint, right
from qhelpers.pytorch.engines import Layer

Array = npt.NDArray[Any]


def qnnpack(total: Array, layer: Layer) -> Array:
    """Compute qnnpack's levels: the solution of 22.1, which the notebook goes on with.

    Args:
        total: sums of a layer, whole numbers [n, outputs].
        layer: the layer.

    Returns:
        Rounded levels, zero point included, not clipped: float32 or float64 [n, outputs].
    """
    return _in_order(total, layer)


def _in_order(
    total: Array,
    layer: Layer,
    rint: Callable[[Array], Array] = np.rint,
    zero_point: bool = True,
    bias: bool = True,
) -> Array:
    """Compute qnnpack's levels, or leave one of its steps out."""
    one, step = np.float32(1), np.float32(layer.input_scale) * np.float32(layer.weight_scale)
    if bias:
        total = total + rint(layer.bias * (one / step))
    levels = np.rint(np.float32(total) * (step * (one / np.float32(layer.scale))))
    return np.asarray(levels + layer.zero_point * zero_point)


@exercise("22.1", "callable")
def third_order(answer: Callable[[Array, Layer], Any], layer: Layer, totals: Array) -> Verdict:
    """Check a function `(total, layer)` that computes qnnpack's levels."""
    zeroed = Layer(**(vars(layer) | {"zero_point": 37}))
    got = np.asarray(answer(totals.copy(), zeroed), np.float64)
    if got.shape != totals.shape:
        return hint(f"One level for each sum is expected, {totals.shape}; got {got.shape}.")
    if np.array_equal(got, _in_order(totals, zeroed)):
        return right("The integer bias, one multiplication, one rounding: this is qnnpack.")
    if np.array_equal(got, _in_order(totals, zeroed, zero_point=False)):
        return hint("The zero point is missing.")
    if np.array_equal(got, _in_order(totals, zeroed, bias=False)):
        return hint("Where is the bias?")
    if np.array_equal(got, _in_order(totals, zeroed, rint=np.trunc)):
        return hint("The bias was truncated: round it.")
    if np.array_equal(got, _in_order(totals, zeroed, rint=np.asarray)):
        return hint("The bias was added as a float, as fbgemm does: round it first.")
    if np.array_equal(got, _in_order(totals, zeroed).clip(0, 255)):
        return hint("Nothing is clipped here: finish does that.")
    if not np.array_equal(got, np.rint(got)):
        return hint("Levels are whole numbers: round after the multiplication, as fbgemm does.")
    share = np.mean(got != _in_order(totals, zeroed))
    return hint(
        f"{share:.2%} of the levels differ. Check what is multiplied by what, in float32, and that "
        "nothing is divided but one."
    )


def report(
    x: Array,
    layer: Layer,
    add: Callable[[Array, Layer], Array],
    rule: Callable[[Array, Layer], Array],
    finish: Callable[[Array, Layer], Array],
) -> Array:
    """Return the bytes that exercise 22.2 is about, int64 [n, outputs]."""
    return finish(rule(add(x, layer), layer), layer).astype(np.int64)


choice(
    "22.2",
    ["pairs"],
    "Many levels, up in one image and down in another: sums that saturated.",
    {
        "bias": "Without its bias a neuron moves by the same amount in every image. Look at one "
        "column of moved.",
        "zero point": "An ignored zero point adds the same to a neuron in every image. Look at one "
        "column of moved.",
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
    {"": "(a): which of the three was built for Arm?"},
    {"": "(b): without VNNI, pairs of full 8-bit activations saturate."},
    {"": "(c): nothing saturates there. Which has all 256 levels and a scale for each row?"},
)
