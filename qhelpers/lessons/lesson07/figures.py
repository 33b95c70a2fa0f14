"""The plots of lesson 07: fake quantization, what training repairs, and frozen observers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from qhelpers.notebook import style

Array = npt.NDArray[Any]

AFTER, AWARE = style.COLORS["int8"], style.COLORS["int16x8"]


class Interval(Protocol):
    """A share of 1 with its interval, such as an `evaluate.Accuracy` or a `repeats.Mean`."""

    @property
    def value(self) -> float:
        """The share."""

    @property
    def low(self) -> float:
        """The interval's lower end."""

    @property
    def high(self) -> float:
        """The interval's upper end."""


def staircase(x: Array, rounded: Array, true_slope: Array, passed: Array) -> None:
    """Draw fake quantization forward, and the two gradients backward.

    Args:
        x: [n] reals.
        rounded: [n] what fake quantization makes of them.
        true_slope: [n] the gradient of plain rounding.
        passed: [n] the gradient that the straight-through estimator reports.
    """
    title = "Forward the value is a staircase, backward the gradient pretends it is a ramp"
    _, (forward, backward) = style.new(1, 2, title, height=3.3)
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


def latent(real: Array, rounded: Array, names: Sequence[str]) -> None:
    """Draw how float weights move in training, and the rounded weights that the layer uses.

    Args:
        real: [steps, weights] the float weights behind.
        rounded: [steps, weights] what the layer multiplied with.
        names: one title for each weight.
    """
    title = "The float weight creeps, the rounded weight waits, then jumps"
    figure, panels = style.new(1, len(names), title, height=3.4, sharex=True)
    for axes, column, name in zip(np.ravel(panels), range(len(names)), names, strict=True):
        color = style.COLORS["float32"]
        axes.plot(real[:, column], color=color, lw=1.2, label="float, kept by the optimizer")
        axes.step(np.arange(len(rounded)), rounded[:, column], color=AWARE, label="rounded, in use")
        axes.set(xlabel="training step", title=name)
    np.ravel(panels)[0].set_ylabel("weight")
    handles, labels = np.ravel(panels)[-1].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2)
    style.finish()


def sweep(
    after: Mapping[str, Mapping[int, Interval]],
    aware: Mapping[str, Mapping[int, Interval]],
    before: Mapping[str, Interval],
    control: Mapping[str, Interval],
) -> None:
    """Draw accuracy against the bits of the weights, one panel for each network.

    Args:
        after: network -> bits -> accuracy, rounded after training.
        aware: network -> bits -> mean accuracy of several trainings with fake quantization.
        before: network -> accuracy of the float network.
        control: network -> mean accuracy of the float network, trained as many steps more.
    """
    title = "Two bits break both networks; training through the rounding repairs most of it"
    _, panels = style.new(1, len(after), title, height=3.9)
    for axes, name in zip(np.ravel(panels), after, strict=True):
        more = control[name]
        axes.axhspan(100 * more.low, 100 * more.high, color=style.COLORS["muted"], alpha=0.25, lw=0)
        axes.axhline(
            100 * more.value, color=style.COLORS["muted"], lw=1, label="float32, more training"
        )
        axes.axhline(
            100 * before[name].value,
            color=style.COLORS["float32"],
            ls="--",
            lw=1.2,
            label="float32",
        )
        for found, color, marker, label in (
            (after[name], AFTER, "s", "rounded after training"),
            (aware[name], AWARE, "o", "trained with fake quantization"),
        ):
            _points(axes, list(found), list(found.values()), color, marker, label)
        axes.set(title=name, xlabel="bits of a weight (a scale per channel)")
        axes.set_xticks(sorted(after[name]))
        axes.invert_xaxis()
    np.ravel(panels)[0].set_ylabel("accuracy in % (with 95 % interval)")
    np.ravel(panels)[0].legend(loc="lower left")
    style.finish()


def ranges(before: Array, uneven: Array) -> None:
    """Draw the largest weight of each channel in two networks, and how many levels are left it.

    Args:
        before: [channels] of the trained network.
        uneven: [channels] of the one with uneven channels.
    """
    levels = 2 * np.rint(127 * uneven / uneven.max()) + 1
    title = (
        f"Same answers, but one scale for all leaves one channel {levels.min():.0f} of 255 levels"
    )
    _, panels = style.new(1, 2, title, height=3.1, sharey=True)
    for axes, sizes, name in zip(panels, (before, uneven), ("as trained", "uneven"), strict=True):
        axes.bar(np.arange(len(sizes)), sizes, color=style.COLORS["int16x8"])
        label = "one int8 step, with one scale for all"
        axes.axhline(sizes.max() / 127, color=style.COLORS["error"], ls="--", lw=1.5, label=label)
        axes.set_yscale("log")
        axes.set(title=name, xlabel="channel (filter)")
        axes.set_xticks(np.arange(len(sizes)))
        axes.grid(visible=False, axis="x")
    panels[0].set_ylabel("largest weight (log)")
    panels[0].set_ylim(top=12 * before.max())
    panels[1].legend(loc="upper right")
    style.finish()


def repaired(after: Mapping[str, Interval], aware: Mapping[str, Interval], before: float) -> None:
    """Draw what rounding costs with each kind of scale, and what training brings back.

    Args:
        after: kind of scale -> accuracy, rounded after training.
        aware: kind of scale -> mean accuracy of several trainings with fake quantization.
        before: accuracy of the float network, a share of 1.
    """
    title = "Eight bits are too few where one scale has to serve all channels"
    _, axes = style.new(1, 1, title, height=2.9)
    kinds = list(after)
    for found, color, marker, label, shift in (
        (after, AFTER, "s", "rounded after training", -0.1),
        (aware, AWARE, "o", "trained with fake quantization", 0.1),
    ):
        places = [place + shift for place in range(len(kinds))]
        values = [found[kind] for kind in kinds]
        low, high = _errors(values)
        axes.errorbar(
            [100 * v.value for v in values], places, xerr=(low, high), fmt=marker, color=color,
            capsize=4, ms=7, label=label,
        )  # fmt: skip
        for value, place in zip(values, places, strict=True):
            axes.annotate(
                f"{100 * value.value:.1f}", (100 * value.low, place), (-8, 0),
                textcoords="offset points", ha="right", va="center", color=color, fontsize=9,
            )  # fmt: skip
    axes.axvline(100 * before, color=style.COLORS["float32"], ls="--", lw=1.2, label="float32")
    axes.set_yticks(range(len(kinds)), kinds)
    axes.set_ylim(len(kinds) - 0.5, -0.5)
    left, right = axes.get_xlim()
    axes.set_xlim(left - 0.08 * (right - left), right + 0.02 * (right - left))
    axes.set_xlabel("accuracy in %, 8-bit weights (with 95 % interval)")
    axes.grid(visible=False, axis="y")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.28), ncols=3)
    style.finish()


def scales(traces: Mapping[str, Array], frozen_at: int, odd_at: int) -> None:
    """Draw the scale of one activation while batches pass, with and without a frozen observer.

    Args:
        traces: name -> [steps] scale after each batch; the one left running first.
        frozen_at: the batch before which the observers of the other were frozen.
        odd_at: the first of the odd batches.
    """
    title = "A frozen observer keeps its scale; one left running follows every odd batch"
    _, axes = style.new(1, 1, title, height=3.1)
    for (name, trace), color in zip(traces.items(), (AFTER, AWARE), strict=True):
        axes.plot(trace, color=color, label=name)
    low, high = axes.get_ylim()
    for place, text in ((frozen_at, "observers frozen"), (odd_at, "odd batches")):
        axes.axvline(place, color=style.COLORS["muted"], ls="--", lw=1)
        axes.text(place, high, f" {text}", color=style.COLORS["muted"], va="top", fontsize=9)
    axes.set(xlabel="batch", ylabel="scale of the convolution's output", ylim=(low, high))
    axes.legend(loc="center left")
    style.finish()


def _points(
    axes: Any, x: list[int], values: list[Interval], color: str, marker: str, label: str
) -> None:
    """Draw accuracies in percent with their intervals, joined by a line."""
    axes.errorbar(
        x, [100 * value.value for value in values], yerr=_errors(values), color=color, label=label,
        marker=marker, ms=5, capsize=3, lw=1.5,
    )  # fmt: skip


def _errors(values: Sequence[Interval]) -> tuple[list[float], list[float]]:
    """Return how far the intervals reach below and above, in percentage points."""
    low = [100 * (value.value - value.low) for value in values]
    return low, [100 * (value.high - value.value) for value in values]
