"""Figures of the integer arithmetic: the path of one number, and where engines part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.patches import FancyBboxPatch

from qhelpers.notebook.style import COLORS, annotated, finish, new

Array = npt.NDArray[Any]


def path(
    matrices: Mapping[str, Array], first: Sequence[tuple[str, str]], then: Sequence[tuple[str, str]]
) -> None:
    """Draw how nine pixels become one byte, and how bytes become a logit.

    Args:
        matrices: title -> integers [3, 3]: pixels, weights, products.
        first: (what is done, what it gives) from the products to the byte; six or fewer.
        then: the same from there to the logit.
    """
    title = "From nine pixels to one byte, and from 2,028 bytes to a logit"
    figure, axes = new(3, 3, title, height=5.6, height_ratios=(2.2, 1, 1))
    for place, (name, values) in zip(axes[0], matrices.items(), strict=True):
        annotated(place, values, "d")
        place.set_title(name, loc="center")
    grid = axes[0, 0].get_gridspec()
    for row, steps in ((1, first), (2, then)):
        for place in axes[row]:
            place.remove()
        _chain(figure.add_subplot(grid[row, :]), steps)
    finish()


def _chain(axes: Any, steps: Sequence[tuple[str, str]]) -> None:
    """Draw a row of boxes with results, and above each what was done to get there."""
    axes.set(xlim=(0, len(steps)), ylim=(0, 1))
    axes.axis("off")
    for place, (done, gives) in enumerate(steps):
        last = place == len(steps) - 1
        box = FancyBboxPatch(
            (place + 0.14, 0.12),
            *(0.72, 0.36),
            boxstyle="round,pad=0.02,rounding_size=0.05",
            facecolor=COLORS["int8"] if last else "#F4F4F4",
            edgecolor=COLORS["muted"],
        )
        axes.add_patch(box)
        color = "white" if last else COLORS["text"]
        style = {"ha": "center", "va": "center", "fontsize": 10}
        axes.text(place + 0.5, 0.3, gives, color=color, fontweight="bold", **style)
        axes.text(place + 0.5, 0.74, done, color=COLORS["text"], **(style | {"fontsize": 9}))
        if place:
            arrow = {"arrowstyle": "->", "color": COLORS["muted"]}
            axes.annotate("", (place + 0.11, 0.3), (place - 0.11, 0.3), arrowprops=arrow)


def differing(counts: Mapping[tuple[str, str], int], total: int) -> None:
    """Draw how many bytes differ between each engine and each set of rules in NumPy.

    Args:
        counts: (engine, whose rules) -> number of bytes that differ.
        total: how many bytes there are.
    """
    engines, rules = (list(dict.fromkeys(pair[k] for pair in counts)) for k in (0, 1))
    matrix = np.array([[counts[engine, rule] for rule in rules] for engine in engines])
    own = all(counts[engine, engine] == 0 for engine in engines)
    title = f"Bytes that differ, of {total:,}: " + (
        "with an engine's own rounding, NumPy gets all of them"
        if own
        else "which rules apply here?"
    )
    _, axes = new(1, 1, title, height=3.0, width=7.0)
    annotated(axes, matrix, "d", cmap="OrRd", vmax=max(1, 2 * matrix.max()), aspect="auto")
    axes.set_xticks(range(len(rules)), rules)
    axes.set_yticks(range(len(engines)), engines)
    axes.tick_params(length=0)
    axes.set(xlabel="NumPy, with the rounding of", ylabel="engine")
    finish()


def pairs(counts: Mapping[tuple[str, str], int], total: int) -> None:
    """Draw in how many sums each two rules give different integers.

    Args:
        counts: (one rule, another) -> number of sums.
        total: how many sums there are.
    """
    names = list(dict.fromkeys(one for one, _ in counts))
    matrix = np.array([[counts[one, other] for other in names] for one in names])
    title = f"Of {total:,} sums, two rules part in {matrix.max():,} at most"
    _, axes = new(1, 1, title, height=3.0, width=7.0)
    annotated(axes, matrix, ",d", cmap="OrRd", vmax=max(1, 2 * matrix.max()), aspect="auto")
    axes.set_xticks(range(len(names)), names)
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(length=0)
    finish()


def halves(distances: Array, parted: Array) -> None:
    """Draw how far scaled sums are from a half: all of them, and those where two rules part.

    Args:
        distances: distance of each exact scaled sum from the nearest half, in levels.
        parted: bool, of the same shape: the two rules give different integers.
    """
    few, farthest = int(parted.sum()), float(distances[parted].max(initial=0))
    title = (
        f"Two roundings and float32 part in {few:,} of {parted.size:,} sums, "
        f"each within {farthest:.1g} of a half"
    )
    _, axes = new(1, 1, title, height=2.9)
    edges = np.logspace(-7, np.log10(0.5), 60)
    style = {"histtype": "stepfilled", "linewidth": 1.2}
    shown = np.maximum(distances, edges[0] * 1.01).ravel()  # exact halves go to the left end
    axes.hist(shown, edges, color=COLORS["grid"], label="all sums", **style)
    axes.hist(shown[parted.ravel()], edges, color=COLORS["int8"], label="the two part", **style)
    axes.set(xscale="log", yscale="log", xlim=(edges[0], 0.5))
    axes.set(xlabel="distance of the exact value from a half, in levels", ylabel="how many")
    axes.legend(loc="upper left")
    finish()
