"""The checks of lesson 05: 16-bit activations, 8-bit weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qhelpers.notebook.exercises import Verdict, exercise, hint, right

_PRODUCT = 32_767 * 127
_INT32 = 2**31 - 1
_MARGIN = 0.01

_Pick = Callable[[Mapping[str, float], Mapping[str, int], Mapping[str, int]], Any]


@exercise("05.1", expects=int)
def _inputs_until_overflow(answer: int) -> Verdict:
    """Check how many products of 16 by 8 bits surely fit an int32."""
    if answer == _INT32 // _PRODUCT:
        return right(
            f"{answer} products at most: this network's dense layer sums 2,028, so 32 bits are "
            "not safe and the sum is kept in 64."
        )
    if answer in (_INT32 // (127 * 127), _INT32 // (128 * 127), _INT32 // (255 * 127)):
        return hint("That is for int8 activations. Here one factor of each product is an int16.")
    if answer == _INT32 // _PRODUCT + 1:
        return hint("With that many the sum is above 2^31 - 1. Round down.")
    if answer in ((2**32 - 1) // _PRODUCT, (2**32 - 1) // _PRODUCT + 1, 2**32 // _PRODUCT):
        return hint("int32 is signed: it ends at 2^31 - 1, not at 2^32 - 1.")
    if answer == _PRODUCT:
        return hint("That is the largest single product. How often does it go into 2^31 - 1?")
    if answer in (_INT32 // (32_767 * 32_767), 2):
        return hint("That is for two int16 factors. The weights have 8 bits, -127 to 127.")
    if answer > 2_000:
        return hint("Too many: the largest product is 32,767 * 127, and int32 ends at 2^31 - 1.")
    return hint("Divide the largest int32, 2^31 - 1, by the largest product, and round down.")


@exercise("05.2", expects=np.ndarray)
def _levels_left(answer: NDArray[Any]) -> Verdict:
    """Check the numbers of levels left at 1/256 of the light."""
    if answer.shape != (2,):
        return hint(f"Give two numbers, [int8, int16]; got an array of shape {answer.shape}.")
    eight, sixteen = (float(value) for value in answer)
    if (eight, sixteen) == (2, 129):
        return right("int8 keeps black and one gray; int16 keeps 129 levels, 7 bits' worth.")
    if (eight, sixteen) == (129, 2):
        return hint("The two numbers are the wrong way round: int8 comes first.")
    if (eight, sixteen) == (256, 256):
        return hint("That is the ramp before it is quantized. Quantize it, then count.")
    if eight == 1 and sixteen == 128:
        return hint("You left out black: it is a level too. Count with np.unique.")
    if eight == 2 and sixteen in (256, 257):
        return hint(
            "int16 is symmetric here: light uses only 0 to 32,767, for no pixel is negative. "
            "Use symmetric=True."
        )
    if eight == 256:
        return hint("Use the scale of full light, chosen for 0 to 1, not the dim ramp's own.")
    wrong = "int8" if eight != 2 else "int16"
    return hint(f"The number for {wrong} is not right. Count the different integers that are left.")


@exercise("05.3", expects="callable")
def _pick(
    answer: _Pick,
    *,
    accuracies: Mapping[str, float],
    sizes: Mapping[str, int],
    float_steps: Mapping[str, int],
) -> Verdict:
    """Check a function that picks the scheme for an integer-only device."""
    names = ("float32", "dynamic_range", "int8", "int16x8")
    steps = dict(zip(names, (2, 2, 0, 0), strict=True))
    room = dict(zip(names, (85_000, 24_000, 25_000, 26_000), strict=True))
    cases = [
        # (accuracies, expected, what a wrong pick overlooks)
        ((0.95, 0.94, 0.60, 0.93), "int16x8", "its accuracy is far below that of int16x8"),
        ((0.98, 0.98, 0.975, 0.98), "int8", "int8 is within 0.01 of it, and smaller"),
        ((0.98, 0.98, 0.96, 0.98), "int16x8", "its accuracy is more than 0.01 below"),
        # The best of all is out of reach of both integer files.
        ((0.99, 0.99, 0.90, 0.905), "int8", "int8 is within 0.01 of it, and smaller"),
    ]
    for shares, expected, reason in cases:
        found = answer(dict(zip(names, shares, strict=True)), dict(room), dict(steps))
        if found == expected:
            continue
        given = ", ".join(f"{n} {s}" for n, s in zip(names, shares, strict=True))
        if found is None:
            return hint("Your function returned None. Does it end with return?")
        if found not in names:
            return hint(f"Return one of the names, such as 'int8'; got {found!r}.")
        if steps[found]:
            return hint(f"{found} has floating-point steps: this device cannot run them.")
        return hint(f"For accuracies {given} you picked {found}: {reason}.")
    found = answer(dict(accuracies), dict(sizes), dict(float_steps))
    if found not in accuracies or float_steps[found]:
        return hint(f"On the files of this lesson it picked {found!r}, which needs floats.")
    best = max(share for name, share in accuracies.items() if not float_steps[name])
    if accuracies[found] < best - _MARGIN:
        return hint(f"On the files of this lesson it picked {found}, more than 0.01 below {best}.")
    return right(f"For the digits in the dark it picks {found}.")
