"""The plots of lesson 07: better ranges, fake quantization, and what training adds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from qhelpers.evaluation.metrics import Interval
from qhelpers.notebook import style

Array = npt.NDArray[Any]

AFTER, AWARE = style.COLORS["int8"], style.COLORS["int16x8"]


def ranges(
    after: Mapping[str, Mapping[str, Mapping[int, Interval]]], before: Mapping[str, Interval]
) -> None:
    """Draw accuracy against bits for ways to choose ranges, one panel for each network.

    `after` is network -> way -> bits -> accuracy, the worse way first; `before` that in float32.
    """
    title = "Two bits, no training: most of what the largest weight breaks, a better range mends"
    _, panels = style.new(1, len(after), title, height=3.4)
    for axes, (name, ways) in zip(np.ravel(panels), after.items(), strict=True):
        level = 100 * before[name].value
        axes.axhline(level, color=style.COLORS["float32"], ls="--", lw=1.2, label="float32")
        for (way, found), color, marker in zip(ways.items(), (AFTER, AWARE), "so", strict=True):
            values = list(found.values())
            axes.errorbar(
                list(found), [100 * v.value for v in values], yerr=_errors(values), color=color,
                marker=marker, ms=5, capsize=3, lw=1.5, label=f"range by {way}",
            )  # fmt: skip
        axes.set(title=name, xlabel="bits of a weight (a scale per channel)", xticks=list(found))
        axes.invert_xaxis()
    np.ravel(panels)[0].set_ylabel("accuracy in % (with 95 % interval)")
    np.ravel(panels)[0].legend(loc="lower left")
    style.finish()


def staircase(x: Array, rounded: Array, true_slope: Array, passed: Array) -> None:
    """Draw fake quantization of x, [n], forward, and the two gradients backward.

    The gradients are that of plain rounding, and what the straight-through estimator passes.
    """
    title = "Forward the value is a staircase, backward the gradient pretends it is a ramp"
    _, (forward, backward) = style.new(1, 2, title, height=3.1)
    forward.plot(x, x, color=style.COLORS["muted"], lw=1, ls="--", label="the real value")
    forward.plot(x, rounded, color=AWARE, label="fake-quantized")
    forward.set(xlabel="weight", ylabel="value that the layer uses", title="forward")
    forward.legend(loc="upper left")
    backward.plot(x, true_slope, color=AFTER, label="rounding's own gradient")
    backward.plot(x, passed, color=AWARE, label="straight-through estimator")
    backward.set(xlabel="weight", ylabel="share of the gradient passed on")
    backward.set(title="backward", ylim=(-0.15, 1.55))
    backward.legend(loc="upper left")
    style.finish()


def latent(real: Array, used: Array, jumps: Array) -> None:
    """Draw one float weight and what it rounds to, and how many weights jump in each ten steps.

    Latent weights and those in use are [steps, weights]; where these changed, [steps - 1, weights].
    """
    title = "The float weight creeps, the rounded one waits, then jumps; late in training, less"
    _, (one, all_of_them) = style.new(1, 2, title, height=3.1)
    column = int(jumps.sum(axis=0).argmax())
    one.plot(real[:, column], color=style.COLORS["float32"], lw=1.2, label="latent")
    one.step(np.arange(len(used)), used[:, column], color=AWARE, label="in use")
    often = int(jumps[:, column].sum())
    one.set(xlabel="training step", ylabel="weight", title=f"the one that jumped most: {often}x")
    one.legend(loc="best")
    counts = jumps.sum(axis=1)
    groups = np.array_split(counts, max(1, len(counts) // 10))
    all_of_them.bar(np.arange(len(groups)) * 10 + 5, [g.sum() for g in groups], 9, color=AWARE)
    all_of_them.set(xlabel="training step", ylabel="jumps in ten steps")
    all_of_them.set(title=f"all {real.shape[1]:,} weights of the layer")
    style.finish()


def training(means: Mapping[str, Mapping[str, Interval]], best: Mapping[str, Interval]) -> None:
    """Draw each recipe's mean accuracy of several runs, beside the best without training."""
    title = "At two bits: a good range first, then training on top of it"
    _, panels = style.new(1, len(means), title, height=3.2, sharey=True)
    for axes, (name, rows) in zip(np.ravel(panels), means.items(), strict=True):
        places, values = np.arange(len(rows)), list(rows.values())
        colors = [style.COLORS["float32"] if "float32" in row else AWARE for row in rows]
        for place, value, color in zip(places, values, colors, strict=True):
            axes.errorbar(
                100 * value.value, place, xerr=_errors([value]), fmt="o", color=color, capsize=4
            )
            axes.annotate(
                f"{100 * value.value:.1f}", (100 * value.value, place), (0, 6),
                textcoords="offset points", ha="center", color=color, fontsize=9,
            )  # fmt: skip
        level = 100 * best[name].value
        axes.axvline(level, color=AFTER, lw=1.5, ls="--", label=f"not trained: {level:.1f}")
        axes.set_yticks(places, list(rows))
        axes.set_ylim(len(rows) - 0.5, -0.7)
        axes.set(title=name, xlabel="accuracy in % (mean of 4 runs)")
        axes.margins(x=0.12)
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.22))
    style.finish()


def _errors(values: Sequence[Interval]) -> tuple[list[float], list[float]]:
    """Return how far the intervals reach below and above, in percentage points."""
    low = [100 * (value.value - value.low) for value in values]
    return low, [100 * (value.high - value.value) for value in values]
