"""Figures of lesson 02: the journey of one logit, and reading in the dark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from qhelpers.data import Array
from qhelpers.notebook import journey, style

Given = tuple[Array, Array, float]
"""Real numbers [n], the same as int8 [n], and their scale."""


def path(weights: Given, row: Given, zero_point: float, total: float, bias: float) -> None:
    """Draw the course's journey for one logit of the hybrid dense layer.

    `row` is what the weights meet, `total` the sum of their products.
    """
    (real, stored, step), (met, values, scale) = weights, row
    some = journey.telling(real, met)
    journey.draw(
        real[some],
        [f"{q:.0f}" for q in stored[some]],
        inputs=met[some],
        quantized=[f"{q:.0f}" for q in values[some]],
        products=f"{total:,.0f}",
        rescaled=f"x {scale:.5f}\nx {step:.5f}\n{bias:+.3f}",
        result=f"{total * scale * step + bias:.2f}",
        types=dict.fromkeys(("weights", "inputs", "rescaled", "result"), "float32")
        | {"stored": "int8", "quantized": f"int8, zero point {zero_point:.0f}", "sum": "int32"},
        active=("stored", "quantized", "sum", "rescaled"),
        title="Dynamic range: int8 inside the layer, float32 on both sides",
        color=style.COLORS["dynamic_range"],
        of=len(real),
        captions={"rescaled": "scaled, plus bias", "result": "logit"},
    )


def in_the_dark(light: Array, curves: Mapping[str, Sequence[float]]) -> None:
    """Draw accuracy, name -> shares of 1, against the light: the factors of the images, [steps]."""
    title = "A static range that reaches to the brightest image fails in the dark"
    _, axes = style.new(title=title, height=3.4)
    looks = {"float32": ("o-", 9), "dynamic_range": ("s-", 6), "int8": ("o-", 6)}
    looks |= {"int8, normalized": ("^--", 5), "int8, dark": ("v:", 5)}
    for name, values in curves.items():
        (line, size), color = looks[name], style.COLORS[name.partition(",")[0]]
        axes.plot(light, 100 * np.asarray(values), line, ms=size, color=color)
    axes.set_xscale("log", base=2)
    axes.set_xticks(light, [f"1/{round(1 / b):,}" if b < 1 else "1" for b in light])
    axes.invert_xaxis()
    axes.set(xlabel="light, as a share of full brightness", ylabel="accuracy in %", ylim=(0, 104))
    # Three curves lie on each other: they share a label, from their lowest to their highest point.
    others = 100 * np.array([v for n, v in curves.items() if not n.endswith(("int8", "dark"))])
    band = "float32 (black), dynamic range (blue),\nint8 with each image normalized (dashed): "
    band += " to ".join(dict.fromkeys(f"{share:.0f}" for share in (others.min(), others.max())))
    axes.text(light[0], others.min() - 15, f"{band} %", va="top", fontsize=9)
    axes.text(light[0], 12, "static (int8, orange); dotted: calibrated at 1/256", fontsize=9)
    style.finish()
