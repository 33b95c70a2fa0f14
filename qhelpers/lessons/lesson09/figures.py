"""The plots of lesson 09: bytes against accuracy, and speed by the size of a layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from qhelpers.evaluation import metrics
from qhelpers.evaluation.scorecard import Row
from qhelpers.notebook import style

_COLORS = {"int4": style.COLORS["error"]}


def pareto(rows: Sequence[Row], front: Sequence[str], title: str) -> None:
    """Draw bytes against accuracy, with 95 % intervals; each point has its name and its time.

    Args:
        rows: of one network; each with labels and a latency ratio.
        front: names of the models that no other beats; they are joined by a line.
        title: the figure's message.
    """
    _, axes = style.new(1, 1, title, height=4.2)
    points = {r.model: (r.bytes / 1000, 100 * (r.correct or 0) / r.n) for r in rows}
    joined = sorted(points[name] for name in front)
    axes.plot(*zip(*joined, strict=True), color=style.COLORS["muted"], lw=1, ls=":", zorder=1)
    places = _apart(points)
    above = {name: place % 2 == 0 for place, name in enumerate(places)}
    for row in rows:
        x, y = places[row.model]
        low, high = (100 * share for share in metrics.wilson(row.correct or 0, row.n))
        color = style.COLORS.get(row.model) or _COLORS.get(row.model, style.COLORS["muted"])
        axes.errorbar(x, y, [[y - low], [high - y]], fmt="o", ms=7, color=color, capsize=3)
        time = "" if row.latency_ratio is None else f"\n{row.latency_ratio:.2g}x the time"
        end, offset, va = (high, 5, "bottom") if above[row.model] else (low, -5, "top")
        near = {"xytext": (0, offset), "textcoords": "offset points"}
        look = {"color": color, "ha": "center", "va": va, "fontsize": 9}
        axes.annotate(row.model + time, (x, end), **near, **look)
    axes.set_xscale("log")
    sizes = sorted({round(x) for x, _ in points.values()})
    ticks = [size for i, size in enumerate(sizes) if i == 0 or size > 1.25 * sizes[i - 1]]
    axes.set_xticks(ticks, [f"{tick}" for tick in ticks])
    axes.set_xticks([], minor=True)
    axes.set_xlim(min(sizes) / 1.3, max(sizes) * 1.3)
    axes.margins(y=0.3)
    axes.set(xlabel="file in kilobytes (log; close ones are drawn apart)")
    axes.set_ylabel("accuracy in %, with 95 % interval")
    style.finish()


def _apart(points: Mapping[str, tuple[float, float]]) -> dict[str, tuple[float, float]]:
    """Return points with those of nearly the same size moved aside, so that none hides another."""
    places: dict[str, tuple[float, float]] = {}
    last = 0.0
    for name, (x, y) in sorted(points.items(), key=lambda item: item[1][0]):
        last = max(x, 1.22 * last)
        places[name] = (last, y)
    return places


def speed_by_size(ratios: Mapping[int, float], cpu: str) -> None:
    """Draw width of a dense layer -> int8's time over float32's, as measured on a processor."""
    widths, values = list(ratios), np.array(list(ratios.values()))
    title = (
        f"From small layers to large ones, int8 takes {values[0]:.2g} to {values[-1]:.2g} times "
        "the time of float32"
    )
    _, axes = style.new(1, 1, title, height=3.0)
    axes.axhline(1, color=style.COLORS["float32"], lw=1.2)
    axes.text(widths[-1], 1.03, "float32", ha="right", va="bottom")
    axes.plot(widths, values, color=style.COLORS["int8"], marker="o")
    for width, value in ratios.items():
        axes.annotate(f"{value:.2g}", (width, value), (0, 7), textcoords="offset points")
    axes.set_xscale("log", base=2)
    axes.set_xticks(widths, [f"{width:,}" for width in widths])
    axes.set_xticks([], minor=True)
    axes.set_ylim(0, 1.3 * max(values.max(), 1))
    axes.set_xlabel(f"inputs and outputs of each of two dense layers (log); {cpu}")
    axes.set_ylabel("time / float32's time")
    style.finish()
