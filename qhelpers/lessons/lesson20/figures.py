"""Figures of lesson 20: where engines and rules disagree."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from qhelpers.data import Array
from qhelpers.notebook.style import COLORS, annotated, finish, new


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
        "none with an engine's own rounding" if own else "which rules apply here?"
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
    title = f"Of {total:,} sums, two rules disagree in {max(counts.values()):,} at most"
    _, axes = new(1, 1, title, height=2.6)
    pairs = [(a, b) for i, a in enumerate(names) for b in names[:i]]
    values = [counts[pair] for pair in pairs]
    axes.barh(range(len(pairs)), values, 0.6, color=COLORS["int8"])
    for place, value in enumerate(values):
        axes.text(value + 0.01 * max(values), place, f"{value:,}", va="center", fontsize=9)
    axes.set_yticks(range(len(pairs)), [f"{a}, {b}" for a, b in pairs])
    axes.invert_yaxis()
    axes.set(xlabel="sums with different integers")
    finish()


def halves(distances: Array, parted: Array) -> None:
    """Draw how far scaled sums are from a half: all of them, and those where two rules disagree.

    Args:
        distances: distance of each exact scaled sum from the nearest half, in levels.
        parted: bool, of the same shape: the two rules give different integers.
    """
    few, farthest = int(parted.sum()), float(distances[parted].max(initial=0))
    title = (
        f"gemmlowp and float32 disagree in {few:,} of {parted.size:,} sums, "
        f"all within {farthest:.1g} of a half"
    )
    _, axes = new(1, 1, title, height=2.9)
    edges = np.logspace(-5, np.log10(0.5), 50)
    style = {"histtype": "stepfilled", "linewidth": 1.2}
    shown = np.maximum(distances, edges[0] * 1.01).ravel()  # exact halves go to the left end
    axes.hist(shown, edges, color=COLORS["grid"], label="all sums", **style)
    axes.hist(shown[parted.ravel()], edges, color=COLORS["int8"], label="the two disagree", **style)
    axes.set(xscale="log", yscale="log", xlim=(edges[0], 0.5))
    axes.set(xlabel="distance of the exact value from a half, in levels", ylabel="how many")
    axes.legend(loc="upper left")
    finish()
