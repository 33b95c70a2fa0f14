"""Figures of lesson 04: three formats, and the journey of one logit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import ml_dtypes  # noqa: F401 (tells NumPy of bfloat16)
import numpy as np

from qhelpers.data import Array
from qhelpers.notebook import journey, style

# Name -> exponent bits and fraction bits.
_FORMATS = {"float32": (8, 23), "float16": (5, 10), "bfloat16": (8, 7)}


def formats(number: float, weights: Mapping[str, Array], others: Mapping[str, float]) -> None:
    """Draw a number in three formats, bit by bit, and what these hold beside weights and others."""
    title = "float16 cuts exponent and fraction, bfloat16 only the fraction: range or precision"
    _, (above, below) = style.new(2, 1, title, height=5.2, height_ratios=(1, 1))
    for row, (name, (exponent, fraction)) in enumerate(_FORMATS.items()):
        value = np.array(number, name)
        text = f"{int(value.view(f'u{value.itemsize}')):0{8 * value.itemsize}b}"
        groups = [
            ("", text[0], style.COLORS["sign"]),
            (f"{exponent} exponent", text[1 : 1 + exponent], style.COLORS["exponent"]),
            (f"{fraction} fraction", text[1 + exponent :], style.COLORS["fraction"]),
        ]
        style.bits(above, groups, row=row, name=name)
    above.set_xlim(-5, 32.5)
    above.set_title(f"{number:g}, three times")
    _ranges(below, weights, others)
    style.finish()


def _ranges(axes: Any, weights: Mapping[str, Array], others: Mapping[str, float]) -> None:
    """Draw what each format can hold on a log axis, with weights and other numbers on it."""
    places = dict(zip(_FORMATS, (3, 2, 1), strict=True))
    for name, (exponent, fraction) in _FORMATS.items():
        bias = 2 ** (exponent - 1) - 1
        least, normal, most = -(bias - 1) - fraction, -(bias - 1), bias + 1
        color = style.COLORS.get(name, style.COLORS["int16x8"])
        bar = {"height": 0.5, "color": color}
        axes.barh(places[name], most - normal, left=normal, **bar)
        axes.barh(places[name], normal - least, left=least, alpha=0.3, **bar)
        middle = {"ha": "center", "va": "center", "color": "white"}
        axes.text((normal + most) / 2, places[name], f"{fraction + 1} bits", **middle)
    every = np.abs(np.concatenate([w.ravel() for w in weights.values()]))
    powers = np.log2(every[every > 0])
    axes.plot(powers, np.zeros_like(powers), "|", color=style.COLORS["muted"], alpha=0.1, ms=12)
    axes.text(float(np.median(powers)), -0.85, "the weights", ha="center", va="center")
    for label, number in others.items():
        axes.axvline(np.log2(number), color=style.COLORS["error"], linestyle=":")
        axes.text(np.log2(number) + 2, 0, label, va="center", color=style.COLORS["error"])
    ticks = range(-40, 41, 10)
    axes.set_xticks([np.log2(10.0) * t for t in ticks], [f"$10^{{{t}}}$" for t in ticks])
    axes.set_yticks([*places.values()], [*places])
    axes.set(ylim=(-1.3, 3.5), title="what they hold (pale: subnormals), and with how many bits")
    axes.grid(visible=False, axis="y")


def path(weights: Mapping[str, Array], logits: Array, digit: int) -> None:
    """Draw the course's journey for a digit's logit of the float16 file."""
    kernel = weights["logits/kernel"][:, digit].astype(np.float16)
    some = np.sort(kernel[np.abs(kernel).argsort()[[-1, -30, -400, -900]]])
    logit, bias = (round(float(x), 3) for x in (logits[digit], weights["logits/bias"][digit]))
    journey.draw(
        some.astype(np.float32),
        [f"{int(w.view(np.uint16)):04x} ({float(w):.3f})" for w in some],
        products=f"{logit - bias:.3f}",
        rescaled=f"{bias:+.3f}",
        result=f"{logit:.3f}",
        types={"weights": "float32", "stored": "float16", "sum": "float32", "result": "float32"},
        active="stored",
        title="float16: half the bits in the file, then everything as before",
        color=style.COLORS["float16"],
        of=len(kernel),
        captions={"rescaled": "plus bias", "result": "logit"},
    )
