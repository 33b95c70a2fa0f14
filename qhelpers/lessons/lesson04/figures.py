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
    """Draw one number as float32, float16 and bfloat16, bit by bit.

    Args:
        number: normal in all three.
    """
    wide = f"{int(np.float32(number).view(np.uint32)):032b}"
    half = f"{int(np.float16(number).view(np.uint16)):016b}"
    bits = int(np.float32(number).view(np.uint32))
    brain = f"{(bits + 0x7FFF + ((bits >> 16) & 1)) >> 16:016b}"
    _, axes = style.new(
        title=f"{number:g} three times: float16 cuts exponent and fraction, bfloat16 only the "
        "fraction",
        height=2.6,
    )
    for row, (name, text, exponent) in enumerate(
        (("float32", wide, 8), ("float16", half, 5), ("bfloat16", brain, 8))
    ):
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
    """Draw the course's journey for one logit of the float16 file.

    Args:
        image: float32 [28, 28].
        weights: of the CNN, as `keras_cnn.weights` returns them.
        digit: whose logit.
    """
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
