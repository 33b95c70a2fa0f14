"""Figures of lesson 08: cliffs, clipping, shifted logits, nibbles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.ticker import NullFormatter, NullLocator

from qhelpers.data import Array
from qhelpers.evaluation.metrics import Accuracy
from qhelpers.notebook import journey
from qhelpers.notebook.style import COLORS, bits, finish, new

Curve = Mapping[int, Accuracy]  # bits -> accuracy

_LINES = ("int16x8", "int8", "float16")
_MARKERS = "osD"
_TICKS = (99, 98, 97, 95, 90, 80, 50, 10)


def cliffs(panels: Mapping[str, Mapping[str, Curve]], baseline: Accuracy, title: str) -> None:
    """Draw accuracy against bits, with 95 % intervals: title of a panel -> name -> curve.

    The axis is logarithmic in the share of wrong answers: from 99 to 97 % there is as much room as
    from 30 to 10 %.
    """
    _, all_axes = new(1, len(panels), title, height=4.2, sharey=True, squeeze=False)
    for ax, (name, curves) in zip(all_axes[0], panels.items(), strict=True):
        ax.axhspan(_wrong(baseline.low), _wrong(baseline.high), color=COLORS["grid"])
        ax.axhline(_wrong(baseline.value), color=COLORS["float32"], linewidth=1, label="float32")
        shifts = np.linspace(-0.12, 0.12, len(curves)) if len(curves) > 1 else (0.0,)
        looks = zip(curves.items(), shifts, _LINES, _MARKERS, strict=False)
        for (label, curve), shift, color, marker in looks:
            shares = [(s.high, s.value, s.low) for s in curve.values()]
            low, value, high = np.vectorize(_wrong)(shares).T
            style = {"color": COLORS[color], "marker": marker, "markersize": 5, "capsize": 2}
            places = np.array(list(curve)) + shift
            ax.errorbar(places, value, yerr=[value - low, high - value], label=label, **style)
        ax.set_yscale("log")
        ax.set(title=name, xlabel="bits", xlim=(8.4, 0.6), ylim=(96, 1), xticks=range(8, 0, -1))
        ax.yaxis.set_minor_locator(NullLocator())
        ax.yaxis.set_minor_formatter(NullFormatter())
        ax.set_yticks([100 - tick for tick in _TICKS], [f"{tick}" for tick in _TICKS])
        ax.legend(loc="lower left")
    all_axes[0, 0].set_ylabel("right answers [%] (log scale of the wrong)")
    finish()


def _wrong(share: float) -> float:
    """Return the wrong answers in percent, at least 0.1: the axis is logarithmic."""
    return max(0.1, 100 * (1 - share))


def clipping(panels: Mapping[str, tuple[Array, Array, Array]]) -> None:
    """Draw rounding error, clipping error and their sum against where the range is cut off.

    Panels: title -> (clipping points as shares of the largest weight, rounding, clipping), the
    errors as shares of the weights' own mean square.
    """
    best = {name: shares[np.argmin(a + b)] for name, (shares, a, b) in panels.items()}
    (first, few), *_, (last, most) = best.items()
    title = f"best at {few:.0%} of the largest weight with {first}, at {most:.0%} with {last}"
    _, both = new(1, len(panels), f"The fewer bits, the more it pays to clip: {title}", height=3.5)
    for ax, (name, (shares, rounding, cut)) in zip(both, panels.items(), strict=True):
        total, place = rounding + cut, best[name]
        ax.plot(100 * shares, 100 * rounding, "--", color=COLORS["int16x8"], label="rounding")
        ax.plot(100 * shares, 100 * cut, ":", color=COLORS["int8"], label="clipping")
        ax.plot(100 * shares, 100 * total, color=COLORS["text"], label="sum")
        ax.plot(100 * place, 100 * total.min(), "o", color=COLORS["error"], label="smallest")
        ax.set(title=name, xlabel="range [% of largest]", xlim=(0, 103))
        ax.set_ylim(0, 100 * min(1.0, 3 * max(total[-1], total.min())))
    both[0].set_ylabel("error [% of the weights' power]")
    both[1].legend(loc="upper right")
    finish()


def levels(weights: Array, ends: Mapping[str, float]) -> None:
    """Draw weights, any shape, and over them the three levels of 2 bits: -end, 0 and end.

    The ends are given by the title of each panel.
    """
    # Up to half a step from 0, a weight becomes 0.
    lost = {name: float((np.abs(weights) <= end / 2).mean()) for name, end in ends.items()}
    first, last = list(lost.values())[:: len(lost) - 1]
    title = f"Three levels: placed badly, {first:.0%} of the weights become 0; well, {last:.0%}"
    _, panels = new(1, len(ends), title, height=2.8, sharey=True)
    for ax, (name, end) in zip(panels, ends.items(), strict=True):
        ax.hist(weights.ravel(), 100, color=COLORS["int16x8"])
        ax.axvspan(-end / 2, end / 2, color=COLORS["highlight"], alpha=0.3, zorder=0)
        for level in (-end, 0.0, end):
            ax.axvline(level, color=COLORS["int8"], linewidth=2.5)
        ax.set(title=f"range by the {name}", xlabel="weight (orange: levels; yellow: becomes 0)")
    panels[0].set_ylabel("how many weights")
    finish()


def shifts(errors: Array) -> None:
    """Draw how far each logit is off, [n, 10]: a dot for each image, a bar for the mean."""
    means = errors.mean(axis=0)
    digit = int(np.abs(means).argmax())
    title = f"Each logit has an error that all images share: for digit {digit}, {means[digit]:+.1f}"
    _, ax = new(title=title, height=3.2)
    places = np.arange(errors.shape[1])
    jitter = np.random.default_rng(0).uniform(-0.25, 0.25, errors.shape)
    ax.plot(places + jitter, errors, ".", color=COLORS["int16x8"], markersize=3, alpha=0.35)
    ax.hlines(means, places - 0.4, places + 0.4, color=COLORS["error"], linewidth=3, label="mean")
    ax.axhline(0, color=COLORS["float32"], linewidth=1)
    ax.set(xlabel="digit", ylabel="error of its logit", xticks=places)
    ax.legend(loc="upper right", ncols=2)
    finish()


def nibbles(integers: Sequence[int]) -> None:
    """Draw how an even number of 4-bit integers lie in bytes, the first in the low half."""
    text = ", ".join(map(str, integers))
    _, ax = new(title=f"{text}: two integers in a byte, the first in the low half", height=1.9)
    for row, (low, high) in enumerate(zip(integers[::2], integers[1::2], strict=True)):
        halves = [(high, "exponent"), (low, "fraction")]
        groups = [(f"{n}", f"{n & 15:04b}", COLORS[color]) for n, color in halves]
        bits(ax, groups, row, name=f"byte {row} = {(high & 15) << 4 | (low & 15)}")
    finish()


def path(row: tuple[Array, Array, float, float], features: Array) -> None:
    """Draw four 4-bit weights of one output on their way to its logit.

    The row is the output's weights [n] as floats and as integers, its scale and its bias; the
    layer reads features [n], float32.
    """
    real, integers, scale, bias = row
    some = journey.telling(real, features)
    total = float(integers @ features)
    logit = scale * total + bias
    journey.draw(
        real[some],
        [f"{n & 15:04b} = {n}" for n in integers[some]],
        products=f"{total:,.1f}",
        rescaled=f"x {scale:.4f}\n{bias:+.3f}",
        result=f"{logit:.2f}",
        types={"weights": "float32", "stored": "int4", "sum": "float32"},
        active="stored",
        title=f"In 4 bits the logit {real @ features + bias:.2f} becomes {logit:.2f}",
        of=len(real),
        captions={"rescaled": "x scale, plus bias", "result": "logit"},
    )
