"""The drawing that runs through all lessons: from real weights to one number of the output.

Five stages, always at the same place: weights on a number line, what is stored of them, products
and their sum, the rescaling, the result. Each lesson colours what it changes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.patches import FancyBboxPatch
from numpy.typing import ArrayLike

from qhelpers.notebook.style import COLORS, finish, new

STAGES: Mapping[str, str] = {
    "weights": "real weights",
    "stored": "what is stored",
    "sum": "products, summed",
    "rescaled": "rescaled",
    "result": "result",
}
"""Each stage's key and its caption in the drawing."""

_LEFT = {"weights": 0.0, "stored": 2.55, "sum": 4.75, "rescaled": 6.65, "result": 8.35}
_WIDTH = {"weights": 2.2, "stored": 1.85, "sum": 1.55, "rescaled": 1.35, "result": 1.25}


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
) -> None:
    """Draw the path of a few weights to one number of the output.

    Args:
        weights: real weights [n], 3 to 5 of them, of one output of the network.
        stored: the same weights as the file holds them, as text, n of them.
        products: the sum of all products, as text.
        rescaled: what is done with the sum, such as "x 0.0011".
        result: what comes out, such as a logit, as text.
        types: stage (see `STAGES`) -> its type, such as {"stored": "int8", "sum": "int32"}.
        active: the stage or the stages that the lesson changes; drawn in `color`.
        title: the message of the drawing.
        color: of the active stages: that of the lesson's variant in `style.COLORS`.
    """
    real = np.asarray(weights, np.float64)
    chosen = {active} if isinstance(active, str) else set(active)
    _, axes = new(title=title, height=2.2)
    axes.set(xlim=(-0.1, 9.7), ylim=(-0.5, 1.4))
    axes.axis("off")
    for stage, caption in STAGES.items():
        _stage(axes, stage, caption, types.get(stage, ""), color if stage in chosen else None)
    _number_line(axes, real)
    texts = {"stored": "\n".join(stored), "sum": products, "rescaled": rescaled, "result": result}
    for stage, text in texts.items():
        ink = "white" if stage in chosen else COLORS["text"]
        size = 9 if stage == "stored" else 11
        middle = _LEFT[stage] + _WIDTH[stage] / 2
        style = {"ha": "center", "va": "center", "fontsize": size, "fontweight": "bold"}
        axes.text(middle, 0.5, text, color=ink, linespacing=1.35, **style)
    finish()


def _stage(axes: Any, stage: str, caption: str, kind: str, color: str | None) -> None:
    """Draw a stage's box with its caption above, its type below, and the arrow that leads to it."""
    left, width = _LEFT[stage], _WIDTH[stage]
    # The number line stays readable: only its frame takes the colour.
    face = "white" if stage == "weights" and color else color or "#F4F4F4"
    box = FancyBboxPatch(
        (left + 0.04, 0.04),
        width - 0.08,
        0.92,
        boxstyle="round,pad=0.04,rounding_size=0.08",
        facecolor=face,
        edgecolor=color or COLORS["muted"],
        linewidth=2.5 if color else 1,
    )
    axes.add_patch(box)
    middle = left + width / 2
    bold = "bold" if color else "normal"
    axes.text(middle, 1.17, caption, ha="center", fontsize=9.5, fontweight=bold)
    axes.text(middle, -0.25, kind, ha="center", va="center", fontsize=9, color=COLORS["muted"])
    if stage != "weights":
        arrow = {"arrowstyle": "-|>", "color": COLORS["muted"]}
        axes.annotate("", (left - 0.02, 0.5), (left - 0.33, 0.5), arrowprops=arrow)


def _number_line(axes: Any, real: Any) -> None:
    """Draw the weights as dots on a line from the smallest to the largest, zero marked."""
    left, right = _LEFT["weights"] + 0.3, _LEFT["weights"] + _WIDTH["weights"] - 0.3
    low, high = min(float(real.min()), 0.0), max(float(real.max()), 0.0)
    span = (high - low) or 1.0

    def place(value: float) -> float:
        return left + (value - low) / span * (right - left)

    axes.plot([left, right], [0.5, 0.5], color=COLORS["muted"], linewidth=1)
    axes.plot([place(0)] * 2, [0.42, 0.58], color=COLORS["muted"], linewidth=1)
    axes.text(place(0), 0.3, "0", ha="center", va="center", fontsize=8, color=COLORS["muted"])
    axes.plot([place(v) for v in real], [0.5] * len(real), "o", color=COLORS["float32"], ms=5)
    for value in (real.min(), real.max()):
        axes.text(place(value), 0.7, f"{value:.3f}", ha="center", va="center", fontsize=8)
