"""The plots of lesson 10: noise by layer, a variance in 256 levels, size against agreement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from qhelpers.evaluation.metrics import Accuracy
from qhelpers.lessons.lesson10.network import Tensor
from qhelpers.notebook.style import COLORS, finish, new


def noise(own: Mapping[str, float], arriving: Mapping[str, float]) -> None:
    """Draw tensor -> SQNR in dB, in order: its own rounding, and all noise that arrives."""
    _, axes = new(title="What arrives falls off a cliff inside the first norm", height=4.2)
    axes.axhline(0, color=COLORS["muted"], lw=0.8)
    axes.plot(list(own.values()), "o-", ms=4, label="its own rounding alone")
    axes.plot(list(arriving.values()), "s-", ms=4, color=COLORS["error"], label="as it arrives")
    axes.set_xticks(range(len(own)), list(own), rotation=90, fontsize=8)
    axes.set_ylabel("signal to noise in dB")
    axes.legend(loc="lower left")
    finish()


def guilty(variances: Tensor, inverses: Tensor) -> None:
    """Draw variances and int8's steps, and 1 / sqrt of them, float's and as it arrives."""
    step, real = variances.scale, variances.real.ravel()
    lost = float((variances.arriving < step / 2).mean())
    title = f"{lost:.0%} of the variances arrive as 0; 1/sqrt turns them into the largest factors"
    _, (left, right) = new(1, 2, title, height=3.4)
    edges = np.geomspace(max(min(real.min(), step / 8), 1e-7), real.max(), 50)
    left.hist(real, edges)
    for k in range(1, 17):
        left.axvline(k * step, color=COLORS["int8"], lw=1)
    left.axvspan(edges[0], step / 2, color=COLORS["highlight"], alpha=0.35, zorder=0)
    left.set(xscale="log", ylabel="how many")
    left.set_xlabel("variance (orange: int8's first steps; yellow: to 0)")
    ends = [inverses.real.min(), inverses.real.max()]
    right.plot(ends, ends, color=COLORS["float32"], lw=1)
    points = inverses.real.ravel(), inverses.arriving.ravel()
    right.plot(*points, ".", ms=3, color=COLORS["error"], alpha=0.5)
    right.set(xscale="log", yscale="log", xlabel="1 / sqrt(variance), float (black)")
    right.set_ylabel("as it arrives (red)")
    finish()


def curve(offers: Mapping[str, tuple[int, Accuracy]], apart: Sequence[str]) -> None:
    """Draw name -> (bytes, agreement), joined in order but for the names `apart`."""
    _, axes = new(title="What each file weighs, and how often it answers as float", height=3.6)
    joined = [(size / 1e6, 100 * a.value) for n, (size, a) in offers.items() if n not in apart]
    axes.plot(*zip(*joined, strict=True), color=COLORS["int8"], lw=1.2)
    for place, (name, (size, share)) in enumerate(offers.items()):
        x, (y, low, high) = size / 1e6, (100 * s for s in (share.value, share.low, share.high))
        color = COLORS["int16x8"] if name in apart else COLORS["int8"]
        axes.errorbar(x, y, [[y - low], [high - y]], fmt="o", color=color, capsize=2)
        left = name in ("mended", "dynamic")
        where = {"ha": "right" if left else "left", "textcoords": "offset points", "fontsize": 9}
        up = -12 if name == "mended" else 6 if place % 2 or left else -10
        axes.annotate(name, (x, y), (-7 if left else 7, up), **where)
    axes.set(xlabel="file in millions of bytes", ylabel="answers like float's, in %")
    axes.set(ylim=(-8, 112), xlim=(0.4, 3.5))
    finish()
