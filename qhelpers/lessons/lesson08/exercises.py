"""Checks of lesson 08."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qhelpers.arithmetic import packing
from qhelpers.evaluation.metrics import Accuracy
from qhelpers.notebook.exercises import Verdict, choice, exercise, hint, right


@exercise("08.1", expects="callable")
def unpack_nibbles(answer: Callable[[NDArray[np.uint8]], Any]) -> Verdict:
    """Check a function that takes 4-bit signed integers out of bytes."""
    wanted = np.array([-8, 7, 0, -1, 3, -5, 1, 2], np.int8)
    packed = packing.pack(wanted, 4)
    found = np.asarray(answer(packed.copy()))
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
    both = found.reshape(-1, 2).astype(int)
    if np.array_equal(both[:, 1], wanted[1::2]) and np.array_equal(both[:, 0] & 15, low):
        return hint("The second of each pair has its sign, the first has not: & 15 leaves none.")
    if np.array_equal(found, np.concatenate([wanted[::2], wanted[1::2]])):
        return hint("All low halves came first. Put each byte's two side by side.")
    if np.array_equal(found, wanted.view(np.uint8)):
        return hint("uint8 cannot hold negative numbers: 0 - 1 became 255. Make it int8 first.")
    if np.array_equal(both, np.stack([low, high], axis=1).astype(int) - 16):
        return hint("16 goes off only from 8 up: 7 is 7.")
    return hint(f"The bytes {packed.tolist()} do not hold {found.tolist()}.")


def exported(integers: NDArray[np.int8]) -> NDArray[np.uint8]:
    """Return what the exporter of exercise 08.2 wrote: 4-bit integers, two in a byte.

    Args:
        integers: int8 of any shape, -8 to 7, an even number of them.
    """
    pairs = integers.reshape(-1, 2)
    return packing.pack(pairs[:, ::-1], 4)


choice(
    "08.2",
    ["halves"],
    "Both are there, with their signs, in the wrong half of the byte.",
    {
        "scales": "The scales are applied after reading, and the integers already differ.",
        "sign": "Look for a negative number: has it become a positive one, or has it moved?",
        "rows": "Were whole rows exchanged, other numbers would stand here. Are these others?",
    },
)


_BUDGET, _SIZES, _WIDTHS = 5200, (108, 20_280), (1, 2, 4, 8)


@exercise("08.3", expects=list)
def bits_for_two_layers(answer: list[Any], measure: Callable[[int, int], Accuracy]) -> Verdict:
    """Check the bits of the convolution and of the dense layer, with `measure(conv, dense)`."""
    if len(answer) != 2 or any(bits not in _WIDTHS for bits in answer):
        return hint("Two numbers, each 1, 2, 4 or 8: [convolution, dense layer].")
    first, second = map(int, answer)
    taken = sum(size * bits for size, bits in zip(_SIZES, (first, second), strict=True)) / 8
    if taken > _BUDGET:
        return hint(f"That takes {taken:,.0f} bytes; there are {_BUDGET:,}.")
    if second == 1:
        return hint("There is room for more in the layer that has nearly all weights.")
    found = measure(first, second)
    if first < 4:
        return hint(
            f"{taken:,.0f} bytes fit, and it reads {found}. {_BUDGET - taken:,.0f} bytes are "
            "left: which layer can use them?"
        )
    return right(f"{taken:,.0f} bytes, {found}.")
