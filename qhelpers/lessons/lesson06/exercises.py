"""The checks of lesson 06: PyTorch static quantization."""

from __future__ import annotations

from typing import Any

import numpy as np

from qhelpers.notebook.exercises import Verdict, choice, exercise, hint, right


@exercise("06.1", list)
def scale_and_zero_point(answer: list[Any], low: float, high: float) -> Verdict:
    """Check [scale, zero_point] for reals from `low` to `high` on the integers 0 to 127."""
    if len(answer) != 2:
        return hint(f"Two numbers, [scale, zero_point], are expected; got {len(answer)}.")
    scale, zero_point = (float(value) for value in answer)
    width, largest = high - low, max(-low, high)
    wrong_scales = {
        width / 255: "This scale is for 256 levels. With reduce_range the integers are 0 to 127.",
        width / 128: "127 and 128 are easily confused: 128 levels have 127 steps between them.",
        largest / 127: "This is the scale of a symmetric range, or of one that begins at 0. This "
        "range begins at low: use all of high - low.",
        127 / width: "This is steps per unit. The scale is the other way round: units per step.",
    }
    for wrong, why in wrong_scales.items():
        if np.isclose(scale, wrong, rtol=1e-4, atol=0):
            return hint(why)
    step = width / 127
    if not np.isclose(scale, step, rtol=1e-4, atol=0):  # the rounding of float32 does not matter
        if abs(scale / step - 1) < 5e-3:
            return hint("Right, but rounded. Give the scale unrounded, as an expression.")
        return hint("The scale is the width of the range, divided by the number of steps.")
    expected = round(-low / step)
    if zero_point == -expected:
        return hint("The sign: low is negative, and 0.0 must lie above it, at a positive integer.")
    if zero_point != int(zero_point):
        return hint("A zero point is an integer: round it, so that 0.0 has a level of its own.")
    if zero_point == int(-low / step) != expected:
        return hint("The fraction was cut off, as int() does. Which integer is nearest?")
    if zero_point != expected:
        return hint("Integer 0 stands for low. Which integer has to stand for the real 0.0?")
    return right(f"This is what the observer computes: {scale:.5f} and {expected}.")


choice(
    "06.2",
    ["ToTensor alone"],
    "Its integers stand for 0 to 1, and the network gets -0.42 to 2.82.",
    {
        "raw pixels": "Raw pixels reach 255. Which real number is this input's highest integer?",
        "one class": "A single class has the background's -0.42 too. Which real number is this "
        "input's lowest integer?",
        "noise": "Random numbers go as far below 0 as above. Where does this input's range begin?",
        "not fused": "Look at the names of the printed layers: is there a Linear without its ReLU "
        "where quantized has both in one?",
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
    {"": "Case 2: int8 takes half of the rival's time here, with the same accuracy."},
    {"": "Case 3: nobody can calibrate, and it is the weights that must shrink."},
)
