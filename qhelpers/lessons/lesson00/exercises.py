"""The checks of lesson 00."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from qhelpers.notebook.exercises import Verdict, exercise, hint, right, unanswered

_CASES = ((0.0, 1.0, 0.01), (0.0, 1.0, 1 / 16), (-2.0, 4.0, 0.5), (0.0, 3.0, 0.5), (0.0, 1.0, 0.5))


@exercise("00.1", expects=float)
def step(answer: float) -> Verdict:
    """Check the step of 5 bits from -2 to 4 volts."""
    if math.isclose(answer, 6 / 31, rel_tol=1e-3):
        return right("32 levels have 31 gaps between them, and the range is 6 volts wide.")
    if math.isclose(answer, 6 / 32, rel_tol=1e-3):
        return hint("Count the gaps: between 32 levels, ends included, there are fewer than 32.")
    if math.isclose(answer, 3 / 31, rel_tol=1e-3):
        return hint("That is the largest error, half a step. The question asks for the step.")
    if any(math.isclose(answer, 4 / gaps, rel_tol=1e-3) for gaps in (31, 32)):
        return hint("The range begins at -2 volts: its width is more than 4 volts.")
    if any(math.isclose(answer, 6 / gaps, rel_tol=1e-3) for gaps in (4, 5)):
        return hint("5 bits are not 5 levels: each bit doubles the number of levels.")
    if math.isclose(answer, 6 / 31, rel_tol=2e-2):
        return hint("Nearly: give it unrounded, as an expression.")
    return hint("Step = width of the range / number of gaps between neighboring levels.")


@exercise("00.2", expects=np.ndarray)
def by_hand(answer: npt.NDArray[Any]) -> Verdict:
    """Check three values quantized with scale 0.1 and zero point 5 to 0 to 15."""
    if answer.shape != (3,):
        return hint(f"Expected three integers; got an array of shape {answer.shape}.")
    if np.array_equal(answer, [2, 8, 15]):
        return right("Divide, round, shift by the zero point, and stay between 0 and 15.")
    if np.array_equal(answer, [2, 8, 19]):
        return hint("4 bits end at 15: what lies above the range is clipped to its end.")
    if np.array_equal(answer, [3, 8, 15]) or np.array_equal(answer, [3, 8, 19]):
        return hint("-2.8 is nearer to -3 than to -2: round, do not cut the digits off.")
    if np.array_equal(answer, [-3, 3, 14]) or np.array_equal(answer, [0, 3, 14]):
        return hint("The zero point is missing: 0.0 is stored as 5, so everything moves up by 5.")
    if not np.array_equal(answer, np.rint(answer)):
        return hint("Quantized values are integers: round after dividing by the scale.")
    return hint("quantized = clip(round(real / scale) + zero_point, 0, 15). Do it in this order.")


@exercise("00.3", expects="callable")
def fewest_bits(answer: Callable[..., Any]) -> Verdict:
    """Check a function that finds the fewest bits for an error bound."""
    got = [answer(*case) for case in _CASES]
    if any(value is None or value is ... for value in got):
        return unanswered() if got[0] is ... else hint("Your function returns nothing: add return.")
    wanted = [_fewest(*case) for case in _CASES]
    if all(float(value) == want for value, want in zip(got, wanted, strict=True)):
        return right("Half a step is the largest error; one bit more halves it.")
    if any(float(value) != int(value) for value in got):
        return hint("Bits come whole: round up to the next integer.")
    if all(value == _fewest(*case, part=1.0) for value, case in zip(got, _CASES, strict=True)):
        return hint("Rounding to the nearest level is off by half a step at most, not by a step.")
    if all(value == _fewest(*case, less=0) for value, case in zip(got, _CASES, strict=True)):
        return hint("b bits have 2**b levels, so 2**b - 1 gaps: some answers are a bit too low.")
    case, value = next(
        (case, value) for case, value, w in zip(_CASES, got, wanted, strict=True) if value != w
    )
    way = "more bits than needed" if value > _fewest(*case) else "too few: the error gets larger"
    return hint(f"For low, high, max_error = {case} you say {value} bits: {way}.")


def _fewest(low: float, high: float, max_error: float, part: float = 0.5, less: int = 1) -> int:
    """Return the fewest bits (at least 1) with `part` of a step no larger than `max_error`."""
    bits = 1
    while (high - low) / (2**bits - less) * part > max_error * (1 + 1e-12):
        bits += 1
    return bits
