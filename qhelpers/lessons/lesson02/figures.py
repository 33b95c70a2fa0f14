"""The figure of lesson 02: reading in the dark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qhelpers.notebook import style

Array = NDArray[Any]


def in_the_dark(light: Array, curves: Mapping[str, Sequence[float]]) -> None:
    """Draw accuracy against the light for each way to read.

    Args:
        light: [steps], factors that the images were multiplied with.
        curves: name -> accuracy at each factor, as a share of 1.
    """
    _, axes = style.new(
        title="In the dark one static scale fails; a scale per image, or normalizing, does not",
        height=3.4,
    )
    looks = {
        "float32": ("float32", "-", "o", 9),
        "dynamic_range": ("dynamic_range", "-", "s", 6),
        "int8": ("int8", "-", "o", 6),
        "int8, normalized": ("int8", "--", "^", 5),
    }
    for name, values in curves.items():
        color, line, marker, size = looks[name]
        label = style.LABELS.get(name, "full integer (int8), each image normalized")
        axes.plot(
            *(light, 100 * np.asarray(values), line),
            marker=marker,
            markersize=size,
            color=style.COLORS[color],
            label=label,
        )
    axes.set_xscale("log", base=2)
    axes.set_xticks(light, [f"1/{round(1 / b):,}" if b < 1 else "1" for b in light])
    axes.invert_xaxis()
    axes.set(xlabel="light", ylabel="accuracy in %", ylim=(0, 100))
    axes.legend(loc="lower left")
    style.finish()
