"""Figures of lesson 03: the ruler, ranges that settle, 256 levels, bad calibration, rounding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from qhelpers.arithmetic.affine import QuantParams
from qhelpers.notebook.style import COLORS, finish, image, new

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


def channels(kernel: Array, shared: float, own: Array) -> None:
    """Draw every channel's range of weights, beside the range that one shared scale must cover.

    Args:
        kernel: real weights, [channels, ...].
        shared: scale of all channels together.
        own: scale of each channel, [channels].
    """
    rows = kernel.reshape(len(kernel), -1)
    smallest = int(np.argmin(own))
    used = round(own[smallest] / shared * 127)
    title = f"With one shared scale, channel {smallest} would reach no farther than level {used}"
    _, axes = new(1, 1, title, height=3.0)
    places = np.arange(len(rows))
    axes.axhspan(-127 * shared, 127 * shared, color=COLORS["grid"], label="range of the one scale")
    axes.bar(places, 254 * own, 0.7, -127 * own, color=COLORS["dynamic_range"], alpha=0.6)
    axes.bar(
        0, 0, color=COLORS["dynamic_range"], alpha=0.6, label="range of the channel's own scale"
    )
    for place, row in enumerate(rows):
        label = "the weights" if place == 0 else None
        axes.plot(np.full(row.size, place), row, ".", color=COLORS["text"], ms=4, label=label)
    axes.set(xlabel="output channel of the convolution", ylabel="weight", xticks=places)
    axes.set_ylim(-175 * shared, 130 * shared)
    axes.legend(loc="lower center", ncol=3)
    finish()


def running_ranges(ranges: Mapping[str, tuple[Array, Array]]) -> None:
    """Draw how the smallest and the largest value seen so far grow with the images.

    Args:
        ranges: name of a tensor -> (smallest, largest) after 1, 2, ..., n images.
    """
    _, all_axes = new(1, len(ranges), "Each further image can only widen the range", height=3.0)
    for axes, (name, (low, high)) in zip(np.atleast_1d(all_axes), ranges.items(), strict=True):
        count = np.arange(1, len(low) + 1)
        axes.fill_between(count, low, high, step="post", color=COLORS["int8"], alpha=0.25)
        axes.step(count, high, where="post", color=COLORS["int8"], label="largest so far")
        axes.step(count, low, where="post", color=COLORS["int16x8"], label="smallest so far")
        axes.set(xscale="log", title=name, xlabel="images seen", ylabel="activation")
        axes.set_xticks([1, 3, 10, 30, 100, 300], ["1", "3", "10", "30", "100", "300"])
        axes.legend(loc="center left")
    finish()


def levels(tensors: Mapping[str, tuple[Array, int]], reals: Array, scale: float) -> None:
    """Draw how often each of 256 levels is used, then a few levels of the last one from close by.

    Args:
        tensors: name -> (int8 values, zero point).
        reals: float32 values of the last tensor, before quantization.
        scale: scale of the last tensor.
    """
    title = "256 levels, one bar each: how often a tensor uses them"
    _, all_axes = new(len(tensors) + 1, 1, title, height=6.6)
    for axes, (name, (quantized, zero_point)) in zip(all_axes, tensors.items(), strict=False):
        counts = np.bincount(quantized.ravel().astype(np.int64) + 128, minlength=256)
        axes.bar(np.arange(-128, 128), counts, width=0.9, color=COLORS["int8"])
        axes.axvline(zero_point, color=COLORS["muted"], linestyle=":")
        axes.set(title=f"{name}: {(counts > 0).sum()} of 256 levels used", yscale="log")
        axes.set(xlabel="int8 value (dotted: the zero point)", ylabel="how often")
    near = reals[(reals > -6.5 * scale) & (reals < 6.5 * scale)]
    axes = all_axes[-1]
    axes.hist(near, bins=130, color=COLORS["float32"], alpha=0.55)
    marks = np.arange(-6, 7) * scale
    for mark in marks:
        axes.axvline(mark, color=COLORS["int8"], linewidth=1.5)
    axes.set_xticks(marks, [f"{k * scale:.2f}\n({k + zero_point})" for k in range(-6, 7)])
    axes.set(title=f"From close by: float32 values of {name} (gray), 13 levels (orange)")
    axes.set(xlabel="real value (int8 value)", ylabel="how often")
    finish()


def counts(table: Mapping[int, Mapping[str, float]], labels: str) -> None:
    """Draw accuracy, the error of the logits and clipping against the number of images.

    Args:
        table: number of calibration images -> "accuracy", "low", "high", "error", "clipped".
        labels: what the accuracy was measured on.
    """
    numbers = list(table)
    column = {key: np.array([row[key] for row in table.values()]) for key in table[numbers[0]]}
    gain = column["error"][0] / column["error"][numbers.index(100)]
    title = f"From 1 to 100 images the logits' error shrinks {gain:.0f}-fold; accuracy hardly moves"
    _, (left, middle, right) = new(1, 3, title, height=3.2)
    spread = 100 * np.abs(np.array([column["low"], column["high"]]) - column["accuracy"])
    left.errorbar(numbers, 100 * column["accuracy"], spread, fmt="o-", color=COLORS["int8"])
    left.set(title=f"accuracy on {labels}", ylabel="% (bars: 95 % interval)", ylim=(80, 100))
    middle.plot(numbers, column["error"], "o-", color=COLORS["int8"])
    middle.set(title="mean error of a logit", ylabel="logits", ylim=(0, None))
    right.plot(numbers, 100 * column["clipped"], "o-", color=COLORS["int8"])
    right.set(title="outputs at byte 0 or 255", ylabel="% of all output bytes")
    for axes in (left, middle, right):
        axes.set(xscale="log", xlabel="calibration images")
        axes.set_xticks(numbers, [str(number) for number in numbers])
        axes.minorticks_off()
        axes.margins(x=0.08)
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


def rounding(rounded: Array, truncated: Array) -> None:
    """Draw the error of rounding and of truncation, in levels.

    Args:
        rounded: error of each pixel with rounding, in steps of the scale.
        truncated: the same with truncation.
    """
    means = rounded.mean(), truncated.mean()
    title = f"Truncation is off by {means[1]:+.2f} levels on average, rounding by {means[0]:+.2f}"
    _, axes = new(1, 1, title, height=2.6)
    bins = np.linspace(-1.05, 0.55, 65)
    # Outlines: where the two overlap, both stay visible.
    style = {"histtype": "step", "linewidth": 1.8}
    axes.hist(truncated, bins, color=COLORS["error"], label="x / scale, then astype", **style)
    axes.hist(rounded, bins, color=COLORS["int16x8"], label="round, clip, then astype", **style)
    axes.axvline(0, color=COLORS["float32"], linewidth=1)
    axes.set(xlabel="byte minus exact value, in levels", ylabel="pixels with ink")
    axes.legend(loc="upper left", ncol=2)
    axes.set_ylim(0, axes.get_ylim()[1] * 1.25)
    finish()


def wrapped(original: Array, clipped: Array, wrapped: Array) -> None:
    """Show an image, and a brightened copy of it as bytes: clipped, and wrapped around.

    Args:
        original: uint8 [28, 28].
        clipped: uint8 [28, 28], brightened, too large values at 255.
        wrapped: uint8 [28, 28], brightened, too large values modulo 256.
    """
    _, axes = new(1, 3, "Too bright by a little: 256 wraps around to black", height=2.6, width=7.0)
    image(axes[0], original, "as it was")
    image(axes[1], clipped, "brighter, clipped")
    image(axes[2], wrapped, "brighter, wrapped")
    finish()
