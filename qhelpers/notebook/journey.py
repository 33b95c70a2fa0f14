"""The drawing that runs through all lessons: from real weights to one number of the output.

Five stages, always at the same place. A second row shows the activations that the weights meet,
where a lesson does something to them. Each lesson colours what it changes.
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

_FIRST, _SECOND = (0.0, 2.2), (2.55, 1.85)  # left and width of a row's boxes, then of the others
_LATER = {"sum": (4.75, 1.55), "rescaled": (6.65, 1.35), "result": (8.35, 1.25)}
_ROW = 1.75  # from one row to the next
_MIDDLE: dict[str, Any] = {"ha": "center", "va": "center"}


def telling(weights: Any, inputs: Any, ranks: Sequence[int] = (1, 9, 99, 499)) -> Any:
    """Return the places of the weights [n] whose products rank so (1: the largest), by weight."""
    some = np.abs(weights * inputs).argsort()[-np.array(ranks)]
    return some[np.argsort(weights[some])]


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

    `weights` are 3 to 5 real ones of one output, `stored` the same as the file holds them, as text;
    `products`, `rescaled` and `result` say the sum, what is done with it ("x 0.0011"), and what
    comes out. `types` and `captions` map stages (`STAGES`, `INPUTS`) to text; the `active` ones, ()
    for none, are drawn in `color`. The sum is one `of` so many products: the captions say so.
    `inputs` are the activations that these weights meet, `quantized` the same, as multiplied.
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
        _box(axes, places[stage], caption, types.get(stage, ""), color if stage in chosen else None)
    arrows = [("weights", "stored"), ("stored", "sum"), ("sum", "rescaled"), ("rescaled", "result")]
    for before, after in arrows + [("inputs", "quantized"), ("quantized", "sum")] * (low < 0):
        (left, _, bottom), start = places[after], places[before][2]
        ends = (left - 0.02, bottom + 0.5), (left - 0.33, start + 0.5)
        axes.annotate("", *ends, arrowprops={"arrowstyle": "-|>", "color": COLORS["muted"]})
    for stage, values in rows.items():
        _number_line(axes, values, places[stage][2] + 0.5)
    texts = {"stored": "\n".join(stored), "sum": products, "rescaled": rescaled, "result": result}
    for stage, text in (texts | {"quantized": "\n".join(quantized)}).items():
        (left, width, bottom), lines = places[stage], text.split("\n")
        size = 9 if len(lines) > 2 or max(map(len, lines)) > 8.5 * width else 11
        look = {"fontsize": size, "fontweight": "bold", "linespacing": 1.35} | _MIDDLE
        axes.text(left + width / 2, bottom + 0.5, text, **look)
    finish()


def _box(axes: Any, place: Any, caption: str, kind: str, color: str | None) -> None:
    """Draw a stage's box (left, width, bottom) with its caption above and its type below."""
    left, width, bottom = place
    # A tint, so that what stands in the box is dark on light whatever the colour.
    tint = "#F4F4F4" if color is None else [0.3 * part + 0.7 for part in to_rgb(color)]
    corner, edge = (left + 0.04, bottom + 0.04), color or COLORS["muted"]
    look: Any = {"fc": tint, "ec": edge, "boxstyle": "round,pad=0.04,rounding_size=0.08"}
    axes.add_patch(FancyBboxPatch(corner, width - 0.08, 0.92, lw=2.5 if color else 1, **look))
    middle, weight = left + width / 2, "bold" if color else "normal"
    axes.text(middle, bottom + 1.17, caption, ha="center", fontsize=9.5, fontweight=weight)
    axes.text(middle, bottom - 0.25, kind, fontsize=9, color=COLORS["muted"], **_MIDDLE)


def _number_line(axes: Any, real: Any, y: float) -> None:
    """Draw numbers as dots on a line from the smallest to the largest, zero marked."""
    left, right = _FIRST[0] + 0.3, _FIRST[0] + _FIRST[1] - 0.3
    low, high = min(float(real.min()), 0.0), max(float(real.max()), 0.0)

    def place(value: float) -> float:
        return left + (value - low) / ((high - low) or 1) * (right - left)

    for ends in (([left, right], [y, y]), ([place(0)] * 2, [y - 0.08, y + 0.08])):
        axes.plot(*ends, color=COLORS["muted"], linewidth=1)
    axes.text(place(0), y - 0.2, "0", fontsize=8, color=COLORS["muted"], **_MIDDLE)
    axes.plot([place(v) for v in real], [y] * len(real), "o", color=COLORS["float32"], ms=5)
    for value in {float(real.min()), float(real.max())} - {0.0}:
        axes.text(place(value), y + 0.2, f"{value:.3f}", fontsize=8, **_MIDDLE)
