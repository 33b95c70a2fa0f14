"""Figures of lesson 12: fields of floats, their values and gaps, integers against floats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from qhelpers.arithmetic import float_formats
from qhelpers.arithmetic.block_formats import Blocks
from qhelpers.arithmetic.float_formats import FloatFormat
from qhelpers.data import Array
from qhelpers.notebook import journey
from qhelpers.notebook.style import COLORS, bits, finish, new

# Integers warm, floats cold, NF4 green.
_WARM, _COLD, _PALE = COLORS["int8"], COLORS["int16x8"], COLORS["dynamic_range"]
_LOOKS = {"int8": _WARM, "int4": _WARM, "E4M3": _COLD, "E2M1": _COLD, "E3M2": _PALE, "E2M3": _PALE}
_LOOKS["NF4"] = COLORS["float16"]


def formats(number: float, forms: Sequence[FloatFormat]) -> None:
    """Draw the bits of a number as float32 and in each format, and what is left of it."""
    title = f"The same three fields, fewer bits: what is left of {number:.6f}"
    _, axes = new(title=title, height=0.6 + 0.42 * (len(forms) + 1))
    rows = {"float32": (str(float_formats.fields32(number)).split(), float(np.float32(number)))}
    for form in forms:
        code = int(form.encode(number))
        text, place = f"{code:0{form.bits}b}", 1 + form.exponent_bits
        rows[form.name] = ([text[0], text[1:place], text[place:]], float(form.decode(code)))
    ends = [""] + [f"   ({form.smallest:.3g} to {form.largest:.4g})" for form in forms]
    for row, (name, (fields, value)) in enumerate(rows.items()):
        labels = ("sign", "exponent", "fraction") if row == 0 else ("", "", "")
        colors = (COLORS[field] for field in ("sign", "exponent", "fraction"))
        bits(axes, list(zip(labels, fields, colors, strict=True)), row, name=name)
        top = 0.5 - 2.2 * row
        axes.text(sum(map(len, fields)) + 0.6, top, f"{value:.7g}{ends[row]}", va="center")
    axes.set_xlim(-5, 38)
    finish()


def values(levels: Mapping[str, Array]) -> None:
    """Draw positive levels of 6 and 4 bits on a line each; beside them gaps against magnitude."""
    title = "A float's gaps shrink toward zero; an integer's are all alike"
    _, (left, right) = new(1, 2, title, 3.7, width_ratios=(1.5, 1))
    shares = {n: np.unique(found[found >= 0]) / found.max() for n, found in levels.items()}
    for y, name in enumerate(lines := ("NF4", "E2M1", "int4", "E2M3", "E3M2")):
        left.vlines(shares[name], y - 0.33, y + 0.33, color=_LOOKS[name], linewidth=1.3)
    for name in ("int4", "E2M1", "int8", "E4M3"):
        style = {"color": _LOOKS[name], "linestyle": "-" if name[-1] in "83" else "--"}
        right.step(shares[name][1:], np.diff(shares[name]), where="pre", label=name, **style)
    left.set_yticks(range(len(lines)), lines)
    left.set(xlabel="value, as a share of the largest", xlim=(-0.01, 1.01))
    left.grid(visible=False)
    right.set(xscale="log", yscale="log", xlabel="magnitude", ylabel="gap to the one below")
    right.legend(loc="upper left")
    finish()


def crests(points: Mapping[float, Mapping[str, float]]) -> None:
    """Draw signal to noise against the crest factor: crest factor -> format -> dB."""
    title = "An integer loses what the crest factor takes; a float keeps what its fraction gives"
    _, panels = new(1, 2, title, 3.9)
    races = {127: ("int8", "E4M3"), 7: ("int4", "E2M1", "NF4")}
    crest = np.geomspace(min(points), max(points))
    for axes, (largest, names) in zip(panels, races.items(), strict=True):
        rule = 20 * np.log10(largest * np.sqrt(12) / crest)
        axes.plot(crest, rule, ":", color=COLORS["int8"], linewidth=1, label="integer, by formula")
        for name, marker in zip(names, "os^", strict=False):
            found = [decibels[name] for decibels in points.values()]
            axes.plot(list(points), found, marker, color=_LOOKS[name], label=name, mfc="none")
        axes.set(xscale="log", xlabel="crest factor of what shares a scale", ylim=(0, None))
        axes.set_xticks([2, 3, 5, 10, 20], ["2", "3", "5", "10", "20"])
        axes.set_xticks([], minor=True)
        axes.legend(loc="lower left")
    panels[0].set_ylabel("signal to noise [dB]")
    finish()


def path(cnn: Any, blocks: Blocks, row: int) -> None:
    """Draw four weights of a row of `networks.Cnn`, as blocks of NVFP4, on their way to a logit."""
    real, features, bias = cnn.weights[row], cnn.features[0], float(cnn.bias[row])
    some = journey.telling(real, features)
    codes, element = blocks.codes[row, : len(real)], blocks.form.element
    assert element is not None
    numbers, restored = element.decode(codes), blocks.decode()[row, : len(real)]
    scales = blocks.form.scale.decode(blocks.scales[row])
    logit = float(restored @ features) + bias
    journey.draw(
        real[some],
        [f"{codes[i]:04b} = {numbers[i]:g}, x {scales[i // blocks.form.block]:g}" for i in some],
        products=f"{float(restored @ features) / blocks.tensor_scale:,.0f}",
        rescaled=f"x {blocks.tensor_scale:.4g}\n{bias:+.3f}",
        result=f"{logit:.2f}",
        types={"weights": "float32", "stored": "E2M1, x E4M3", "sum": "float32"},
        active="stored",
        title=f"In NVFP4 the logit {real @ features + bias:.2f} becomes {logit:.2f}",
        of=len(real),
        captions={"rescaled": "x tensor scale, + bias", "result": "logit"},
    )
