"""Figures of lesson 08: filters in few bits, cliffs, clipping, codebooks, bytes, groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qhelpers.evaluation.metrics import Accuracy
from qhelpers.notebook.style import COLORS, bits, finish, image, new

Array = NDArray[Any]
Curve = Mapping[int, Accuracy]  # bits -> accuracy

_LINES = ("int16x8", "int8", "float16", "pytorch", "pytorch_dynamic")
_MARKERS = "osD^v"


def filters(kernels: Mapping[str, Array]) -> None:
    """Draw the same filters in several schemes, one row each.

    Args:
        kernels: name -> real weights [filters, 3, 3]; the first is the original.
    """
    count = len(next(iter(kernels.values())))
    title = (
        "The filters: few bits lose small weights, one keeps signs (orange +, purple -, white 0)"
    )
    figure, axes = new(len(kernels), count, title, height=0.75 * len(kernels) + 0.5)
    first = next(iter(kernels.values()))
    for row, (name, kernel) in zip(axes, kernels.items(), strict=True):
        for ax, original, weights in zip(row, first, kernel, strict=True):
            reach = float(np.abs(original).max())
            image(ax, weights, cmap="PuOr_r", vmin=-reach, vmax=reach)
        row[0].set_ylabel(name, rotation=0, ha="right", va="center", fontweight="bold")
    figure.get_layout_engine().set(w_pad=0.04, h_pad=0.03)
    finish()


def cliffs(
    panels: Mapping[str, Mapping[str, Curve]], baseline: Accuracy, title: str, tested: str
) -> None:
    """Draw accuracy against bits, with 95 % intervals, a panel for each set of curves.

    Args:
        panels: title of the panel -> name of the curve -> accuracy for each number of bits.
        baseline: that of float32.
        title: the figure's message.
        tested: what it was measured on, such as "2,000 test images".
    """
    _, all_axes = new(1, len(panels), title, height=4.0, sharey=True)
    for ax, (name, curves) in zip(np.atleast_1d(all_axes), panels.items(), strict=True):
        ax.axhspan(100 * baseline.low, 100 * baseline.high, color=COLORS["grid"])
        ax.axhline(100 * baseline.value, color=COLORS["float32"], linewidth=1, label="float32")
        shifts = np.linspace(-0.12, 0.12, len(curves))
        for (label, curve), shift, color, marker in zip(
            curves.items(), shifts, _LINES, _MARKERS, strict=False
        ):
            value, low, high = (
                100 * np.array([getattr(share, field) for share in curve.values()])
                for field in ("value", "low", "high")
            )
            ax.errorbar(
                np.array(list(curve)) + shift,
                value,
                yerr=[value - low, high - value],
                color=COLORS[color],
                marker=marker,
                markersize=5,
                capsize=2,
                label=label,
            )
        ax.axhline(10, color=COLORS["muted"], linestyle=":", linewidth=1)
        ax.text(8.3, 11.5, "guessing", color=COLORS["muted"], fontsize=9)
        ax.set(title=name, xlabel="bits", xlim=(8.4, 0.6), ylim=(0, 103), xticks=range(8, 0, -1))
        ax.legend(loc="lower left", bbox_to_anchor=(0.0, 0.16))
    np.atleast_1d(all_axes)[0].set_ylabel(f"accuracy on {tested} [%],\nwith 95 % interval")
    finish()


def clipping(panels: Mapping[str, tuple[Array, Array, Array]]) -> None:
    """Draw rounding error, clipping error and their sum against where the range is cut off.

    Args:
        panels: title -> (clipping point as share of the largest weight, rounding, clipping), the
            errors as shares of the weights' own mean square.
    """
    best = [shares[np.argmin(a + b)] for shares, a, b in panels.values()]
    title = (
        f"The fewer bits, the more it pays to clip: best at {best[0]:.0%} of the largest weight "
        f"with {next(iter(panels))}, at {best[-1]:.0%} with {list(panels)[-1]}"
    )
    _, all_axes = new(1, len(panels), title, height=3.7)
    for ax, place, (name, (shares, rounding, cut)) in zip(
        all_axes, best, panels.items(), strict=True
    ):
        total = rounding + cut
        ax.plot(100 * shares, 100 * rounding, "--", color=COLORS["int16x8"], label="rounding")
        ax.plot(100 * shares, 100 * cut, ":", color=COLORS["int8"], label="clipping")
        ax.plot(100 * shares, 100 * total, color=COLORS["text"], label="sum")
        ax.plot(100 * place, 100 * total.min(), "o", color=COLORS["error"], label="smallest")
        ax.set(title=name, xlabel="range [% of largest]", xlim=(0, 103))
        ax.set_ylim(0, 100 * min(1.0, 3 * max(total[-1], total.min())))
    all_axes[0].set_ylabel("mean squared error\n[% of the weights' mean square]")
    all_axes[1].legend(loc="upper right")
    finish()


def codebooks(values: Array, levels: Mapping[str, Array]) -> None:
    """Draw how the weights are distributed, and below it where the levels lie.

    Args:
        values: all weights of a layer.
        levels: name -> the real numbers that may be used.
    """
    title = "K-means puts its levels where the weights are; an even grid also pays for empty ends"
    _, (top, below) = new(2, 1, title, height=3.9, sharex=True, height_ratios=(2, 1))
    top.hist(np.ravel(values), bins=120, color=COLORS["muted"], alpha=0.6)
    top.set(ylabel="weights", yscale="log")
    for place, (name, numbers) in enumerate(levels.items()):
        color = COLORS[_LINES[place]]
        below.vlines(numbers, -place - 0.35, -place + 0.35, color=color, linewidth=2.5)
        below.text(
            1.005, -place, name, transform=below.get_yaxis_transform(), color=color, va="center"
        )
    below.set(yticks=[], xlabel="weight", ylim=(0.6 - len(levels), 0.6))
    below.spines["left"].set_visible(False)
    below.grid(visible=False)
    finish()


def nibbles(integers: Sequence[int]) -> None:
    """Draw how 4-bit integers lie in bytes, two in each, the first in the low half.

    Args:
        integers: -8 to 7, an even number of them.
    """
    text = ", ".join(map(str, integers))
    _, ax = new(title=f"{text}: two integers in a byte, the first in the low half", height=2.5)
    for row, (low, high) in enumerate(zip(integers[::2], integers[1::2], strict=True)):
        halves = [(high, "exponent"), (low, "fraction")]
        groups = [(f"{n}", f"{n & 15:04b}", COLORS[color]) for n, color in halves]
        value = (high & 15) << 4 | (low & 15)
        bits(ax, groups, row, name=f"byte {row} = {value}")
    finish()


def sizes(files: Mapping[str, Mapping[str, int]], promised: Mapping[str, float]) -> None:
    """Draw what the bytes of each file are for, and what weights times bits would promise.

    Args:
        files: name -> part -> bytes; the same parts in each.
        promised: name -> number of weights times bits, in bytes.
    """
    last = list(files)[-1]
    share = sum(files[last].values()) / promised[last]
    title = f"{last}: the file has {share:.2f} times the bytes that weights times bits promise"
    _, ax = new(title=title, height=0.42 * len(files) + 1.3)
    names, left = list(files), np.zeros(len(files))
    for part, color in zip(files[last], ("int16x8", "dynamic_range", "float16"), strict=False):
        widths = np.array([files[name][part] for name in names])
        ax.barh(names, widths, left=left, height=0.6, color=COLORS[color], label=part)
        left += widths
    for place, (name, end) in enumerate(zip(names, left, strict=True)):
        label = "weights × bits" if place == 0 else None
        x = promised[name]
        ax.plot([x, x], [place - 0.4, place + 0.4], color=COLORS["error"], label=label)
        ax.text(end + 0.01 * left.max(), place, f"{end:,.0f}", va="center")
    ax.set(xlabel="bytes", xlim=(0, 1.1 * left.max()))
    ax.invert_yaxis()
    ax.grid(visible=False, axis="y")
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    ax.legend(loc="lower right")
    finish()


def groups(curves: Mapping[str, Sequence[tuple[float, float, str]]], title: str) -> None:
    """Draw the error against what a weight really costs, a line for each width of integer.

    Args:
        curves: name -> (bits per weight with scales, SQNR in decibels, size of the group) each. A
            name that ends in "bits" gets some of its sizes written beside it.
        title: the figure's message.
    """
    _, ax = new(title=title, height=4.0)
    for (name, points), color, marker in zip(curves.items(), _LINES, _MARKERS, strict=False):
        x, y, labels = zip(*points, strict=True)
        ax.plot(x, y, marker=marker, markersize=5, color=COLORS[color], label=name)
        for place, label in enumerate(labels):
            if label in ("row", "128", "32") and name.endswith("bits"):
                ax.annotate(
                    label, (x[place], y[place]), (5, -11), textcoords="offset points", fontsize=9
                )
    ax.set(xlabel="bits per weight, 16-bit scales included", ylabel="SQNR of the weights [dB]")
    ax.legend(loc="upper left", title="integers; the numbers are group sizes")
    finish()
