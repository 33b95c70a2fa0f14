"""The plots of lesson 09: bytes against accuracy, speed by size of layer, error by tensor."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from qhelpers.evaluation import metrics
from qhelpers.evaluation.layer_errors import TensorError
from qhelpers.evaluation.scorecard import Row
from qhelpers.notebook import style

_SPARE = ("#882255", "#117733", "#999933", "#332288", "#AA4499", "#661100")
_NAMES = {
    "PyTorch float32": "pytorch_float",
    "PyTorch static": "pytorch_static",
    "PyTorch dynamic": "pytorch_dynamic",
}


def pareto(rows: Sequence[Row], front: Sequence[str], title: str) -> None:
    """Draw bytes against accuracy with 95 % intervals; circles grow with the latency ratio.

    Args:
        rows: of one data set; those compared with the same reference share a panel.
        front: names of the models that no other beats; they are joined by a line.
        title: the figure's message.
    """
    rows = [row for row in rows if row.correct is not None]
    references = list(dict.fromkeys(row.reference for row in rows))
    columns = min(3, len(references))
    lines = math.ceil(len(references) / columns)
    _, panels = style.new(lines, columns, title, height=1.0 + 3.6 * lines, squeeze=False)
    spare = iter(_SPARE * 10)
    for axes, reference in zip(panels.flat, references, strict=False):
        some = [row for row in rows if row.reference == reference]
        joined = sorted((r.bytes / 1000, 100 * _share(r)) for r in some if r.model in front)
        axes.plot(*zip(*joined, strict=True), color=style.COLORS["muted"], lw=1, ls=":", zorder=1)
        for row in some:
            name = row.model.removeprefix("dark ")
            known = style.COLORS.get(_NAMES.get(name, name))
            _point(axes, row, known or next(spare))
        axes.margins(y=0.22)  # room for the circles
        axes.set_xscale("log")
        axes.set_xlabel("file in kilobytes (log)")
        sizes = [row.bytes / 1000 for row in some]
        axes.set_xlim(min(sizes) / 1.4, max(sizes) * 1.4)
        ticks = np.geomspace(min(sizes), max(sizes), 3)
        axes.set_xticks(ticks, [f"{tick:.0f}" for tick in ticks])
        axes.set_xticks([], minor=True)
        axes.set_title(f"compared with {reference}\nn = {some[0].n:,}")
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.22), fontsize=8)
    for axes in panels.flat[len(references) :]:
        axes.axis("off")
    for row_of_panels in panels:
        row_of_panels[0].set_ylabel("accuracy in %")
    style.finish()


def _share(row: Row) -> float:
    """Return a row's accuracy as a share of 1."""
    return (row.correct or 0) / row.n


def _point(axes: Any, row: Row, color: str) -> None:
    """Draw one model: a dot with its interval, and a circle as large as its latency."""
    low, high = (100 * share for share in metrics.wilson(row.correct or 0, row.n))
    x, y = row.bytes / 1000, 100 * _share(row)
    axes.errorbar(x, y, [[y - low], [high - y]], fmt="o", ms=3.5, color=color, lw=1.3, zorder=3)
    label = row.model
    if row.latency_ratio is not None:
        label += f": {row.latency_ratio:.2g}x the time"
        area = 90 * max(row.latency_ratio, 0.05)
        axes.scatter(x, y, area, facecolors="none", edgecolors=color, linewidths=1.3, zorder=2)
    axes.plot([], [], "o", color=color, label=label)


def speed_by_size(ratios: Mapping[int, float], cpu: str) -> None:
    """Draw int8's time over float32's against the width of a dense layer.

    Args:
        ratios: width -> time of the int8 file over that of the float32 file.
        cpu: the processor that it was measured on.
    """
    widths, values = list(ratios), np.array(list(ratios.values()))
    title = (
        f"From small layers to large ones, int8 takes {values[0]:.2g} to {values[-1]:.2g} times "
        "the time of float32"
    )
    _, axes = style.new(1, 1, title, height=3.4)
    axes.axhline(1, color=style.COLORS["float32"], lw=1.2)
    axes.text(widths[-1], 1.03, "float32", ha="right", va="bottom")
    axes.plot(widths, values, color=style.COLORS["int8"], marker="o")
    for width, value in ratios.items():
        axes.annotate(f"{value:.2g}", (width, value), (0, 7), textcoords="offset points")
    axes.set_xscale("log", base=2)
    axes.set_xticks(widths, [f"{width:,}" for width in widths])
    axes.set_xticks([], minor=True)
    axes.set_ylim(0, 1.25 * max(values.max(), 1))
    axes.set_xlabel(f"inputs and outputs of each of two dense layers (log); {cpu}")
    axes.set_ylabel("time / float32's time")
    style.finish()


def tensors(errors: Mapping[str, Sequence[TensorError]], title: str) -> None:
    """Draw the error of each tensor, in running order, for one or more int8 files.

    Args:
        errors: name of the file -> its errors, from `layer_errors.tensor_errors`.
        title: the figure's message.
    """
    _, axes = style.new(1, 1, title, height=3.6)
    colors = (style.COLORS["int8"], style.COLORS["error"], style.COLORS["int16x8"])
    for (name, some), color, mark in zip(errors.items(), colors, "os^", strict=False):
        places = np.arange(len(some))
        values = [min(error.sqnr_db, 90.0) for error in some]
        axes.plot(places, values, color=color, marker=mark, label=name)
    labels = [error.name for error in some]
    axes.set_xticks(places, labels, rotation=25, ha="right", rotation_mode="anchor")
    axes.axhline(0, color=style.COLORS["muted"], lw=0.8)
    axes.set_ylabel("SQNR in dB (6 dB less:\nan error twice as large)")
    axes.set_xlabel("tensor, in running order")
    axes.legend(loc="best")
    style.finish()
