"""Figures of lesson 03: the ruler, bad calibration, from pixels to a logit, where to clip."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from qhelpers.arithmetic import affine
from qhelpers.data import Array
from qhelpers.notebook import journey
from qhelpers.notebook.style import COLORS, annotated, finish, new
from qhelpers.tflite.file import TensorInfo


def ruler(params: affine.QuantParams, reals: Sequence[float]) -> None:
    """Draw the real axis above the integers that stand for it, and where some reals land."""
    levels = np.arange(params.qmin, params.qmax + 1)
    marks = affine.dequantize(levels, params)
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
        landing = float(affine.dequantize(affine.quantize(real, params), params))
        axes.plot(real, 0.75, "o", color=COLORS["float32"], markersize=5)
        axes.text(real, 0.9, f"{real:g}", ha="center", va="bottom")
        arrow = {"arrowstyle": "->", "color": COLORS["float32"], "linewidth": 1}
        axes.annotate("", (landing, 0.14), (real, 0.72), arrowprops=arrow)
    axes.set(ylim=(-0.7, 1.3), yticks=[], xlabel="real value")
    axes.spines["left"].set_visible(False)
    axes.grid(visible=False)
    finish()


def calibration_sets(table: Mapping[str, Mapping[str, float]], labels: str) -> None:
    """Draw accuracy and error of the logits: name of the calibration images -> both."""
    names = list(table)
    accuracy, errors = (np.array([table[n][what] for n in names]) for what in ("accuracy", "error"))
    title = f"Only the calibration images differ; the worst: {names[accuracy.argmin()]}"
    _, (left, right) = new(1, 2, title, height=3.0, sharey=True)
    colors = [COLORS["int8"], *[COLORS["error"]] * (len(names) - 1)]
    bars = left.barh(names, 100 * accuracy, color=colors, height=0.6)
    left.bar_label(bars, fmt="%.1f", padding=3)
    right.scatter(errors, names, color=colors, s=60)  # no bars: a log axis has no zero
    for place, error in enumerate(errors):
        right.text(error * 1.2, place, f"{error:.2f}", va="center")
    left.set(xlim=(0, 115), xlabel="%", title=f"accuracy on {labels}")
    right.set(xscale="log", xlabel="logits (log scale)", title="mean error of a logit")
    right.set_xlim(errors.min() / 3, errors.max() * 4)
    left.invert_yaxis()
    finish()


def path(pixels: Array, weights: Array, bias: int, multiplier: float, zero_point: int) -> None:
    """Draw how nine pixels [3, 3], less their zero point, become one byte of the output."""
    products = pixels * weights
    total = int(products.sum()) + int(bias)
    level = int(np.rint(total * multiplier))
    steps = [
        ("sum", f"{products.sum():,}"),
        (f"{bias:+,} (bias)", f"{total:,}"),
        (f"x {multiplier:.8f}", f"{total * multiplier:.3f}"),
        ("round", f"{level}"),
        (f"{zero_point:+} (zero point)", f"{level + zero_point}"),
    ]
    figure, axes = new(2, 3, "From nine pixels to one byte", height=4.0, height_ratios=(2.4, 1))
    matrices = {"nine pixels (q1 - z1)": pixels, "nine weights": weights, "products": products}
    for place, (name, values) in zip(axes[0], matrices.items(), strict=True):
        annotated(place, values, "d")
        place.set_title(name, loc="center")
    for place in axes[1]:
        place.remove()
    _chain(figure.add_subplot(axes[0, 0].get_gridspec()[1, :]), steps)
    finish()


def to_logit(
    reals: Array, stored: Array, total: int, multiplier: float, output: TensorInfo
) -> None:
    """Draw the course's journey for one logit: its weights [n], real and stored, and their sum."""
    zero_point, scale = int(output.zero_points[0]), float(output.scales[0])
    byte = int(np.rint(total * multiplier)) + zero_point
    some = np.abs(stored.astype(int)).argsort()[[-1, -9, -99, -999]]
    kinds = ("float32", "int8", "int32", "one multiplication", "int8")
    journey.draw(
        reals[some],
        [f"{q}" for q in stored[some]],
        products=f"{total:,}",
        rescaled=f"x {multiplier:.8f}\n{zero_point:+}",
        result=f"{byte}\n(is {scale * (byte - zero_point):.2f})",
        types=dict(zip(journey.STAGES, kinds, strict=True)),
        active=("stored", "sum", "rescaled", "result"),
        of=len(stored),
        captions={"sum": "2,028 products, bias", "rescaled": "requantized", "result": "logit"},
        title="Full integer: only integers are stored, summed and passed on",
    )


def clipping(
    weights: Array,
    restore: Callable[[Array, Array, int], Array],
    choices: Mapping[str, Callable[[Array, int], Array]],
) -> None:
    """Draw rounding and clipping error of a channel's weights [n] against the clipping point."""
    rows = weights[None].astype(np.float64)
    _, both = new(1, 2, "The fewer bits, the earlier it pays to clip", height=3.4)
    ends = np.linspace(0.02, 1, 99) * np.abs(rows).max()
    for axes, bits in zip(both, (4, 2), strict=True):
        squares = [(restore(rows, np.array([[end]]), bits) - rows) ** 2 for end in ends]
        inside = np.abs(rows) <= ends[:, None, None]
        rounding, total = np.mean(squares * inside, (1, 2)), np.mean(squares, (1, 2))
        axes.plot(ends, rounding, "--", color=COLORS["int16x8"], label="rounding")
        axes.plot(ends, total - rounding, ":", color=COLORS["int8"], label="clipping")
        axes.plot(ends, total, color=COLORS["text"], label="sum")
        top = 1.25 * rounding.max()
        for name, choose in choices.items():
            point = float(np.squeeze(choose(rows, bits)))
            error = float(np.interp(point, ends, total))
            if error > top:
                continue
            below = name == list(choices)[-1]  # with 4 bits the last two lie close together
            axes.plot(point, error, "o", color=COLORS["error"])
            style: dict[str, Any] = {"textcoords": "offset points", "ha": "center", "fontsize": 9}
            style["bbox"] = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0.5}
            axes.annotate(name, (point, error), (0, -16 if below else 9), **style)
        axes.set(title=f"{bits} bits", xlabel="clipping point", ylim=(0, top))
    both[0].set_ylabel("mean squared error")
    both[0].legend(loc="lower left", bbox_to_anchor=(0.0, 0.32))
    finish()


def _chain(axes: Any, steps: Sequence[tuple[str, str]]) -> None:
    """Draw a row of boxes with results, and above each what was done to get there."""
    axes.set(xlim=(0, len(steps)), ylim=(0, 1))
    axes.axis("off")
    for place, (done, gives) in enumerate(steps):
        face, ink = ("#F4F4F4", "text") if place < len(steps) - 1 else (COLORS["int8"], "white")
        box = {"boxstyle": "round,pad=0.7", "facecolor": face, "edgecolor": COLORS["muted"]}
        style = {"ha": "center", "va": "center", "color": COLORS.get(ink, ink)}
        axes.text(place + 0.5, 0.3, f"{gives:^7}", fontweight="bold", bbox=box, **style)
        axes.text(place + 0.5, 0.85, done, ha="center", va="center", fontsize=9)
        if place:
            arrow = {"arrowstyle": "->", "color": COLORS["muted"]}
            axes.annotate("", (place + 0.11, 0.3), (place - 0.11, 0.3), arrowprops=arrow)
