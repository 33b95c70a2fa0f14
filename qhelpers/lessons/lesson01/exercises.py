"""Checks of lesson 01."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from qhelpers.notebook.exercises import Verdict, exercise, hint, right


@exercise("01.1", expects=float)
def read_a_float(answer: float) -> Verdict:
    """Sign 0, exponent 129, fraction one quarter: 5."""
    if answer == 5.0:
        return right("It is 5: the power is 2 to the 2, a quarter further.")
    if answer == 1.0:
        return hint("The hidden one is missing: 1 + fraction, not the fraction alone.")
    if answer > 1e30:
        return hint("The exponent is stored with 127 added. Take the bias off first.")
    if answer == 6.0:
        return hint("The first fraction bit is worth a half, the second a quarter.")
    if answer in (10.0, 2.5):
        return hint("The exponent is off by one: subtract 127, no more and no less.")
    return hint("Value = 2 to the (exponent - 127), times (1 + fraction / 2 to the 23).")


@exercise("01.2", expects=int)
def count_bytes(answer: int) -> Verdict:
    """The CNN with 24 filters: 240 + 40,570 parameters of 4 bytes."""
    parameters = (24 * 9 + 24) + (13 * 13 * 24 * 10 + 10)
    if answer == 4 * parameters:
        return right(f"{parameters:,} parameters, and 4 bytes each.")
    if answer == parameters:
        return hint("That is the number of parameters. How many bytes has each?")
    if answer == 4 * (24 * 9 + 13 * 13 * 24 * 10):
        return hint("Those are the weights. Each filter and each output has a bias as well.")
    if answer == 4 * (240 + 20_290):
        return hint("The dense layer grows too: it reads 24 channels instead of 12.")
    if answer == 8 * 81_640 // 4:
        return hint(
            "Doubling everything is close. The ten biases of the dense layer do not double."
        )
    return hint("Count both layers: weights and biases, then times 4 bytes.")


@exercise("01.3", expects="callable")
def gap_at(answer: Callable[[float], Any]) -> Verdict:
    """A function that gives the distance to the next float32."""
    numbers = [1.0, 1.5, 3.0, 0.1, 1e-30, 123456.0, 2.0**24, 3e38]
    for number in numbers:
        got, wanted = float(answer(number)), float(np.spacing(np.float32(number)))
        if got == wanted:
            continue
        if got == 2.0**-23:
            return hint(
                f"2**-23 is the gap at 1. At {number:g} it is another one: use the exponent."
            )
        if got == float(np.spacing(np.float64(number))):
            return hint(f"At {number:g} that is the gap of float64, which has 52 fraction bits.")
        if np.isclose(got, abs(number) * 2.0**-23, rtol=1e-6):
            return hint(
                f"At {number:g} the gap is not the number times 2**-23: it is the same for all "
                "numbers between two powers of two."
            )
        return hint(f"At {number:g} the gap is not {got:g}. Start from the exponent field.")
    return right("The gap depends on the exponent alone.")
