"""Checks of lesson 08."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qhelpers.arithmetic import packing
from qhelpers.data import Bytes
from qhelpers.evaluation.metrics import Accuracy
from qhelpers.notebook.exercises import Verdict, choice, exercise, hint, right


@exercise("08.1", expects="callable")
def unpack_nibbles(answer: Callable[[Bytes], Any]) -> Verdict:
    """Check a function that takes 4-bit signed integers out of bytes."""
    wanted = np.array([-8, 7, 0, -1, 3, -5, 1, 2])
    packed = packing.pack(wanted, 4)
    found = np.asarray(answer(packed.copy()))
    if found.shape != wanted.shape:
        return hint(f"{packed.size} bytes hold {wanted.size} integers; got shape {found.shape}.")
    if np.array_equal(found, wanted):
        return right("Low half first, and whatever is 8 or more stands for a negative number.")
    pairs, halves = wanted.reshape(-1, 2), wanted & 15
    signless = np.where(np.arange(8) % 2, wanted, halves)
    for wrong, why in (
        (pairs[:, ::-1], "In each byte the two have changed places: the first is in the low half."),
        (halves, "Nothing is negative: 15 stands for -1, 8 for -8."),
        (halves - 8, "Minus 8 is llama.cpp's offset. This is two's complement: 7 stays 7."),
        (np.where(halves < 8, halves, 8 - halves), "The top bit is no sign: it counts -8."),
        (signless, "The second of each pair has its sign, the first has not: & 15 leaves none."),
        (pairs.T, "All low halves came first. Put each byte's two side by side."),
        (wanted % 256, "uint8 cannot hold negative numbers: 0 - 1 became 255. Make it int8 first."),
        (halves - 16, "16 goes off only from 8 up: 7 is 7."),
    ):
        if np.array_equal(found, np.ravel(wrong)):
            return hint(why)
    return hint(f"The bytes {packed.tolist()} do not hold {found.tolist()}.")


def exported(integers: NDArray[np.int8]) -> Bytes:
    """Return what the exporter of exercise 08.2 wrote: 4-bit integers, two in a byte.

    They are int8 of any shape, -8 to 7, an even number of them.
    """
    return packing.pack(integers.reshape(-1, 2)[:, ::-1], 4)


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
        left = f"{_BUDGET - taken:,.0f} bytes are left: which layer can use them?"
        return hint(f"{taken:,.0f} bytes fit, and it reads {found}. {left}")
    return right(f"{taken:,.0f} bytes, {found}.")
