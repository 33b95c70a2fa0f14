"""Checks of lesson 04."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from qhelpers.notebook.exercises import Verdict, exercise, hint, right

Array = npt.NDArray[Any]
_LARGEST = 65504.0


@exercise("04.1", expects=float)
def read_a_half(answer: float) -> Verdict:
    """Sign 1, exponent 13, fraction one quarter: -0.3125."""
    hints = {
        0.3125: "Size right, sign wrong: the first bit is 1.",
        -0.0625: "The hidden one is missing: 1 + fraction, not the fraction alone.",
        -1.25 * 2.0**13: "The exponent is stored with 15 added. Take the bias off first.",
        -1.25 * 2.0 ** (13 - 16): "The bias of 5 bits is 15: half of the 32 patterns, less one.",
        -1.25 * 2.0 ** (13 - 127): "127 is the bias of float32. With 5 exponent bits it is 15.",
        -0.375: "The first fraction bit is worth a half, the second a quarter.",
    }
    if answer == -0.3125:
        return right("Minus 2 to the -2, a quarter further: -0.3125.")
    if answer in hints:
        return hint(hints[answer])
    return hint("Value = (-1)^sign times 2 to the (exponent - 15), times (1 + fraction / 1024).")


@exercise("04.2", expects=int)
def first_gap_in_bfloat16(answer: int) -> Verdict:
    """8 significant bits hold every whole number up to 256."""
    if answer == 257:
        return right("8 significant bits reach to 256. From there on the gap is 2.")
    if answer == 2049:
        return hint("That is float16, with 10 fraction bits. bfloat16 has 7.")
    if answer == 129:
        return hint("The hidden one counts: 7 fraction bits are 8 significant bits.")
    if answer in (128, 256):
        return hint("A power of two is always representable. Look at the number behind it.")
    if answer == 513:
        return hint("One bit too many: 7 fraction bits and the hidden one.")
    if 0 < answer < 257:
        return hint(f"to_bfloat16 gives {answer} back as it is. Try larger ones.")
    return hint("Find where the gap becomes 2: with 7 fraction bits the gap at 2^k is 2^(k - 7).")


@exercise("04.3", expects="callable")
def balance(answer: Callable[..., Any], kernel: Array, bias: Array, dense: Array) -> Verdict:
    """A function that gives every channel a factor of its own, so that float16 holds all."""
    powers = 2.0 ** np.where(np.arange(12) % 2, 22, -22).astype(np.float32)
    rows = np.tile(powers, 169)[:, None]
    moved = (kernel * powers, bias * powers, dense / rows)
    uneven = [np.asarray(array, np.float32) for array in moved]
    found = answer(*(array.copy() for array in uneven))
    if found is ... or found is None:
        return hint("The function returns nothing yet: return kernel, bias, dense.")
    if not isinstance(found, (tuple, list)) or len(found) != 3:
        return hint("Return three arrays: kernel, bias, dense.")
    if any(np.asarray(array).dtype == np.float16 for array in found):
        return hint("Right type to think of, too early: return float32, the converter rounds.")
    got = [np.asarray(array, np.float64) for array in found]
    for name, new, old in zip(("kernel", "bias", "dense"), got, uneven, strict=True):
        if new.shape != old.shape:
            return hint(f"{name} must keep its shape {old.shape}; got {new.shape}.")
    factor = np.abs(got[0]).max(axis=(0, 1, 2)) / np.abs(uneven[0]).max(axis=(0, 1, 2))
    return _not_the_same(got, uneven, factor) or _does_not_fit(got, factor)


def _not_the_same(got: list[Array], uneven: list[Array], factor: Array) -> Verdict | None:
    """Return a hint where the two layers no longer compute the same function."""
    if not np.all(factor > 0) or not np.allclose(got[0], uneven[0] * factor, rtol=1e-5, atol=0):
        return hint(
            "Within a channel the weights of the convolution no longer have their proportions: "
            "multiply all nine by one positive number, and clip nothing."
        )
    if not np.allclose(got[1], uneven[1] * factor, rtol=1e-5, atol=0):
        return hint("A channel's bias is added to its products: it needs the factor as well.")
    rows = np.tile(factor, 169)[:, None]
    if np.allclose(got[2], uneven[2] / rows, rtol=1e-5, atol=0):
        return None
    if np.allclose(got[2], uneven[2] * rows, rtol=1e-5, atol=0):
        return hint("What the convolution gains the dense layer has to lose: divide there.")
    if np.allclose(got[2], uneven[2] / np.repeat(factor, 169)[:, None], rtol=1e-5, atol=0):
        return hint("The flattened channels go 0, 1, ..., 11, 0, 1, ...: tile, do not repeat.")
    if np.allclose(got[2], uneven[2], rtol=1e-5, atol=0):
        return hint(
            "The dense layer is as it was: divide each of its rows by its channel's factor."
        )
    return hint("The function has changed: divide dense row i by the factor of channel i % 12.")


def _does_not_fit(got: list[Array], factor: Array) -> Verdict:
    """Return a hint where float16 cannot hold the weights, or the tick."""
    for name, array in zip(("kernel", "bias", "dense"), got, strict=True):
        if np.abs(array).max() > _LARGEST:
            same = (
                " One factor for all channels cannot mend this."
                if np.ptp(factor) < 1e-4 * np.max(factor)
                else ""
            )
            return hint(f"{name} still reaches {np.abs(array).max():.3g}, above 65,504.{same}")
    rounded = [array.astype(np.float16).astype(np.float64) for array in got]
    for name, old, new in zip(("kernel", "bias", "dense"), got, rounded, strict=True):
        lost = np.abs(new - old).sum() / np.abs(old).sum()
        channels = np.abs(old).reshape(-1, 12).max(axis=0) if name != "dense" else None
        if channels is None:
            channels = np.abs(old).reshape(169, 12, 10).max(axis=(0, 2))
        if lost > 2.0**-10 or channels.min() < 2.0**-10:
            return hint(f"Some of {name} is so small that float16 makes it subnormal or zero.")
    return right("Each channel has a factor of its own, and float16 holds them all.")
