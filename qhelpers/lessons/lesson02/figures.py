"""Figures of lesson 02: what shrinks, weights on their levels, whose arithmetic the engine does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qhelpers.evaluation import metrics
from qhelpers.notebook import style

Array = NDArray[Any]


def file_parts(files: Mapping[str, Mapping[str, int]]) -> None:
    """Draw what the bytes of each file are, a bar per file.

    Args:
        files: name -> bytes by part: "float32", "int8" and "everything else".
    """
    totals = [sum(parts.values()) for parts in files.values()]
    _, axes = style.new(
        title=f"The weights shrink to a quarter, the rest does not: {totals[0] / totals[-1]:.2f} "
        "times smaller",
        height=2.4,
    )
    colors = {"float32": "float32", "int8": "dynamic_range", "everything else": "muted"}
    for part, color in colors.items():
        sizes = np.array([parts.get(part, 0) for parts in files.values()])
        left = np.array([_before(parts, part, list(colors)) for parts in files.values()])
        axes.barh(list(files), sizes, left=left, color=style.COLORS[color], label=part, height=0.6)
    for row, total in enumerate(totals):
        axes.text(total * 1.01, row, f"{total:,}", va="center")
    axes.invert_yaxis()
    axes.set(xlabel="bytes", xlim=(0, max(totals) * 1.12))
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.grid(visible=False, axis="y")
    axes.legend(loc="lower right", ncols=3)
    style.finish()


def _before(parts: Mapping[str, int], part: str, order: list[str]) -> int:
    """Return the sum of the parts that stand before `part`."""
    return sum(parts.get(name, 0) for name in order[: order.index(part)])


def levels(weights: Array, scale: float) -> None:
    """Draw the weights of one output as a histogram, and a few of them between their levels.

    Args:
        weights: float32 [n], the weights that share one scale.
        scale: the distance between two levels.
    """
    reach = 127 * scale
    _, (left, right) = style.new(
        1, 2, title=f"255 levels, {scale:.4f} apart, from one end to the other", height=3.2
    )
    left.vlines(scale * np.arange(-127, 128), 0, -0.07, color="#56B4E9", linewidth=0.5)
    counts, edges = np.histogram(weights, bins=60, range=(-reach, reach))
    left.bar(
        edges[:-1],
        counts / counts.max(),
        width=np.diff(edges),
        align="edge",
        color=style.COLORS["float32"],
    )
    left.set(xlabel="weight", yticks=[], xlim=(-1.03 * reach, 1.03 * reach))
    left.set_title("all weights of one output; below, the levels")
    some = np.sort(weights[np.abs(weights) < 5.3 * scale])[:: max(1, len(weights) // 900)]
    nearest = np.rint(some / scale) * scale
    right.vlines(scale * np.arange(-5, 6), 0.0, 2.0, color=style.COLORS["dynamic_range"])
    for real, level in zip(some, nearest, strict=True):
        right.plot([real, level], [1.4, 0.6], color=style.COLORS["muted"], linewidth=0.5)
    right.plot(some, np.full_like(some, 1.4), ".", color=style.COLORS["float32"], markersize=4)
    right.plot(nearest, np.full_like(some, 0.6), "o", color=style.COLORS["int8"], markersize=4)
    ticks = {0.6: "int8", 1.4: "float32"}
    right.set(xlabel="weight", yticks=list(ticks), yticklabels=list(ticks.values()), ylim=(0, 2))
    right.set_title("a few of them near zero, each moving to its level")
    right.grid(visible=False)
    style.finish()


def weight_errors(weights: Array, scales: Array) -> None:
    """Draw the rounding error of the weights, and the signal-to-noise ratio, for each output.

    Args:
        weights: float32 [outputs, inputs].
        scales: float32 [outputs].
    """
    rounded = np.rint(weights / scales[:, None]) * scales[:, None]
    errors = np.abs(rounded - weights)
    ratios = [metrics.sqnr_db(w, r) for w, r in zip(weights, rounded, strict=True)]
    _, (left, right) = style.new(
        1, 2, title="No weight moves by more than half its own output's scale", height=3.2
    )
    for output, error in enumerate(errors):
        some = error[:: max(1, len(error) // 250)]
        spread = np.linspace(-0.28, 0.28, len(some))
        left.plot(output + spread, some, ".", color=style.COLORS["float32"], markersize=1.5)
        left.hlines(scales[output] / 2, output - 0.4, output + 0.4, color=style.COLORS["int8"])
    left.set(xlabel="output (digit)", ylabel="|error| of a weight", xticks=range(len(scales)))
    left.set_ylim(0, errors.max() * 1.25)
    left.set_title("dots: weights; bar: scale / 2")
    right.bar(range(len(ratios)), ratios, color=style.COLORS["dynamic_range"], width=0.7)
    for output, ratio in enumerate(ratios):
        right.text(output, ratio + 0.4, f"{ratio:.0f}", ha="center")
    right.set(xlabel="output (digit)", ylabel="SQNR in dB", xticks=range(len(ratios)))
    right.set_ylim(0, max(ratios) * 1.15)
    right.set_title("signal-to-quantization-noise ratio of the weights")
    right.grid(visible=False, axis="x")
    style.finish()


def engine_errors(differences: Mapping[str, Array]) -> None:
    """Draw how far each way to compute a layer is from what the engine answers.

    Args:
        differences: name -> |ours - the engine's|, any shape; the last is the closest.
    """
    medians = {name: float(np.median(values)) for name, values in differences.items()}
    best = min(medians, key=lambda name: medians[name])
    _, axes = style.new(
        title=f"Whose arithmetic is it? {'No difference' if not medians[best] else 'Closest'}: "
        f"{best}",
        height=0.8 + 0.75 * len(differences),
    )
    colors = ("float32", "pytorch", "dynamic_range")
    for row, (name, values) in enumerate(differences.items()):
        shown = np.maximum(values.ravel(), 1e-9)[:1500]
        spread = row + np.linspace(-0.3, 0.3, len(shown))
        color = style.COLORS[colors[row % len(colors)]]
        axes.plot(shown, spread, ".", markersize=2, color=color, alpha=0.6)
        axes.vlines(max(medians[name], 1e-9), row - 0.36, row + 0.36, color=style.COLORS["error"])
    axes.set(xscale="log", xlabel="|logit - engine's logit| (log scale); line: median")
    if min(medians.values()) < 1e-9:
        axes.set_xticks([1e-9, *10.0 ** np.arange(-7, 2, 2)])
        axes.set_xticklabels(["0", *(f"$10^{{{power}}}$" for power in range(-7, 2, 2))])
        axes.minorticks_off()
    axes.set(yticks=range(len(differences)), yticklabels=list(differences))
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    style.finish()


def engines_apart(apart: Array, moved: Array) -> None:
    """Draw how far the two engines' logits lie from each other.

    Args:
        apart: [images, outputs], |one engine's logit - the other's|.
        moved: bool [images], whether an int8 activation of the image differs between them.
    """
    count = int(moved.sum())
    more = f"in {count} of them one activation a level apart" if count else "nothing else"
    _, axes = style.new(title=f"Between the engines: rounding in all images, {more}", height=3.0)
    edges = np.geomspace(1e-8, 1e-1, 29)
    groups = {
        "images with equal int8 activations": (apart[~moved], "dynamic_range"),
        "images with one that moved": (apart[moved], "int8"),
    }
    for name, (values, color) in groups.items():
        shown = values[values > 0]
        if shown.size:
            axes.hist(shown, bins=list(edges), color=style.COLORS[color], label=name)
    axes.set(xscale="log", yscale="log", ylabel="logits (log scale)")
    axes.set(xlabel="|XNNPACK's logit - reference's logit| (log scale); equal ones left out")
    axes.legend(loc="upper right")
    style.finish()


def activation_scales(scales: Array, brightness: Array, curves: Array) -> None:
    """Draw the scale that each image gets, and how it follows the image's brightness.

    Args:
        scales: [images], of images as they are.
        brightness: [steps], factors that images were multiplied with.
        curves: [images, steps], the scales of a few images.
    """
    _, (left, right) = style.new(
        1,
        2,
        title="Every image gets a scale of its own, and a darker one a finer scale",
        height=3.2,
    )
    left.hist(scales, bins=30, color=style.COLORS["dynamic_range"])
    left.axvline(scales.max(), color=style.COLORS["int8"], linestyle="--")
    left.locator_params(axis="x", nbins=5)
    left.set(xlabel="scale of the dense layer's input", ylabel="test images")
    left.set_title("dashed: a static scale must fit them all")
    right.plot(brightness, curves.T, color=style.COLORS["dynamic_range"], linewidth=0.9, alpha=0.7)
    right.plot(brightness, np.median(curves, axis=0), "o-", color=style.COLORS["float32"])
    right.set_xscale("log", base=2)
    right.set_yscale("log", base=2)
    right.set_xticks(brightness, [f"1/{round(1 / b)}" if b < 1 else "1" for b in brightness])
    right.yaxis.set_major_formatter("{x:.4f}")
    right.set(xlabel="brightness of the image", ylabel="scale")
    right.set_title("some images dimmed; black: median")
    style.finish()


def outlier(errors: Mapping[str, Array], harmed: int) -> None:
    """Draw the error of every output's weights with and without an outlier.

    Args:
        errors: name -> root mean square error [outputs]; drawn in this order.
        harmed: the output that has the outlier.
    """
    _, axes = style.new(
        title=f"One outlier, in output {harmed}: a shared scale lets all outputs pay for it",
        height=3.2,
    )
    width = 0.8 / len(errors)
    colors = ("muted", "error", "dynamic_range")
    for i, (name, values) in enumerate(errors.items()):
        place = np.arange(len(values)) + (i - (len(errors) - 1) / 2) * width
        axes.bar(place, values, width=width * 0.92, color=style.COLORS[colors[i]], label=name)
    axes.set(yscale="log", xlabel="output (digit)", ylabel="RMS error of a weight (log scale)")
    axes.set_xticks(range(len(next(iter(errors.values())))))
    low, high = axes.get_ylim()
    axes.set_ylim(low, high * 4)
    axes.grid(visible=False, axis="x")
    axes.legend(loc="upper right", ncols=3)
    style.finish()
