"""The plots of deep dive 22: where the orders part, and what narrow sums cost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from qhelpers.data import Array
from qhelpers.notebook import journey, style


def parting(exact: Array, given: Mapping[str, Array], parted: Array) -> None:
    """Draw a level (float64, [n, outputs]) where the orders' bytes part, and where each goes."""
    place = tuple(np.argwhere(parted)[0])
    level, bytes_of = exact[place], {name: int(found[place]) for name, found in given.items()}
    low, title = int(level), "A level next to halfway: the engines round it to different integers"
    _, axes = style.new(1, 1, title, height=2.3)
    axes.axvline(low + 0.5, color=style.COLORS["muted"], ls="--", lw=1)
    look = {"arrowstyle": "-|>", "color": style.COLORS["pytorch_static"], "lw": 2}
    for row, byte in enumerate(bytes_of.values()):
        axes.annotate("", (byte, -row), (level, -row), arrowprops=look)
        axes.text(byte, -row + 0.2, str(byte), ha="center")
    axes.set(xlim=(low - 0.12, low + 1.12), ylim=(0.6 - len(bytes_of), 0.6))
    axes.set_yticks(-np.arange(len(bytes_of)), list(bytes_of))
    axes.set(xticks=[low, low + 0.5, low + 1], xlabel=f"level in float64: {level:.6f}")
    axes.grid(visible=False)
    style.finish()


def overflow(errors: Mapping[tuple[str, str], float]) -> None:
    """Draw the mean error of a logit for (bits, width of the sums)."""
    title = "In 16 bits, pairs of 8-bit products saturate; with one factor of 7 bits they do not"
    _, axes = style.new(title=title, height=3.1)
    names = [f"{bits}, added in {width}" for bits, width in errors]
    colors = [style.COLORS["error" if "16" in width else "pytorch_static"] for _, width in errors]
    bars = axes.barh(names, list(errors.values()), color=colors, height=0.6)
    axes.bar_label(bars, fmt="%.3f", padding=3)
    axes.set_xlabel("mean error of a logit (shorter is better)")
    axes.invert_yaxis()
    axes.set_xlim(0, max(errors.values()) * 1.15)
    axes.grid(visible=False, axis="y")
    style.finish()


def path(centred: Array, layer: Any, neuron: int, total: int, byte: int) -> None:
    """Draw four weights of a neuron on their way to one byte.

    `centred` are the inputs of the layer, from `engines.read`, less their zero point, integers
    [inputs]; `total` is the neuron's sum of products, `byte` what PyTorch makes of it.
    """
    weights = layer.weight[neuron].astype(int)
    scale = float(np.broadcast_to(layer.weight_scale, len(layer.weight))[neuron])
    some = journey.telling(weights, centred, ranks=(1, 9, 99, 199))
    journey.draw(
        weights[some] * scale,
        [str(weights[i]) for i in some],
        products=f"{total:,}",
        rescaled=f"x {layer.input_scale * scale / layer.scale:.6f}",
        result=str(byte),
        types={"stored": "int8", "sum": "int32, or 16 bits", "result": "uint8"},
        active=("sum", "rescaled"),
        title="Engines differ in how they add, and in how they rescale",
        color=style.COLORS["pytorch_static"],
        of=len(weights),
        captions={"rescaled": "bias, x scale"},
    )
