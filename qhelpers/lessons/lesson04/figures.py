"""Figures of lesson 04: one number in three layouts, and the journey of one logit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from qhelpers.lessons.lesson04 import half
from qhelpers.notebook import journey, style

Array = npt.NDArray[Any]


def layouts(number: float) -> None:
    """Draw one number, normal in all three, as float32, float16 and bfloat16, bit by bit."""
    bits = int(np.float32(number).view(np.uint32))
    formats = (
        ("float32", f"{bits:032b}", 8),
        ("float16", f"{int(np.float16(number).view(np.uint16)):016b}", 5),
        ("bfloat16", f"{(bits + 0x7FFF + ((bits >> 16) & 1)) >> 16:016b}", 8),
    )
    title = (
        f"{number:g} three times: float16 cuts exponent and fraction, bfloat16 only the fraction"
    )
    _, axes = style.new(title=title, height=2.6)
    for row, (name, text, exponent) in enumerate(formats):
        fraction = len(text) - 1 - exponent
        groups = [
            ("", text[0], style.COLORS["sign"]),
            (f"{exponent} exponent", text[1 : 1 + exponent], style.COLORS["exponent"]),
            (f"{fraction} fraction", text[1 + exponent :], style.COLORS["fraction"]),
        ]
        style.bits(axes, groups, row=row, name=name)
    axes.set_xlim(-5, 32.5)
    style.finish()


def path(image: Array, weights: Mapping[str, Array], digit: int) -> None:
    """Draw the course's journey for a digit's logit of the float16 file."""
    found = half.stages(image, weights, digit)
    journey.draw(
        found["weights"].astype(np.float32),
        [f"{int(w.view(np.uint16)):04x}" for w in found["weights"]],
        products=f"{found['sum']:.3f}",
        rescaled="x 1",
        result=f"{found['sum'] + found['bias']:.3f}",
        types={"weights": "float32", "stored": "float16", "sum": "float32", "result": "float32"},
        active="stored",
        title="float16: half the bits in the file, then everything as before",
        color=style.COLORS["float16"],
    )
