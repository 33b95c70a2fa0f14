"""Figures of lesson 20: where engines and rules disagree."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from qhelpers.data import Array
from qhelpers.notebook.style import COLORS, annotated, finish, new


def differing(counts: Mapping[tuple[str, str], int], total: int) -> None:
    """Draw how many bytes, of `total`, differ: (engine, whose rules in NumPy) -> number."""
    engines, rules = (list(dict.fromkeys(pair[k] for pair in counts)) for k in (0, 1))
    matrix = np.array([[counts[engine, rule] for rule in rules] for engine in engines])
    own = all(counts[engine, engine] == 0 for engine in engines)
    said = "none with an engine's own rounding" if own else "which rules apply here?"
    _, axes = new(title=f"Bytes that differ, of {total:,}: {said}", height=3.0, width=7.0)
    annotated(axes, matrix, "d", cmap="OrRd", vmax=max(1, 2 * matrix.max()), aspect="auto")
    axes.set_xticks(range(len(rules)), rules)
    axes.set_yticks(range(len(engines)), engines)
    axes.tick_params(length=0)
    axes.set(xlabel="NumPy, with the rounding of", ylabel="engine")
    finish()


def pairs(counts: Mapping[tuple[str, str], int], total: int) -> None:
    """Draw in how many sums, of `total`, two rules give different integers: pair -> number."""
    names = list(dict.fromkeys(one for one, _ in counts))
    title = f"Of {total:,} sums, two rules disagree in {max(counts.values()):,} at most"
    _, axes = new(title=title, height=2.6)
    values = {f"{a}, {b}": counts[a, b] for i, a in enumerate(names) for b in names[:i]}
    bars = axes.barh(list(values), list(values.values()), 0.6, color=COLORS["int8"])
    axes.bar_label(bars, [f"{value:,}" for value in values.values()], padding=4, fontsize=9)
    axes.invert_yaxis()
    axes.set(xlabel="sums with different integers")
    finish()


def halves(distances: Array, parted: Array) -> None:
    """Draw how far exact scaled sums are from a half, in levels.

    All of them, and those where two rules give different integers: `parted`, bool of that shape.
    """
    few, farthest = int(parted.sum()), float(distances[parted].max(initial=0))
    title = f"gemmlowp and float32 disagree in {few:,} of {parted.size:,} sums, all within "
    _, axes = new(title=f"{title}{farthest:.1g} of a half", height=2.9)
    edges = np.logspace(-5, np.log10(0.5), 50)
    style = {"histtype": "stepfilled", "linewidth": 1.2}
    shown = np.maximum(distances, edges[0] * 1.01).ravel()  # exact halves go to the left end
    axes.hist(shown, edges, color=COLORS["grid"], label="all sums", **style)
    axes.hist(shown[parted.ravel()], edges, color=COLORS["int8"], label="the two disagree", **style)
    axes.set(xscale="log", yscale="log", xlim=(edges[0], 0.5))
    axes.set(xlabel="distance of the exact value from a half, in levels", ylabel="how many")
    axes.legend(loc="upper left")
    finish()
