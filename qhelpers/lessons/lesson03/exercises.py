"""Checks of lesson 03."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from qhelpers.arithmetic import affine, requantization
from qhelpers.notebook.exercises import Verdict, exercise, hint, right

_RANGES = ((-1.5, 4.5), (-2.0, 0.55), (0.0, 5.1), (-7.0, 7.0), (2.0, 5.1), (-3.0, -1.0))


@exercise("03.1", expects="callable")
def scale_and_zero_point(answer: Callable[[float, float], Any]) -> Verdict:
    """Hold a function `(low, high) -> (scale, zero_point)` against `affine.choose`."""
    for low, high in _RANGES:
        found = answer(low, high)
        if found is ... or found is None:
            return hint("The function returns nothing yet: return (scale, zero_point).")
        if not isinstance(found, (tuple, list)) or len(found) != 2:
            return hint(f"Return two numbers, (scale, zero_point); got {found!r}.")
        wanted = affine.choose(low, high)
        verdict = _compare(float(found[0]), found[1], low, high, wanted)
        if verdict is not None:
            return verdict
    return right(
        "Right on six ranges, those without a zero inside too. For [-1.5, 4.5]: zero point -64."
    )


def _compare(
    scale: float, zero_point: Any, low: float, high: float, wanted: affine.QuantParams
) -> Verdict | None:
    """Return a hint for one range, or None where both numbers are right."""
    at, right_scale = f"for [{low}, {high}]", float(wanted.scale)
    inside = low <= 0 <= high
    if not np.isclose(scale, right_scale, rtol=1e-6):
        if not inside:
            return hint(f"{at}: 0 needs a level of its own. Widen the range to hold 0 first.")
        if np.isclose(scale, (high - low) / 256, rtol=1e-6):
            return hint(f"{at}: 256 levels have 255 steps between them.")
        if np.isclose(scale, max(abs(low), abs(high)) / 127, rtol=1e-6):
            return hint(f"{at}: this is the symmetric scale of weights; use both ends here.")
        return hint(f"{at}: the scale is the length of the range over the number of steps.")
    if zero_point != round(zero_point):
        return hint(f"{at}: the zero point is one of the integers; got {zero_point}. Round it.")
    if zero_point == wanted.zero_point:
        return None
    if zero_point == wanted.zero_point + 128:
        return hint(f"{at}: {zero_point} is for uint8, which begins at 0. int8 begins at -128.")
    if zero_point == -128 + np.rint(low / right_scale):
        return hint(f"{at}: mind the sign. `low` gets -128, and 0 lies -low / scale above it.")
    return hint(f"{at}: the scale is right. `low` is to become -128; where does 0 land then?")


@exercise("03.2", expects=np.ndarray)
def input_bytes(
    answer: npt.NDArray[Any], image: npt.NDArray[Any], scale: float, zero_point: int
) -> Verdict:
    """Hold bytes against a float image that was rounded, shifted and clipped."""
    steps = np.asarray(image, np.float64) / scale
    wanted = np.clip(np.rint(steps) + zero_point, 0, 255)
    if answer.shape != wanted.shape:
        return hint(f"One byte for each pixel: shape {wanted.shape}; got {answer.shape}.")
    if np.array_equal(answer, wanted):
        if answer.dtype != np.uint8:
            return hint(f"The values are right, but the model takes uint8; got {answer.dtype}.")
        return right("Rounded, shifted, clipped, and only then made uint8: in this order.")
    wrong = int((answer != wanted).sum())
    shifted = np.rint(steps) + zero_point
    if np.array_equal(answer, shifted.astype(np.int64) % 256):
        return hint("Values above 255 wrapped around to small ones: clip before astype.")
    if np.array_equal(answer, shifted):
        return hint("Values above 255 do not fit into a byte: clip, then astype(np.uint8).")
    if np.array_equal(answer, np.clip(np.rint(steps), 0, 255)):
        return hint("All that is below 0 became 0: the zero point is missing.")
    if np.array_equal(answer, np.clip(steps + zero_point, 0, 255).astype(np.uint8)):
        return hint(f"astype cuts the fraction off: {wrong} bytes are too low. Round first.")
    if np.array_equal(answer, np.clip(steps - zero_point, 0, 255).astype(np.uint8)) or (
        np.array_equal(answer, np.clip(np.rint(steps) - zero_point, 0, 255))
    ):
        return hint("quantized = real / scale + zero_point: with a plus.")
    return hint(
        f"{wrong} of {wanted.size} bytes differ: round image / scale, add zero_point, clip."
    )


@exercise("03.3", expects=list)
def distinct_bytes(answer: list[Any], scales: Sequence[float]) -> Verdict:
    """Hold counts of distinct bytes against those of the 256 gray values."""
    grays = np.arange(256) / 255
    steps = [np.rint(grays / scale) for scale in scales]
    wanted = [len(np.unique(np.clip(step, 0, 255))) for step in steps]
    if len(answer) != len(wanted):
        return hint(f"One count for each of the {len(wanted)} scales; got {len(answer)}.")
    if list(answer) == wanted:
        return right("Both wrong scales leave two shades. One look at the input's scale tells.")
    if list(answer) == [len(np.unique(step)) for step in steps]:
        return hint("Above 255 there are no bytes: clip, then count.")
    if list(answer) == [len(np.unique(step.astype(np.int64) % 256)) for step in steps]:
        return hint("Without clipping, large values wrap around and look like many levels.")
    if all(count == 256 for count in answer):
        return hint("A byte has 256 values, but does this scale let the image reach them?")
    places = [name for name, a, b in zip("ABC", answer, wanted, strict=True) if a != b]
    return hint(f"Not yet for {', '.join(places)}. Quantize all 256 gray values, np.unique, len.")


_SUMS = (0, 1000, -1000, 3, -3, 5, -5, 123_456, -123_456, 9_000_000, -9_000_000)
_MULTIPLIERS = ((3 << 29, -8), (1 << 30, -1), (1_717_986_918, -10), (1_717_986_918, 0))


@exercise("03.4", expects="callable")
def last_step(answer: Callable[[int, int, int, int], Any]) -> Verdict:
    """Hold a function `(total, mantissa, shift, zero_point) -> int8` against the kernel's."""
    cases = [(t, m, s, z) for t in _SUMS for m, s in _MULTIPLIERS for z in (-128, 35)]
    got = [answer(*case) for case in cases]
    if any(g is ... or g is None for g in got):
        return hint("The function returns nothing yet: return one integer.")
    if any(isinstance(g, (float, np.floating)) for g in got):
        return hint(f"No float, please: got {got[0]!r}. Use >> in place of a division.")
    exact = [
        int(requantization.multiply_by_quantized(np.array([t]), m, s)[0]) for t, m, s, _ in cases
    ]
    zero_points = [z for *_, z in cases]
    wanted = [max(-128, min(127, e + z)) for e, z in zip(exact, zero_points, strict=True)]
    if got == wanted:
        return right(f"Right in all {len(cases)} cases, at both ends and on the halves too.")
    if got == [e + z for e, z in zip(exact, zero_points, strict=True)]:
        return hint("Some results do not fit an int8: clip to -128 and 127 at the end.")
    if got == [max(-128, min(127, e)) for e in exact]:
        return hint("Where is the zero point? Add it before you clip.")
    once = [(t * m + (1 << (30 - s))) >> (31 - s) for t, m, s, _ in cases]
    if got == [max(-128, min(127, o + z)) for o, z in zip(once, zero_points, strict=True)]:
        return hint("That rounds once. The kernel rounds the upper half first, and then the shift.")
    down = [((t * m) >> 31) >> -s for t, m, s, _ in cases]
    if got == [max(-128, min(127, d + z)) for d, z in zip(down, zero_points, strict=True)]:
        return hint(">> rounds down. Add a half before each of the two shifts.")
    up = [(((t * m + (1 << 30)) >> 31) + ((1 << -s) >> 1)) >> -s for t, m, s, _ in cases]
    if got == [max(-128, min(127, u + z)) for u, z in zip(up, zero_points, strict=True)]:
        return hint("The second time a half goes away from zero: below 0 add one less.")
    if got == [max(z, min(127, e + z)) for e, z in zip(exact, zero_points, strict=True)]:
        return hint("That is with a ReLU. Here clip to -128 and 127 only.")
    case, mine, kernel = next(
        (c, g, w) for c, g, w in zip(cases, got, wanted, strict=True) if g != w
    )
    return hint(f"For (total, mantissa, shift, zero_point) = {case} it is {kernel}; got {mine}.")
