"""The plots of lesson 10: noise by layer, a variance in 256 levels, size against agreement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qhelpers.evaluation.metrics import Accuracy
from qhelpers.notebook.style import COLORS, finish, new

Array = NDArray[Any]


def noise(names: Sequence[str], own: Sequence[float], arriving: Sequence[float]) -> None:
    """Draw, tensor by tensor, the SQNR in dB of its own rounding and of what arrives."""
    title = "Each tensor rounds harmlessly; what arrives falls off a cliff"
    _, axes = new(title=title, height=4.2)
    places = range(len(names))
    axes.axhline(0, color=COLORS["muted"], lw=0.8)
    axes.plot(places, own, "o-", ms=4, color=COLORS["int16x8"], label="its own rounding alone")
    axes.plot(places, arriving, "s-", ms=4, color=COLORS["error"], label="as it arrives")
    axes.set_xticks(places, names, rotation=90, fontsize=8)
    axes.set(ylabel="signal to noise in dB", ylim=(min(arriving) - 4, 66))
    axes.legend(loc="upper right")
    finish()


def guilty(exact: Array, rounded: Array, step: float) -> None:
    """Draw variances against their marks, and 1 / sqrt of both; all arrays of one shape."""
    lost = float((rounded < step / 2).mean())
    title = f"{lost:.0%} of the variances round to 0, and 1/sqrt makes them the largest"
    _, (left, right) = new(1, 2, title, height=3.4)
    edges = np.geomspace(max(exact.min(), 1e-7), exact.max(), 60)
    left.hist(exact.ravel(), edges, color=COLORS["int16x8"])
    for k in range(1, 41):
        left.axvline(k * step, color=COLORS["int8"], lw=0.8 if k > 1 else 2.2, alpha=0.7)
    left.axvspan(edges[0], step / 2, color=COLORS["highlight"], alpha=0.3, zorder=0)
    left.set(xscale="log", ylabel="how many")
    left.set_xlabel("variance (log); orange: int8's first 40 steps; yellow: to 0")
    both = 1 / np.sqrt(np.stack([exact.ravel(), np.maximum(rounded.ravel(), 0)]) + 1e-6)
    right.plot(both[0], both[0], color=COLORS["float32"], lw=1)
    right.plot(*both, ".", ms=3, color=COLORS["error"], alpha=0.5)
    right.set(xscale="log", yscale="log", xlabel="1 / sqrt(variance), float", ylabel="after int8")
    finish()


def curve(offers: Mapping[str, tuple[int, Accuracy]], hollow: Sequence[str]) -> None:
    """Draw name -> (bytes, agreement); the names in `hollow` keep 16 bits or wait for the input."""
    _, axes = new(title="What each file weighs, and how often it answers as float", height=3.6)
    for place, (name, (size, share)) in enumerate(offers.items()):
        x, (y, low, high) = size / 1e6, (100 * s for s in (share.value, share.low, share.high))
        color = COLORS["int8"] if name not in hollow else COLORS["int16x8"]
        axes.errorbar(x, y, [[y - low], [high - y]], fmt="o", color=color, capsize=2)
        up = 6 if place % 2 else -12
        axes.annotate(name, (x, y), (6, up), textcoords="offset points", fontsize=8.5)
    axes.set(xlabel="file in millions of bytes", ylabel="answers like float's, in %")
    axes.set(ylim=(-8, 112), xlim=(0.6, 3.7))
    finish()
