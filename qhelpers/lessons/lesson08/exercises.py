"""Checks of lesson 08."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qhelpers.arithmetic import packing
from qhelpers.notebook.exercises import Verdict, exercise, hint, right

_FORMATS = ((4, 32, 16), (4, 128, 16), (2, 64, 16), (8, 32, 32), (3, 96, 8))


@exercise("08.1", expects="callable")
def bits_per_weight(answer: Callable[[int, int, int], Any]) -> Verdict:
    """Check a function `(bits, group, scale_bits) -> bits per weight`."""
    for bits, group, scale_bits in _FORMATS:
        found, wanted = answer(bits, group, scale_bits), bits + scale_bits / group
        if found is ... or found is None:
            return hint("The function returns nothing yet: return a number of bits.")
        if np.isclose(found, wanted, rtol=1e-9):
            continue
        case = f"for {bits} bits, groups of {group}, scales of {scale_bits} bits"
        if found == bits:
            return hint(f"{case}: the scales take room too.")
        if np.isclose(found, bits + scale_bits):
            return hint(f"{case}: a whole group shares one scale.")
        if np.isclose(found, bits * group + scale_bits):
            return hint(f"{case}: this is a whole group's bits. Divide by its weights.")
        if np.isclose(found, wanted / 8):
            return hint(f"{case}: these are bytes; bits are asked for.")
        if found == bits + scale_bits // group:
            return hint(f"{case}: // drops the fraction; use /.")
        if np.isclose(found, bits + group / scale_bits):
            return hint(f"{case}: the group is the second argument, the scale's bits the third.")
        return hint(f"{case}: got {found:g}. Count the bits of one group, then divide.")
    return right("Right for five formats. 4 bits in groups of 32 with float16 scales: 4.5.")


@exercise("08.2", expects="callable")
def unpack_nibbles(answer: Callable[[NDArray[np.uint8]], Any]) -> Verdict:
    """Check a function that takes 4-bit signed integers out of bytes."""
    wanted = np.array([-8, 7, 0, -1, 3, -5, 1, 2], np.int8)
    packed = packing.pack(wanted, 4)
    returned = answer(packed.copy())
    if returned is ... or returned is None:
        return hint("The function returns nothing yet: return an array of integers.")
    found = np.asarray(returned)
    if found.shape != wanted.shape:
        return hint(f"{packed.size} bytes hold {wanted.size} integers; got shape {found.shape}.")
    low, high = packed & 15, packed >> 4
    if np.array_equal(found, wanted):
        return right("Low half first, and whatever is 8 or more stands for a negative number.")
    if np.array_equal(found, wanted.reshape(-1, 2)[:, ::-1].ravel()):
        return hint("In each byte the two have changed places: the first is in the low half.")
    if np.array_equal(found, np.stack([low, high], axis=1).ravel()):
        return hint("Nothing is negative: 15 stands for -1, 8 for -8. Subtract 16 from 8 up.")
    if np.array_equal(found, np.stack([low, high], axis=1).ravel().astype(int) - 8):
        return hint("Minus 8 is llama.cpp's offset. Two's complement: subtract 16 from 8 up.")
    if np.array_equal(found, np.concatenate([wanted[::2], wanted[1::2]])):
        return hint("All low halves came first. Put each byte's two side by side.")
    if np.array_equal(found, wanted.view(np.uint8)):
        return hint("uint8 cannot hold negative numbers: 0 - 1 became 255. Make it int8 first.")
    return hint(f"The bytes {packed.tolist()} do not hold {found.tolist()}.")


@exercise("08.3", expects=float)
def binary_scale(answer: float, weights: NDArray[Any]) -> Verdict:
    """Check the scale that brings the signs nearest to the weights."""
    real = np.asarray(weights, np.float64).ravel()
    magnitudes = np.abs(real)
    others = {
        "the largest magnitude: right for a grid that must reach it, far too long here": (
            magnitudes.max()
        ),
        "the root of the mean square. Set the derivative of the error to zero": (
            np.sqrt((real**2).mean())
        ),
        "the standard deviation. Set the derivative of the error to zero": real.std(),
        "the median: that is for the sum of magnitudes, not of squares": np.median(magnitudes),
        "the mean of the weights: their signs cancel": real.mean(),
        "half the largest magnitude. Set the derivative of the error to zero": magnitudes.max() / 2,
    }
    if np.isclose(answer, magnitudes.mean(), rtol=1e-3):
        return right(f"The mean magnitude, {answer:.4f}: XNOR-Net's choice.")
    for name, value in others.items():
        if np.isclose(answer, value, rtol=1e-3):
            return hint(f"This is {name}.")
    error, best = (((real - s * np.sign(real)) ** 2).mean() for s in (answer, magnitudes.mean()))
    return hint(f"With {answer:g} the mean squared error is {error / best:.3f} times the smallest.")
