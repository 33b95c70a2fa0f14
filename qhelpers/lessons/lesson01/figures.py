"""Figures of lesson 01: the bits of a float, two rulers, the path to a logit."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from qhelpers.arithmetic import float_formats
from qhelpers.data import Floats
from qhelpers.evaluation import metrics
from qhelpers.notebook import journey, style

if TYPE_CHECKING:
    import keras


def fields(numbers: Sequence[float]) -> None:
    """Draw float32 numbers, normal ones, as bits: a row each, with what each field stands for."""
    title = "32 bits in three fields: which side of zero, which power of two, how far"
    _, axes = style.new(title=title, height=0.4 + 0.7 * len(numbers))
    for row, number in enumerate(numbers):
        parts = float_formats.fields32(number)
        share, power = parts.fraction / 2**23, parts.exponent - 127
        value = f"{'-' if parts.sign else ''}2^{power} x {1 + share:g} = {number:g}"
        labels = {
            "sign": "sign",
            "exponent": f"exponent: {parts.exponent} - 127 = {power}",
            "fraction": f"fraction: {parts.fraction} / 2^23 = {share:g}   so it is   {value}",
        }
        fields = zip(labels.items(), str(parts).split(), strict=True)
        groups = [(label, bits, style.COLORS[field]) for (field, label), bits in fields]
        style.bits(axes, groups, row=row, name=f"{number:g}")
    axes.set_xlim(-3.5, 32.5)
    style.finish()


def rulers(weights: Floats, fraction_bits: int = 3) -> None:
    """Draw a toy float's numbers and int8's levels beside weights of any shape, with both SQNRs.

    The toy's numbers double their distance at each power of two.
    """
    reach = float(np.abs(weights).max())
    top, steps = 2.0 ** np.floor(np.log2(reach)), 2**fraction_bits
    toy = np.array([top / 2**k * (1 + i / steps) for k in range(12) for i in range(steps)])
    toy = np.sort(toy[toy <= reach])
    title = "A float's gaps grow with the number; integers are evenly spaced"
    _, (above, axes) = style.new(2, 1, title, 3.4, sharex=True, height_ratios=(1.2, 1))
    above.hist(weights.ravel(), 150, color=style.COLORS["muted"])
    above.set(ylabel="how many weights")
    rulers = {"int8": np.arange(-127, 128) * reach / 127, "float32": np.r_[-toy[::-1], toy]}
    names = ["int8 times a scale", f"float, {fraction_bits} fraction bits"]
    for y, (name, marks) in enumerate(rulers.items()):
        axes.vlines(marks, y - 0.35, y + 0.35, color=style.COLORS[name], linewidth=0.8)
        nearest = marks[np.searchsorted((marks[1:] + marks[:-1]) / 2, weights)]
        names[y] += f"\n{metrics.sqnr_db(weights, nearest.astype(np.float32)):.1f} dB"
    axes.set(ylim=(-0.6, 1.6), yticks=(0, 1), yticklabels=names, xlabel="a dense layer's weight")
    axes.grid(visible=False)
    style.finish()


def path(model: keras.Model, image: Floats) -> None:
    """Draw how four weights of `keras_cnn.build()`, trained, become one logit, all in float32.

    The logit is that of the likeliest digit of the image, [28, 28] float32.
    """
    *layers, dense = model.layers
    features = np.array(functools.reduce(lambda x, layer: layer(x), layers, image[None]))[0]
    kernel, bias = dense.get_weights()
    digit = int((features @ kernel + bias).argmax())
    total = float(features @ kernel[:, digit])
    weights = kernel[journey.telling(kernel[:, digit], features), digit]
    journey.draw(
        weights,
        [f"{weight:.4f}" for weight in weights],
        products=f"{total:.3f}",
        rescaled=f"{float(bias[digit]):+.3f}",
        result=f"{total + float(bias[digit]):.2f}",
        types=dict.fromkeys(journey.STAGES, "float32"),
        active=(),
        title=f"The baseline: float32 all the way to the logit of the digit {digit}",
        of=len(features),
        captions={"rescaled": "plus bias", "result": "logit"},
    )
