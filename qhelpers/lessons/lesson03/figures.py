"""Figures of lesson 03: the ruler, bad calibration, the path from nine pixels to a logit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.patches import FancyBboxPatch

from qhelpers.arithmetic.affine import QuantParams
from qhelpers.notebook.style import COLORS, annotated, finish, new

Array = npt.NDArray[Any]


def ruler(params: QuantParams, reals: Sequence[float]) -> None:
    """Draw the real axis above the integers that stand for it, and where some reals land.

    Args:
        params: scale and zero point, few bits so that the marks can be told apart.
        reals: real numbers; each is drawn with an arrow to its level.
    """
    levels = np.arange(params.qmin, params.qmax + 1)
    marks = (levels - params.zero_point) * params.scale
    title = f"{len(levels)} marks, {params.scale:.2f} apart; mark {params.zero_point} is exactly 0"
    _, axes = new(1, 1, title, height=2.3)
    axes.hlines(0, marks[0], marks[-1], color=COLORS["muted"], linewidth=1)
    for mark, number in zip(marks, levels, strict=True):
        zero = number == params.zero_point
        color = COLORS["int8"] if zero else COLORS["text"]
        axes.vlines(mark, -0.12, 0.12, color=color, linewidth=3 if zero else 1.2)
        weight = "bold" if zero else "normal"
        axes.text(mark, -0.25, number, ha="center", va="top", color=color, weight=weight)
    for real in reals:
        level = np.clip(np.rint(real / params.scale) + params.zero_point, params.qmin, params.qmax)
        landing = float((level - params.zero_point) * params.scale)
        axes.plot(real, 0.75, "o", color=COLORS["float32"], markersize=5)
        axes.text(real, 0.9, f"{real:g}", ha="center", va="bottom")
        arrow = {"arrowstyle": "->", "color": COLORS["float32"], "linewidth": 1}
        axes.annotate("", (landing, 0.14), (real, 0.72), arrowprops=arrow)
    axes.set(ylim=(-0.7, 1.3), yticks=[], xlabel="real value")
    axes.spines["left"].set_visible(False)
    axes.grid(visible=False)
    finish()


def calibration_sets(table: Mapping[str, Mapping[str, float]], labels: str) -> None:
    """Draw accuracy and the error of the logits for good and bad calibration images.

    Args:
        table: name of the set -> "accuracy", "low", "high", "error".
        labels: what the accuracy was measured on.
    """
    names = list(table)
    worst = min(names, key=lambda name: table[name]["accuracy"])
    title = f"Only the calibration images differ: {worst!r} is the worst"
    _, (left, right) = new(1, 2, title, height=3.0, sharey=True)
    accuracy = np.array([100 * table[name]["accuracy"] for name in names])
    errors = np.array([table[name]["error"] for name in names])
    colors = [COLORS["int8"] if place == 0 else COLORS["error"] for place in range(len(names))]
    left.barh(names, accuracy, color=colors, height=0.6)
    right.barh(names, errors, color=colors, height=0.6)
    for place, (share, error) in enumerate(zip(accuracy, errors, strict=True)):
        left.text(share + 1, place, f"{share:.1f}", va="center")
        right.text(error * 1.1, place, f"{error:.2f}", va="center")
    left.set(xlim=(0, 115), xlabel="%", title=f"accuracy on {labels}")
    right.set(xscale="log", xlabel="logits (log scale)", title="mean error of a logit")
    right.set_xlim(errors.min() / 3, errors.max() * 4)
    left.invert_yaxis()
    finish()


def path(
    matrices: Mapping[str, Array], first: Sequence[tuple[str, str]], then: Sequence[tuple[str, str]]
) -> None:
    """Draw how nine pixels become one byte, and how bytes become a logit.

    Args:
        matrices: title -> integers [3, 3]: pixels, weights, products.
        first: (what is done, what it gives) from the products to the byte; six or fewer.
        then: the same from there to the logit.
    """
    title = "From nine pixels to one byte, and from 2,028 bytes to a logit"
    figure, axes = new(3, 3, title, height=5.6, height_ratios=(2.2, 1, 1))
    for place, (name, values) in zip(axes[0], matrices.items(), strict=True):
        annotated(place, values, "d")
        place.set_title(name, loc="center")
    grid = axes[0, 0].get_gridspec()
    for row, steps in ((1, first), (2, then)):
        for place in axes[row]:
            place.remove()
        _chain(figure.add_subplot(grid[row, :]), steps)
    finish()


def _chain(axes: Any, steps: Sequence[tuple[str, str]]) -> None:
    """Draw a row of boxes with results, and above each what was done to get there."""
    axes.set(xlim=(0, len(steps)), ylim=(0, 1))
    axes.axis("off")
    for place, (done, gives) in enumerate(steps):
        last = place == len(steps) - 1
        box = FancyBboxPatch(
            (place + 0.14, 0.12),
            *(0.72, 0.36),
            boxstyle="round,pad=0.02,rounding_size=0.05",
            facecolor=COLORS["int8"] if last else "#F4F4F4",
            edgecolor=COLORS["muted"],
        )
        axes.add_patch(box)
        color = "white" if last else COLORS["text"]
        style = {"ha": "center", "va": "center", "fontsize": 10}
        axes.text(place + 0.5, 0.3, gives, color=color, fontweight="bold", **style)
        axes.text(place + 0.5, 0.74, done, color=COLORS["text"], **(style | {"fontsize": 9}))
        if place:
            arrow = {"arrowstyle": "->", "color": COLORS["muted"]}
            axes.annotate("", (place + 0.11, 0.3), (place - 0.11, 0.3), arrowprops=arrow)
