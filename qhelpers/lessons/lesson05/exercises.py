"""The checks of lesson 05: 16-bit activations, 8-bit weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qhelpers.data import Array
from qhelpers.notebook.exercises import Verdict, choice, exercise, hint, right


@exercise("05.1", expects="callable")
def one_number(
    answer: Callable[..., Any],
    *,
    patch: NDArray[np.int16],
    kernel: NDArray[np.int8],
    multiplier: float,
    expected: int,
) -> Verdict:
    """Check a function (patch, kernel, multiplier) -> (sum, rescaled number)."""
    found = answer(patch.copy(), kernel.copy(), multiplier)
    if not isinstance(found, (tuple, list)) or len(found) != 2:
        return hint("Return two things: the sum, and the number after rescaling.")
    total, number = found
    exact = int((patch.astype(np.int64) * kernel).sum())
    if np.ndim(total) != 0:
        return hint("The sum is one number: all 144 products, added.")
    if int(total) != exact:
        # Either the products wrapped and were added in int64, or the sum wrapped as well.
        if total == (patch * kernel).sum() or (int(total) - exact) % 2**16 == 0:
            return hint("int16 times int8 stays int16 in NumPy: it wraps. What holds the sum?")
        return hint("The sum is not right: each input times its weight, all 144 products added.")
    if number == exact * multiplier and number != int(number):
        return hint("That is still a real number: an int16 is whole, so round it.")
    if int(number) != number or abs(number - expected) > 1:
        return hint("The sum is right. Multiply it with the multiplier, then round.")
    # Other tests of the same function: a full patch, which needs more than 32 bits.
    full = np.full((9, 1024), 32_767, np.int16)
    wide, small = answer(full, np.full((9, 1024), 127, np.int8), 1.5e-9)
    if int(wide) != 9 * 1024 * 32_767 * 127:
        return hint("A longer sum of large numbers overflows in it. How wide is yours?")
    if int(small) != 58:  # 57.53
        return hint("The sum is right. The number is cut off, not rounded.")
    return right(f"{exact:,} in 64 bits, and {int(number):,} as an int16.")


def suspect_file(converter: Callable[..., Any], network: Any, sounds: Array) -> bytes:
    """Return the file of 05.2: what `converter(network, sounds)` makes of too quiet sounds."""
    return bytes(converter(network, sounds / 25).convert())


@exercise("05.2", expects=float)
def what_it_can_hold(answer: float, *, scale: float) -> Verdict:
    """Check the largest input that the suspect file can represent."""
    if np.isclose(answer, 32_767 * scale, rtol=0.02):
        return right("Whatever is louder is clipped: the clips that calibrated it were that quiet.")
    wrong = {
        scale: "That is the scale: one step. How many steps reach the end?",
        127 * scale: "That is for 8 bits. The input's type here is int16.",
        255 * scale: "That is for 8 bits. The input's type here is int16.",
        65_535 * scale: "int16 has a sign: the largest positive one is half of that.",
        1.0: "That is how loud the clips are. What reaches the network? Read the scale.",
    }
    for value, why in wrong.items():
        if np.isclose(answer, value, rtol=0.02):
            return hint(why)
    return hint("One integer is one scale. How large do this type's integers get?")


choice(
    "05.3",
    ["int8", "int16x8", "float16"],
    "First what the device can run, then what the signal needs, then the cheapest.",
    {
        "int16x8": "The digits showed no gain from 16 bits, which double the activations.",
        "": "The first device has no floating point: that file computes with floats.",
    },
    {
        "int8": "Second job: look at the quiet end of the figure once more.",
        "": "The second device has no floating point: that file computes with floats.",
    },
    {
        "float32": "Third job: another file has the same quality in half of the bytes.",
        "int8": "Third job: int8 drowns the quiet end on a phone as well.",
        "dynamic_range": "Third job: its one scale serves a whole clip. See its last two bands.",
        "int16x8": "Third job: a CPU without 16-bit kernels runs that one slowest of all.",
    },
)
