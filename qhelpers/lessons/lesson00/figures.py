"""The plots of lesson 00: pictures in few levels, the number line, marks under weights, the map."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from matplotlib.patches import FancyBboxPatch

from qhelpers.arithmetic import affine
from qhelpers.data import Array
from qhelpers.lessons.lesson00 import network
from qhelpers.notebook import journey, progress
from qhelpers.notebook.style import COLORS, finish, image, new

# The map: group and its colour -> lessons and their one idea.
_GROUPS = {
    ("the walk", "int16x8"): {
        "00 start here": "what it is,\nwhat it trades",
        "01 float32": "the baseline",
        "02 dynamic range": "scales from\neach input",
        "03 full integer": "calibrated,\nintegers only",
        "04 float16": "half the bits",
        "05 16x8": "finer\nactivations",
        "06 PyTorch": "prepare, calibrate,\nconvert",
    },
    ("further", "int8"): {
        "07 QAT": "quantization-\naware training",
        "08 below 8 bits": "where it breaks,\nwhat holds it",
        "09 choosing": "which one for\nwhich device",
        "10 real network": "find what breaks,\nmend it",
        "11 language": "int4 in groups,\nGPTQ",
        "12 small floats": "FP8, MXFP4,\nNVFP4",
        "13 clinic": "eight failures,\ntheir cures",
        "14 challenge": "a budget,\ntwo traps",
    },
    ("deep dives", "float16"): {
        "20 LiteRT engines": "one file,\nfour roundings",
        "21 order of sums": "floats differ in\nthe last bit",
        "22 PyTorch engines": "value for value",
    },
}


def pictures(rows: Mapping[str, Array], quantize: Callable[[Array, int], Array]) -> None:
    """Draw pictures, name -> [height, width] from 0 to 1, in float32 and in ever fewer levels.

    `quantize` turns (picture, bits) into the picture in 2**bits levels.
    """
    title = "You can still read it when each pixel holds a single bit"
    _, axes = new(len(rows), 5, title, 0.7 + 1.75 * len(rows), squeeze=False)
    for row, (name, picture) in enumerate(rows.items()):
        image(axes[row, 0], picture, "" if row else "float32")
        axes[row, 0].set_ylabel(name)
        for place, bits in zip(axes[row, 1:], (8, 4, 2, 1), strict=True):
            text = "" if row else f"{bits} bit{'s' * (bits > 1)}, {2**bits} levels"
            image(place, quantize(picture, bits), text)
    finish()


def number_line(
    bits: int = 3, low: float = -0.5, high: float = 1.0, real: float = 0.7, symmetric: bool = False
) -> None:
    """Draw which real numbers the integers of 1 to 8 bits stand for, and where `real` lands.

    The range goes from `low`, at most 0, to `high`, above 0. `symmetric` is zero point 0, as for
    weights; 1 bit has no symmetric form.
    """
    even = symmetric and bits > 1
    params = affine.choose(low, high, bits, signed=bits > 1, symmetric=even, narrow=even)
    integers = np.arange(params.qmin, params.qmax + 1)
    levels = affine.dequantize(integers, params)
    landed = int(affine.quantize(real, params))
    value = float(affine.dequantize(landed, params))
    kind = "cut off by" if abs(real - value) > 0.501 * float(params.scale) else "error"
    becomes = f"{real:.3f} becomes {landed}, which stands for {value:.3f}"
    _, axes = new(title=f"{becomes} ({kind} {abs(real - value):.3f})", height=2.3)
    axes.axvspan(low, high, ymin=0.3, ymax=0.62, color=COLORS["highlight"], alpha=0.35, zorder=0)
    axes.vlines(levels, -0.12, 0.12, color=COLORS["int8"], linewidth=2 if bits < 6 else 0.7)
    for integer, level in zip(integers, levels, strict=True):
        # Every mark has its label as long as they fit; then every second, fourth, eighth ...
        if (integer - params.qmin) % max(1, len(levels) // 16) == 0:
            axes.text(level, -0.2, integer, ha="center", va="top", fontsize=8)
    axes.plot([0], [0], "o", color=COLORS["float32"], markersize=5)
    axes.text(0, 0.2, f"zero point {int(params.zero_point)}", ha="center", fontsize=8)
    arrow = {"arrowstyle": "->", "color": COLORS["int16x8"], "linewidth": 2}
    axes.annotate("", (value, 0.12), (real, 0.62), arrowprops=arrow)
    axes.text(real, 0.66, f"{real:.3f}", ha="center", color=COLORS["int16x8"], fontweight="bold")
    ends = [*levels, low, high, real]
    space = 0.04 * (max(ends) - min(ends))
    axes.set(xlim=(min(ends) - space, max(ends) + space), ylim=(-0.45, 0.95))
    axes.set_yticks([-0.26], ["integers"])
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")
    axes.spines["left"].set_visible(False)
    scale = f"{bits} bit{'s' * (bits > 1)}, scale = {float(params.scale):.4f}"
    axes.set_xlabel(f"real number (yellow: the range asked for)     {scale}")
    finish()


def sliders(draw: Callable[..., None], start: Mapping[str, Any]) -> None:
    """Put sliders under `number_line`'s drawing where somebody can move them: start by argument."""
    colab = "google.colab" in sys.modules
    # Front ends allow input, and what runs notebooks without a person does not.
    if importlib.util.find_spec("ipywidgets") is None:
        print("Sliders need ipywidgets (pip install ipywidgets); the figure above stands still.")
    elif not colab and not getattr(progress.kernel(), "_allow_stdin", False):
        print("Run this cell in JupyterLab, Colab or Binder: sliders appear here.")
    else:
        import ipywidgets

        limits = {"low": (-2.0, 0.0, 0.05), "high": (0.1, 2.0, 0.05), "real": (-2.0, 2.0, 0.05)}
        sliders = ipywidgets.interact(draw, bits=(1, 8), **limits).widget.children[:4]
        for slider in sliders:  # a drawing takes longer than a move
            slider.value, slider.continuous_update = start[slider.description], False


def marks(kernel: Array, reach: float) -> None:
    """Draw the weights of a kernel, any shape, and over them the marks -reach, 0 and reach."""
    # Beyond half a step from 0, a weight goes to an outer mark.
    share = float((np.abs(kernel) <= reach / 2).mean())
    title = f"Marks up to the largest weight: {100 * share:.1f} % of the weights (yellow) go to 0"
    _, axes = new(title=title, height=2.7)
    axes.hist(kernel.ravel(), 120, color=COLORS["int16x8"])
    for value in (-reach, 0.0, reach):
        axes.axvline(value, color=COLORS["int8"], linewidth=2.5, zorder=0.6)  # behind the bars
    largest = kernel.flat[np.abs(kernel).argmax()]
    arrow = {"arrowstyle": "->", "color": COLORS["text"]}
    where = {"xytext": (0.72 * largest, 0.3), "textcoords": ("data", "axes fraction")}
    axes.annotate("the largest\nweight", (largest, 0), ha="center", arrowprops=arrow, **where)
    axes.axvspan(-reach / 2, reach / 2, color=COLORS["highlight"], alpha=0.3, zorder=0)
    axes.set(xlabel="weight of layer 1 (orange: the three marks)", ylabel="how many weights")
    finish()


def path(net: network.Net, rounded: network.Net, image: Array) -> None:
    """Draw how three weights of a network, see `network.forward`, become one number in 2 bits.

    It is the score of the likeliest digit of the image, [28, 28] float32; the kernels of `rounded`,
    the same network, hold -scale, 0 and scale.
    """
    real = network.forward(net, image[None])[1][0]
    hidden, logits = (values[0] for values in network.forward(rounded, image[None]))
    digit = int(real.argmax())
    scale = float(np.abs(rounded["kernel2"]).max())
    integers = np.rint(rounded["kernel2"][:, digit] / scale)
    weights = net["kernel2"][:, digit]
    chosen = np.argsort(weights)[[0, -6, -1]]
    score = f"{float(logits[digit]):.2f}"
    journey.draw(
        weights[chosen],
        [f"{integer:.0f}" for integer in integers[chosen]],
        products=f"{float(hidden @ integers):.3f}",
        rescaled=f"x {scale:.3f}\n{float(rounded['bias2'][digit]):+.3f}",
        result=score,
        types=dict.fromkeys(journey.STAGES, "float32") | {"stored": "2 bits"},
        active="stored",
        title=f"In 2 bits the score of the digit {digit} is {score}; "
        f"in float32 it was {float(real[digit]):.2f}",
        of=len(hidden),
        captions={"rescaled": "x scale, plus bias", "result": "score"},
    )


def course_map() -> None:
    """Draw the lessons as boxes, a row for each group."""
    _, axes = new(title="The map: one idea a lesson, in three groups", height=4.0)
    axes.set(xlim=(-0.05, 8.05), ylim=(-0.15, 3.3))
    axes.axis("off")
    for row, ((group, color), lessons) in enumerate(_GROUPS.items()):
        y = 2.2 - 1.12 * row
        axes.text(0.05, y + 0.85, group, va="bottom", fontweight="bold", color=COLORS["text"])
        for x, (lesson, idea) in enumerate(lessons.items()):
            number, _, name = lesson.partition(" ")
            face = "#D6EAF8" if number == "00" else "white"  # you are here
            look: dict[str, Any] = {
                "fc": face,
                "ec": COLORS[color],
                "boxstyle": "round,pad=0,rounding_size=0.06",
            }
            axes.add_patch(FancyBboxPatch((x + 0.04, y), 0.92, 0.8, linewidth=1.6, **look))
            middle = {"x": x + 0.5, "ha": "center", "va": "center"}
            axes.text(y=y + 0.68, s=number, color=COLORS["muted"], fontsize=9, **middle)
            axes.text(y=y + 0.5, s=name, fontweight="bold", fontsize=7, **middle)
            axes.text(y=y + 0.2, s=idea, fontsize=7, **middle)
    axes.text(3.2, 0.36, "for those who want every bit", color=COLORS["muted"], va="center")
    finish()
