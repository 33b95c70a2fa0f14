"""Checks of lesson 12."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from qhelpers.arithmetic import block_formats, float_formats
from qhelpers.data import Floats
from qhelpers.notebook.exercises import Verdict, choice, exercise, hint, right


def exponent(block: Floats) -> int:
    """Return the exponent of the power of two that a block shares in MXFP4."""
    return int(block_formats.quantize(block, block_formats.MXFP4).scales[0]) - 127


@exercise("12.1", expects="callable")
def shared_exponent(answer: Callable[[Floats], Any]) -> Verdict:
    """Check a function that takes a block, float32 [32], and returns a whole number."""
    tops = np.array([8, 7.9, 4, 1, 0.7, 2.0**-40, 6.5, -5, 300], np.float32)
    blocks = [top * np.linspace(1, -0.4, 32, dtype=np.float32) for top in tops]
    wanted = [exponent(block) for block in blocks]
    found = [float(np.asarray(answer(block.copy()))) for block in blocks]
    if found == wanted:
        return right("The largest number of a block gets E2M1's top exponent: 4 to 8 scales.")
    logs = np.log2(np.abs(tops).astype(float))
    for wrong, why in (
        (np.floor(logs), "Then the largest is 1 to 2. E2M1 reaches further: to 6."),
        (np.ceil(logs) - 2, "Down, not up: the specification takes the floor."),
        (np.floor(logs - np.log2(6)), "Not 6 counts, but the power of two below it."),
        (logs - 2, "A power of two has a whole exponent: round down."),
        (2.0 ** np.array(wanted), "That is the scale; return its exponent."),
        (np.array(wanted) + 127, "That is the stored code; return the exponent without the bias."),
    ):
        if np.allclose(found, wrong, rtol=1e-6):
            return hint(why)
    at = int(np.flatnonzero(np.array(found) != wanted)[0])
    return hint(f"Wrong where the number of the largest magnitude is {tops[at]:g}: {found[at]:g}.")


elsewhere = float_formats.E4M3FNUZ.decode  # what the other machine makes of the bytes
choice(
    "12.2",
    ["format"],
    "Every number is halved, and -0 became NaN: fn's bytes were read as fnuz, whose bias is 8.",
    {
        "scale": "A lost scale would halve all as well. But what would it do to a zero?",
        "saturation": "That changes the largest numbers alone. Which ones changed here?",
        "byte order": "A number is one byte here: there is no order to mistake.",
    },
)
choice(
    "12.3",
    ["int8", "E4M3", "E5M2"],
    "Precision where the numbers are alike, exponent where they are not.",
    {"": "1: the crest factor is small. What does a fraction of 2 or 3 bits cost then?"},
    {
        "int8": "2: the largest sets the step. How many levels are left for a typical number?",
        "E5M2": "2: a narrower range is enough here, and leaves more fraction.",
    },
    {"": "3: count the powers of two from the smallest to the largest, and those of the format."},
)
