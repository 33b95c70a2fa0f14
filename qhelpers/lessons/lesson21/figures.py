"""Figures of lesson 21: how many numbers each order misses, and by how much engines differ."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from qhelpers.data import Array
from qhelpers.notebook.style import COLORS, finish, new


def missed(shares: Mapping[tuple[str, str], float]) -> None:
    """Draw the share of numbers that differ, from 0 to 1: (engine, order) -> share."""
    engines, orders = (list(dict.fromkeys(pair[k] for pair in shares)) for k in (0, 1))
    hit = 0 in shares.values()
    title = "For each engine one order gets every number"
    _, axes = new(title=title if hit else "No order gets every number here", height=3.0)
    for row, (engine, color) in enumerate(zip(engines, ("int8", "int16x8"), strict=True)):
        places = np.arange(len(orders)) + (row - 0.5) * 0.36
        values = [100 * shares[engine, order] for order in orders]
        bars = axes.barh(places, values, 0.34, color=COLORS[color], label=engine)
        texts = [f"{value:.0f}" if value else "0: every bit" for value in values]
        for text in axes.bar_label(bars, texts, padding=2, fontsize=9):
            text.set_fontweight("bold" if ":" in text.get_text() else "normal")
    axes.set_yticks(range(len(orders)), orders)
    axes.set_xlim(0, 108 * max(shares.values()) or 1)
    axes.invert_yaxis()
    axes.set(xlabel="numbers that differ from the engine's, in %")
    axes.legend(loc="upper left", bbox_to_anchor=(1.02, 1))
    finish()


def apart(ones: Array, others: Array) -> None:
    """Draw by how much the logits of two engines, [n, 10], differ in each image, largest first."""
    # In units of the last place of the image's largest logit.
    ulps = np.abs(ones - others).max(axis=1) / np.spacing(np.abs(others).max(axis=1))
    far = int((ulps > 100).sum())
    title = f"Between engines: {far:,} of {len(ulps):,} images differ by far more than a last bit"
    _, axes = new(title=title, height=3.0)
    ordered = np.sort(ulps[ulps > 0])[::-1]
    axes.plot(np.arange(1, len(ordered) + 1), ordered, "o", ms=4, color=COLORS["int16x8"])
    axes.set(xscale="log", yscale="log", xlabel="images, the one with the largest difference first")
    axes.set(ylabel="largest difference\n[ulp of the largest logit]")
    finish()


def rewritten(dense: Callable[..., Array], rows: Array) -> Array:
    """Return the logits of a dense layer in which one detail was changed, for an exercise.

    In one image of 25, the activation nearest to a half between two levels goes the other way.
    """
    nudged = rows.copy()
    for row in nudged[::25]:
        step = row.max() / np.float32(255)
        levels = row / step
        place = np.argmin(np.abs(levels - np.floor(levels) - 0.5) + 9 * (levels < 1))
        half = np.floor(levels[place]) + np.float32(0.5)
        aside = np.float32(-0.01 if levels[place] >= half else 0.01)
        row[place] = (half + aside) * step
    return dense(nudged, 1, 1, 1)
