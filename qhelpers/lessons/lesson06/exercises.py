"""The checks of lesson 06: PyTorch static quantization."""

from __future__ import annotations

from typing import Any

import numpy as np

from qhelpers.notebook.exercises import Verdict, choice, exercise, hint, right


def _near(found: float, expected: float) -> bool:
    """Say whether two scales are the same up to the rounding of float32."""
    return bool(np.isclose(found, expected, rtol=1e-4, atol=0))


@exercise("06.1", list)
def scale_and_zero_point(answer: list[Any], low: float, high: float) -> Verdict:
    """Check [scale, zero_point] for reals from `low` to `high` on the integers 0 to 127."""
    if len(answer) != 2:
        return hint(f"Two numbers, [scale, zero_point], are expected; got {len(answer)}.")
    scale, zero_point = (float(value) for value in answer)
    width = high - low
    wrong_scales = {
        width / 255: "This scale is for 256 levels. With reduce_range there are the integers 0 "
        "to 127 only.",
        width / 128: "127 and 128 are easily confused: 128 levels have 127 steps between them.",
        max(-low, high)
        / 127: "This is the scale of a symmetric range, or of one that begins at 0. "
        "This range begins at low: use all of high - low.",
        127 / width: "This is steps per unit. The scale is the other way round: units per step.",
    }
    for wrong, why in wrong_scales.items():
        if _near(scale, wrong):
            return hint(why)
    if not _near(scale, width / 127):
        if abs(scale / (width / 127) - 1) < 5e-3:
            return hint("Right, but rounded. Give the scale unrounded, as an expression.")
        return hint("The scale is the width of the range, divided by the number of steps.")
    expected = round(-low / (width / 127))
    if zero_point == -expected:
        return hint("The sign: low is negative, and 0.0 must lie above it, at a positive integer.")
    if zero_point != int(zero_point):
        return hint("A zero point is an integer: round it, so that 0.0 has a level of its own.")
    if zero_point == 0 or zero_point != expected:
        return hint("The zero point counts the steps from low up to 0.0: how many are they?")
    return right(f"This is what the observer computes: {scale:.5f} and {expected}.")


choice(
    "06.2",
    ["not normalized"],
    "Its integers stand for 0 to 1, and the network gets -0.42 to 2.82.",
    {
        "not calibrated": "Then every scale would be 1. Here they are not.",
        "training mode": "This network has neither dropout nor batch normalization: the mode would "
        "not be seen in it.",
        "not fused": "Look at the names of the printed layers: is there a Linear without its ReLU "
        "where quantized has both in one?",
        "too few images": "Even one image has pixels from -0.42 up. Which reals can the integers "
        "of this network's input stand for?",
    },
)


choice(
    "06.3",
    ["float32, compiled", "PT2E, compiled", "quantize_"],
    "Compile first, quantize where it still pays, and swap weights where they weigh.",
    {
        "PT2E, compiled": "Case 1: which of the two numbers compares like with like?",
        "quantize_": "Case 1 is a CNN: what does quantize_ do with convolutions?",
    },
    {"": "Case 2: the rival is beaten by far here, with the same accuracy."},
    {"": "Case 3: nobody can calibrate, and it is the weights that must shrink."},
)
