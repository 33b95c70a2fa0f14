"""Figures of lesson 05: a note that fades, and how well each file cleans it."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from qhelpers.data import Array
from qhelpers.lessons.lesson05.notes import EDGES, RATE
from qhelpers.notebook import journey
from qhelpers.notebook.style import COLORS, finish, new
from qhelpers.tflite.litert import LiteModel

_LABELS = {"dynamic_range": "dynamic range", "int8": "full integer (int8)", "int16x8": "16x8"}
_LABELS["input"] = "before cleaning"


def fading(sounds: Mapping[str, Array]) -> None:
    """Draw sounds [n], and 20 ms of them enlarged from sample 1000 on: name -> -1 to 1."""
    tail, end, zoom = 1000, 1000 + RATE // 50, 30
    title = "From the peak to a thousandth of it: loud and quiet share one clip"
    _, axes = new(len(sounds), 2, title, height=3.7, sharex="col", squeeze=False)
    for row, (name, samples) in zip(axes, sounds.items(), strict=True):
        color = COLORS.get(name, COLORS["muted"])
        time = 1000 * np.arange(len(samples)) / RATE
        row[0].plot(time, samples, color=color, linewidth=0.7)
        row[1].plot(time[tail:end], samples[tail:end], color=color, linewidth=0.7)
        row[0].set(ylabel=_LABELS.get(name, name), ylim=(-1.05, 1.05))
        row[1].set(ylim=(-1 / zoom, 1 / zoom))
    axes[0, 1].set_title(f"20 ms farther on, {zoom} times larger")
    for axis in axes[-1]:
        axis.set_xlabel("time [ms]")
    finish()


def play(sounds: Mapping[str, Array]) -> None:
    """Show a player for each sound: name -> samples [n]; each is brought to full volume."""
    from IPython.display import Audio, display

    for name, samples in sounds.items():
        print(f"{_LABELS.get(name, name)}:", flush=True)
        display(Audio(samples, rate=RATE))  # type: ignore[no-untyped-call]


def quiet_end(sounds: Mapping[str, Array], first: int) -> None:
    """Draw quiet ends, name -> samples [n], that begin at sample `first`, on one scale."""
    title = "The quiet end: int8 falls silent, 16x8 goes on"
    _, axes = new(len(sounds), 1, title, height=0.9 * len(sounds) + 0.9, sharex=True, sharey=True)
    for axis, (name, samples) in zip(axes, sounds.items(), strict=True):
        time = 1000 * (first + np.arange(len(samples))) / RATE
        axis.plot(time, samples, color=COLORS.get(name, COLORS["muted"]), linewidth=0.8)
        axis.set_ylabel(_LABELS.get(name, name), rotation=0, ha="right", va="center")
    axes[0].set_ylim(-0.02, 0.02)
    axes[-1].set_xlabel("time [ms]")
    finish()


def by_loudness(ratios: Mapping[str, Sequence[float]]) -> None:
    """Draw signal over error: recipe, or "input" -> decibels for each band of `notes.EDGES`."""
    _, axis = new(title="int8 loses the quiet end, 16x8 follows float32 to the last", height=3.6)
    places = range(len(EDGES) - 1)
    styles = {"float32": "-", "float16": "--", "int16x8": ":", "input": "-."}
    for name, values in ratios.items():
        width = {"float32": 9, "float16": 2.5, "int16x8": 4}.get(name, 1.8)
        style: dict[str, Any] = {"color": COLORS.get(name, COLORS["muted"]), "linewidth": width}
        # Three lines lie on each other: the first is wide and pale.
        style |= {"label": _LABELS.get(name, name), "alpha": 0.25 if width == 9 else 1}
        axis.plot(places, values, styles.get(name, "o-"), **style)
    axis.set_xticks(places, [f"{low:g} to {high:g}" for high, low in itertools.pairwise(EDGES)])
    axis.set_xlabel("loudness of the passage, as a share of the clip's peak")
    axis.set_ylabel("signal over error [dB]")
    axis.legend(loc="lower left")
    finish()


def path(one: Mapping[str, Any], total: int, number: int, lite: LiteModel) -> None:
    """Draw the journey of `notes.one_number`: the sum of its products, and what that becomes."""
    last = [step for step in lite.operations if step.name == "CONV_2D"][-1]
    kernel = np.asarray(one["kernel"]).ravel()
    some = kernel[np.abs(kernel).argsort()[[-1, -5, -20, -60]]]
    journey.draw(
        lite.tensors[last.inputs[1]].scales[0] * some.astype(np.float32),
        [str(weight) for weight in some],
        products=f"{total:,}",
        rescaled=f"x {one['multiplier']:.6g}",
        result=f"{number:,}\n(is {number * lite.tensors[last.outputs[0]].scales[0]:.3f})",
        types={"stored": "int8", "sum": "int64", "rescaled": "rounded", "result": "int16"},
        active=("sum", "result"),
        of=len(kernel),
        captions={"rescaled": "scaled", "result": "sample"},
        title="16x8: weights as in int8, wider sums, finer numbers",
        color=COLORS["int16x8"],
    )
