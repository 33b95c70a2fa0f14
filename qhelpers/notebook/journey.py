"""The drawing that runs through all lessons: from real weights to one number of the output.

Five stages, always at the same place: weights on a number line, what is stored of them, the sum of
the products, what is done with the sum, the result. A second row shows the activations that the
weights meet, where a lesson does something to them. Each lesson colours what it changes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.patches import FancyBboxPatch
from numpy.typing import ArrayLike

from qhelpers.notebook.style import COLORS, finish, new

STAGES: Mapping[str, str] = {
    "weights": "real weights",
    "stored": "stored",
    "sum": "products, summed",
    "rescaled": "rescaled",
    "result": "result",
}
"""Each stage's key and its caption in the drawing, where the caller gives no other."""
INPUTS: Mapping[str, str] = {"inputs": "activations", "quantized": "quantized on the fly"}
"""The same for the second row, which is drawn where there are inputs."""

_FIRST, _SECOND = (0.0, 2.2), (2.55, 1.85)  # left and width of a row's boxes, then of the others
_LATER = {"sum": (4.75, 1.55), "rescaled": (6.65, 1.35), "result": (8.35, 1.25)}
_ROW = 1.75  # from one row to the next
_PLAIN = "#F4F4F4"
_MIDDLE: dict[str, Any] = {"ha": "center", "va": "center"}


def draw(
    weights: ArrayLike,
    stored: Sequence[str],
    *,
    products: str,
    rescaled: str,
    result: str,
    types: Mapping[str, str],
    active: str | Sequence[str],
    title: str,
    color: str = COLORS["int8"],
    of: int | None = None,
    captions: Mapping[str, str] | None = None,
    inputs: ArrayLike | None = None,
    quantized: Sequence[str] = (),
) -> None:
    """Draw the path of a few weights to one number of the output.

    Args:
        weights: real weights [n], 3 to 5 of them, of one output of the network.
        stored: the same weights as the file holds them, as text, n of them.
        products: the sum of all products, as text.
        rescaled: what is done with the sum, such as "x 0.0011".
        result: what comes out, such as a logit, as text.
        types: stage (see `STAGES` and `INPUTS`) -> its type, such as {"stored": "int8"}.
        active: the stage or the stages that the lesson changes, drawn in `color`; () for none.
        title: the message of the drawing.
        color: of the active stages: that of the lesson's variant in `style.COLORS`.
        of: how many products the sum has, of which n are drawn: the captions say so.
        captions: stage -> another caption, such as {"rescaled": "scaled, plus bias"}.
        inputs: the activations [n] that these weights are multiplied with, as real numbers.
        quantized: the same activations as they are multiplied, as text, n of them.
    """
    real = np.asarray(weights, np.float64)
    rows = {"weights": real} if inputs is None else {"weights": real, "inputs": np.asarray(inputs)}
    named = {**STAGES, **(INPUTS if len(rows) == 2 else {})}
    chosen = {active} if isinstance(active, str) else set(active)
    if of:
        named |= {"stored": f"stored ({len(real)} of {of:,})", "sum": f"sum of {of:,} products"}
    named |= captions or {}

    low = _ROW * (1 - len(rows))
    _, axes = new(title=title, height=2.2 - 0.95 * low)
    axes.set(xlim=(-0.1, 9.7), ylim=(low - 0.5, 1.4))
    axes.axis("off")
    # Both rows meet in the sum: it and what follows stand at half height.
    places = {stage: (*place, low / 2) for stage, place in _LATER.items()}
    places |= {"weights": (*_FIRST, 0.0), "stored": (*_SECOND, 0.0)}
    places |= {"inputs": (*_FIRST, low), "quantized": (*_SECOND, low)}
    for stage, caption in named.items():
        shade = color if stage in chosen else None
        _box(axes, places[stage], caption, types.get(stage, ""), shade)
    arrows = [("weights", "stored"), ("stored", "sum"), ("sum", "rescaled"), ("rescaled", "result")]
    for before, after in arrows + [("inputs", "quantized"), ("quantized", "sum")] * (low < 0):
        (left, _, bottom), start = places[after], places[before][2]
        ends = (left - 0.02, bottom + 0.5), (left - 0.33, start + 0.5)
        axes.annotate("", *ends, arrowprops={"arrowstyle": "-|>", "color": COLORS["muted"]})
    for stage, values in rows.items():
        _number_line(axes, values, places[stage][2] + 0.5)
    texts = {"stored": "\n".join(stored), "sum": products, "rescaled": rescaled, "result": result}
    for stage, text in (texts | {"quantized": "\n".join(quantized)}).items():
        (left, width, bottom), size = places[stage], 9 if text.count("\n") > 1 else 11
        where = left + width / 2, bottom + 0.5
        axes.text(*where, text, fontsize=size, fontweight="bold", linespacing=1.35, **_MIDDLE)
    finish()


def _box(
    axes: Any, place: tuple[float, float, float], caption: str, kind: str, color: str | None
) -> None:
    """Draw a stage's box (left, width, bottom) with its caption above and its type below."""
    left, width, bottom = place
    # A tint, so that what stands in the box is dark on light whatever the colour.
    tint = _PLAIN if color is None else [0.3 * part + 0.7 for part in to_rgb(color)]
    box = FancyBboxPatch(
        (left + 0.04, bottom + 0.04),
        *(width - 0.08, 0.92),
        boxstyle="round,pad=0.04,rounding_size=0.08",
        facecolor=tint,
        edgecolor=color or COLORS["muted"],
        linewidth=2.5 if color else 1,
    )
    axes.add_patch(box)
    middle, bold = left + width / 2, "bold" if color else "normal"
    axes.text(middle, bottom + 1.17, caption, ha="center", fontsize=9.5, fontweight=bold)
    axes.text(middle, bottom - 0.25, kind, fontsize=9, color=COLORS["muted"], **_MIDDLE)


def _number_line(axes: Any, real: Any, y: float) -> None:
    """Draw numbers as dots on a line from the smallest to the largest, zero marked."""
    left, right = _FIRST[0] + 0.3, _FIRST[0] + _FIRST[1] - 0.3
    low, high = min(float(real.min()), 0.0), max(float(real.max()), 0.0)
    span = (high - low) or 1.0

    def place(value: float) -> float:
        return left + (value - low) / span * (right - left)

    small: dict[str, Any] = {"fontsize": 8, **_MIDDLE}
    axes.plot([left, right], [y, y], color=COLORS["muted"], linewidth=1)
    axes.plot([place(0)] * 2, [y - 0.08, y + 0.08], color=COLORS["muted"], linewidth=1)
    axes.text(place(0), y - 0.2, "0", color=COLORS["muted"], **small)
    axes.plot([place(v) for v in real], [y] * len(real), "o", color=COLORS["float32"], ms=5)
    for value in {float(real.min()), float(real.max())} - {0.0}:
        axes.text(place(value), y + 0.2, f"{value:.3f}", **small)
