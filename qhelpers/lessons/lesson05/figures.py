"""The plots of lesson 05: 16-bit activations, 8-bit weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qhelpers.evaluation.metrics import Accuracy
from qhelpers.notebook.style import COLORS, LABELS, finish, image, new


def dimmed(
    pictures: Mapping[str, Sequence[NDArray[Any]]], exposures: Sequence[float], title: str
) -> None:
    """Draw one image at several exposures, a row for each integer type, with its levels left.

    Args:
        pictures: type name -> one quantized image [height, width] of integers per exposure.
        exposures: the factor that each column was dimmed by.
        title: the figure's message.
    """
    _, axes = new(len(pictures), len(exposures), title, height=2.1 * len(pictures) + 0.7)
    for row, (name, images) in zip(axes, pictures.items(), strict=True):
        for ax, levels, exposure in zip(row, images, exposures, strict=True):
            low, high = int(levels.min()), int(levels.max())
            count = len(np.unique(levels))
            # Stretched to full contrast: what is lost is detail, not brightness.
            light = f"1/{1 / exposure:.0f}" if exposure < 1 else "1"
            text = f"exposure {light}: {count} level{'s' * (count > 1)}"
            image(ax, levels, text, vmin=low, vmax=max(high, low + 1))
        row[0].set_ylabel(name, fontweight="bold")
    finish()


def accuracy_by_light(results: Mapping[str, Sequence[Accuracy]], lights: Sequence[str]) -> None:
    """Draw the accuracy of every scheme against the light, with 95 % intervals.

    Args:
        results: recipe name -> one Accuracy per group of images, brightest first.
        lights: what the groups are called.
    """
    darkest = {name: 100 * shares[-1].value for name, shares in results.items()}
    title = (
        f"In the darkest fifth int8 gets {darkest['int8']:.0f} % right, "
        f"16x8 {darkest['int16x8']:.0f} %"
    )
    _, ax = new(title=title, height=4.0)
    shifts = np.linspace(-0.22, 0.22, len(results))  # side by side: most of them are equal
    for (name, shares), shift in zip(results.items(), shifts, strict=True):
        value, low, high = (
            100 * np.array([getattr(share, field) for share in shares])
            for field in ("value", "low", "high")
        )
        ax.errorbar(
            np.arange(len(shares)) + shift,
            value,
            yerr=[value - low, high - value],
            color=COLORS[name],
            label=LABELS[name],
            fmt="o-" if name in ("int8", "int16x8") else "o",
            capsize=2,
            markersize=5,
        )
    ax.axhline(10, color=COLORS["muted"], linestyle=":", linewidth=1)
    ax.text(-0.35, 11.5, "guessing", color=COLORS["muted"], fontsize=9)
    ax.set_xticks(range(len(lights)), lights)
    ax.set(xlabel="exposure", ylabel="accuracy [%], with 95 % interval", ylim=(0, 103))
    ax.legend(loc="lower left", bbox_to_anchor=(0.0, 0.12))
    finish()


def error_by_light(ratios: Mapping[str, Sequence[float]], lights: Sequence[str]) -> None:
    """Draw the signal-to-quantization-noise ratio of the logits against the light.

    Args:
        ratios: recipe name -> one ratio in decibels per group of images, brightest first.
        lights: what the groups are called.
    """
    lost = ratios["int8"][0] - ratios["int8"][-1]
    title = f"From light to dark int8's answers lose {lost:.0f} dB: the signal sinks into the noise"
    figure, ax = new(title=title, height=4.0)
    places = np.arange(len(lights))
    for name, values in ratios.items():
        ax.plot(places, values, "o-", color=COLORS[name], label=LABELS[name])
    # Each group has a quarter of the light of the one before: two bits.
    rule = ratios["int8"][1] - 2 * 20 * np.log10(2) * (places - 1)
    ax.plot(places, rule, ":", color=COLORS["muted"], label="6.02 dB for each halving of the light")
    ax.axhline(0, color=COLORS["error"], linewidth=1)
    ax.text(places[0], 1.2, "error as large as the signal", color=COLORS["error"], fontsize=9)
    ax.set_xticks(places, lights)
    ax.set(xlabel="exposure", ylabel="SQNR of the logits [dB]")
    ax.set_ylim(min(-6.0, min(ratios["int8"]) - 3), max(map(max, ratios.values())) + 4)
    figure.legend(loc="outside lower center", ncols=4)
    finish()


def levels_by_light(levels: Mapping[str, Sequence[float]], lights: Sequence[str]) -> None:
    """Draw how many of the integers an image uses, on a logarithmic axis.

    Args:
        levels: name -> the median number of different integers per group, brightest first.
        lights: what the groups are called.
    """
    few = levels["int8, one scale for all"][-1]
    title = f"With one scale for all, int8 leaves the darkest images {few:.0f} of 256 levels"
    _, ax = new(title=title, height=3.4)
    colors = dict(
        zip(levels, (COLORS["int8"], COLORS["dynamic_range"], COLORS["int16x8"]), strict=True)
    )
    for name, counts in levels.items():
        ax.plot(range(len(lights)), counts, "o-", color=colors[name], label=name)
    ax.set_yscale("log", base=2)
    ax.set_xticks(range(len(lights)), lights)
    ax.set(xlabel="exposure", ylabel="integers that enter\nthe dense layer (median)")
    ax.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    ax.legend(loc="lower left")
    finish()
