"""The pictures of lesson 11: a group's path, bits against divergence, two weights, outliers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.ticker import NullLocator
from numpy.typing import ArrayLike, NDArray

from qhelpers.arithmetic import groups
from qhelpers.evaluation.next_character import Judged
from qhelpers.notebook import journey
from qhelpers.notebook.style import COLORS, finish, new

_LOOKS = tuple(zip(("int16x8", "int8", "float16", "pytorch_static"), "osD^", strict=True))


def path(weight: NDArray[Any], entering: NDArray[Any]) -> None:
    """Draw the path of a row's first group of 32 weights, in four bits, to one output."""
    params = groups.choose(weight[None], 4, 32, "asymmetric", "float16")
    integers = groups.quantize(weight[None], params)[0]
    some = np.sort(journey.telling(weight[:32], entering[:32], (1, 4, 12, 24)))
    scale, zero = params.scales[0, 0], int(params.zero_points[0, 0])
    total = (integers[:32] - zero) @ entering[:32]
    journey.draw(
        weight[some],
        [f"{i} - ({zero})" for i in integers[some]],
        products=f"{total:.2f}",
        rescaled=f"x {scale:.4f}\n= {scale * total:.3f}",
        result=f"{groups.dequantize(integers[None], params)[0] @ entering:.3f}",
        types={"weights": "float32", "stored": "4 bits", "rescaled": "the group's scale"},
        active=("stored", "rescaled"),
        title=f"The first of {len(weight) // 32} groups: 32 weights share a scale and a zero point",
        captions={"stored": "stored (4 of 32)", "sum": "32 products", "result": "all groups"},
    )


def curves(
    lines: Mapping[str, Mapping[float, Judged]],
    title: str,
    xlabel: str = "bits per weight, scales counted (log scale)",
) -> None:
    """Draw divergence with its interval against bits: name -> bits -> what was judged."""
    _, axes = new(title=title, height=3.8)
    for (name, line), (color, marker) in zip(lines.items(), _LOOKS, strict=False):
        values = np.array([(j.kl.value, j.kl.low, j.kl.high) for j in line.values()]).clip(1e-5)
        ends = [values[:, 0] - values[:, 1], values[:, 2] - values[:, 0]]
        look: dict[str, Any] = {"color": COLORS[color], "marker": marker, "ms": 5, "capsize": 2}
        axes.errorbar(list(line), values[:, 0], yerr=ends, label=name, **look)
    axes.set(xscale="log", yscale="log", xlabel=xlabel, ylabel="divergence from float in bits")
    ticks = range(2, 2 + int(max(max(line) for line in lines.values()) - 1))
    axes.set_xticks(ticks, map(str, ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.invert_xaxis()
    axes.legend(loc="upper left")
    finish()


def two_weights(
    weights: Sequence[float], hessian: ArrayLike, second: Callable[[float], float]
) -> None:
    """Draw the loss around two weights, the levels (whole numbers), and both ways to round.

    `second` is the second weight's best place, given the error that rounding makes in the first.
    """
    _, axes = new(title="Two weights: the nearest level is not the best one", height=4)
    (a, b), curve = weights, np.asarray(hessian, np.float64)
    x, y = np.meshgrid(np.linspace(-0.5, 2.5, 201), np.linspace(-0.7, 2.2, 201))
    steps = np.stack([x - a, y - b], axis=-1)
    loss = np.einsum("...i,ij,...j->...", steps, curve, steps)
    axes.contour(x, y, loss, levels=np.geomspace(0.02, 6, 9), cmap="Blues_r", linewidths=1)
    levels = np.array([(i, j) for i in range(3) for j in range(3)])
    axes.plot(*levels.T, "o", color=COLORS["muted"], ms=6)
    axes.plot(a, b, "*", color=COLORS["float32"], ms=13, label="the float weights")
    first = round(a)
    moved = second(first - a)
    ends = {"each to its nearest": (first, round(b)), "compensated": (first, round(moved))}
    for (name, end), color in zip(ends.items(), ("int8", "float16"), strict=True):
        off = np.subtract(end, (a, b))
        label = f"{name}: loss {off @ curve @ off:.2f}"
        axes.plot(*end, "s", color=COLORS[color], ms=11, label=label)
    path: NDArray[Any] = np.array([(a, b), (first, moved), (first, round(moved))])
    axes.plot(*path.T, "-", color=COLORS["float16"])
    axes.set(xlabel="first weight, in steps", ylabel="second weight, in steps")
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1))
    finish()


def outliers(kinds: Mapping[str, Mapping[str, float]]) -> None:
    """Draw the largest value over the typical one: name -> kind of layer -> ratio."""
    _, axes = new(title="Outliers: what enters one kind of layer reaches far out", height=2.8)
    width = 0.8 / len(kinds)
    for row, ((name, values), (color, _)) in enumerate(zip(kinds.items(), _LOOKS, strict=False)):
        places = np.arange(len(values)) + row * width
        axes.barh(places, list(values.values()), width, color=COLORS[color], label=name)
    axes.set_yticks(np.arange(len(values)) + 0.4 - width / 2, list(values))
    axes.set_xlabel("largest value, in root mean squares of all")
    axes.legend(loc="lower right", bbox_to_anchor=(1, 0.25))
    axes.invert_yaxis()
    finish()
