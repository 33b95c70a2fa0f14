"""The checks of lesson 06: PyTorch static quantization."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from qhelpers.notebook.exercises import Verdict, exercise, hint, right

Array = npt.NDArray[Any]


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


@exercise("06.2", np.ndarray)
def dequantized_row(answer: Array, integers: Array, scales: Array, row: int) -> Verdict:
    """Check one row of weights, dequantized by hand."""
    count = integers.shape[1]
    if answer.shape != (count,):
        return hint(f"One row has {count} weights; got an array of shape {answer.shape}.")
    whole = integers[row].astype(np.float64)
    expected = whole * scales[row]
    if np.allclose(answer, expected, rtol=1e-4, atol=1e-9):
        return right("Integer times scale: with zero point 0 there is nothing to subtract.")
    if np.array_equal(answer, whole):
        return hint("These are still the integers. Multiply them by the scale of their row.")
    if np.allclose(answer, whole / scales[row], rtol=1e-4):
        return hint("Divided by the scale? That is the way to the integers: multiply.")
    if np.allclose(answer, whole * scales[0], rtol=1e-4, atol=1e-9):
        return hint("This is the scale of row 0. Along axis 0 each row has a scale of its own.")
    if np.allclose(answer, whole * scales.mean(), rtol=1e-4, atol=1e-9):
        return hint("The mean of all scales fits no row. Take the one of this row.")
    return hint(f"Take integers[{row}] and scales[{row}], and multiply.")


@exercise("06.3", int)
def real_bytes(answer: int) -> Verdict:
    """Check the bytes of 784-128-10 with int8 weights and float32 biases."""
    weights, biases = 784 * 128 + 128 * 10, 128 + 10
    hints = {
        4 * (weights + biases): "This is the float32 network. An int8 weight takes one byte.",
        weights: "The weights are right; the biases are missing. They stay float32.",
        weights + biases: "The biases are not int8: they stay float32, four bytes each.",
        8 * (weights + 4 * biases): "These are bits. A byte is eight of them.",
        weights + 4 * 128: "The second layer has biases too.",
    }
    if answer == weights + 4 * biases:
        return right(f"{weights:,} weights at one byte, {biases} biases at four.")
    if answer in hints:
        return hint(hints[answer])
    if answer > weights + 4 * biases:
        return hint("Too many: count the numbers only, without scales, names and the file around.")
    return hint("Too few: two layers, each with weights (one byte) and biases (four bytes).")


@exercise("06.4", int)
def requantized(
    answer: int,
    total: int,
    bias: float,
    input_scale: float,
    weight_scale: float,
    scale: float,
    zero_point: int,
) -> Verdict:
    """Check one output byte, computed from a 32-bit sum."""
    step = input_scale * weight_scale
    exact = (total + bias / step) * (step / scale)
    hints = {
        int(exact) + zero_point: "Truncated? Round to the nearest integer.",
        round(exact) - zero_point: "The sign: the zero point is added on the way to integers.",
        round(exact): "The zero point is missing: real 0 is not the integer 0 here.",
        round(total * step / scale) + zero_point: "Where is the bias? In units of the sum it is "
        "bias / (input_scale * weight_scale); added as it is, it counts for nothing.",
        round(exact * scale) + zero_point: "That rounds the real number. How many steps of the "
        "output's scale is it?",
    }
    if answer == round(exact) + zero_point:
        return right(f"({total:,} {bias / step:+,.0f}) * {step / scale:g} = {exact:.2f}.")
    if answer in hints:
        return hint(hints[answer])
    return hint("Bring the bias to units of the sum, add, scale, round, add the zero point.")
