"""The plots of lesson 00: pictures in few levels, the number line, the trade, the map."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.patches import FancyBboxPatch

from qhelpers.arithmetic import affine
from qhelpers.evaluation import metrics
from qhelpers.notebook.style import COLORS, finish, image, new

Array = npt.NDArray[Any]

# What each lesson of the map is about: number, place (column, row), name, its one idea.
_LESSONS = (
    ("00", 0, 1, "start here", "what it is,\nwhat it trades"),
    ("01", 1, 1, "float32", "the number that\nwe start from"),
    ("02", 2, 2, "dynamic range", "int8 weights, scales\nfrom each input"),
    ("03", 3, 2, "full integer", "calibrated once,\nintegers only"),
    ("04", 4, 2, "float16", "half the bits,\nstill floats"),
    ("05", 5, 2, "16x8", "finer activations\nwhere 8 bits fail"),
    ("06", 2, 0, "PyTorch static", "prepare, calibrate,\nconvert"),
    ("07", 3, 0, "quantization-\naware training", "learn with\nthe rounding on"),
    ("08", 4, 0, "below 8 bits", "4, 2, 1:\nwhere it breaks"),
    ("09", 5, 0, "choosing", "which one for\nwhich device"),
)


def pictures(rows: Mapping[str, Sequence[Array]], titles: Sequence[str], title: str) -> None:
    """Draw pictures in a grid.

    Args:
        rows: name of each row -> its pictures, each [height, width], all on the scale 0 to 1.
        titles: text above each column.
        title: the figure's message.
    """
    height = 0.7 + 1.75 * len(rows)
    _, axes = new(len(rows), len(titles), title, height, squeeze=False)
    for row, (line, (name, drawn)) in enumerate(zip(axes, rows.items(), strict=True)):
        for place, pixels, text in zip(line, drawn, titles, strict=True):
            image(place, pixels, "" if row else text, vmin=0, vmax=1)
        line[0].set_ylabel(name)
    finish()


def staircase(bits: Sequence[int]) -> None:
    """Draw what comes out against what goes in: 2^bits levels are 2^bits steps."""
    real = np.linspace(0, 1, 2001)
    _, axes = new(1, len(bits), "Each bit more doubles the number of levels", 2.9, sharey=True)
    for place, b in zip(axes, bits, strict=True):
        step = 1 / (2**b - 1)
        place.plot(real, real, color=COLORS["float32"], linewidth=0.8, label="exact")
        place.plot(real, np.rint(real / step) * step, color=COLORS["int8"], label=f"{2**b} levels")
        place.set(title=f"{b} bit{'s' * (b > 1)}", xlabel="real brightness", aspect="equal")
        place.legend(loc="upper left", handlelength=1.2)
    axes[0].set_ylabel("brightness after rounding")
    finish()


def number_line(
    bits: int = 3, low: float = -0.5, high: float = 1.0, symmetric: bool = False, real: float = 0.4
) -> None:
    """Draw which real numbers the integers stand for, and where one real number lands.

    Args:
        bits: 1 to 8.
        low: smallest real number of the range, at most 0.
        high: largest real number of the range, above 0.
        symmetric: zero_point 0, as for weights; 1 bit has no symmetric form.
        real: the number to quantize.
    """
    even = symmetric and bits > 1
    params = affine.choose(low, high, bits, signed=bits > 1, symmetric=even, narrow=even)
    integers = np.arange(params.qmin, params.qmax + 1)
    levels = affine.dequantize(integers, params)
    landed = int(affine.quantize(real, params))
    value = float(affine.dequantize(landed, params))
    kind = "cut off by" if abs(real - value) > 0.501 * float(params.scale) else "error"
    title = f"{real:.3f} becomes {landed}, which stands for {value:.3f} ({kind}"
    title += f" {abs(real - value):.3f})"
    _, axes = new(title=title, height=2.3)
    axes.axvspan(low, high, ymin=0.3, ymax=0.62, color=COLORS["highlight"], alpha=0.35, zorder=0)
    axes.vlines(levels, -0.12, 0.12, color=COLORS["int8"], linewidth=2 if bits < 6 else 0.7)
    for integer, level in zip(integers, levels, strict=True):
        if (integer - params.qmin) % max(1, len(levels) // 16) == 0 or integer == params.qmax:
            axes.text(level, -0.2, integer, ha="center", va="top", fontsize=8)
    axes.plot([0], [0], "o", color=COLORS["float32"], markersize=5)
    axes.annotate(
        "",
        (value, 0.12),
        (real, 0.62),
        arrowprops={"arrowstyle": "->", "color": COLORS["int16x8"], "linewidth": 2},
    )
    axes.text(real, 0.66, f"{real:.3f}", ha="center", color=COLORS["int16x8"], fontweight="bold")
    ends = [*levels, low, high, real]
    space = 0.04 * (max(ends) - min(ends))
    axes.set(xlim=(min(ends) - space, max(ends) + space), ylim=(-0.45, 0.95), yticks=[])
    axes.spines["left"].set_visible(False)
    axes.set_xlabel(
        f"real number (yellow: the range asked for; dot: 0.0)     "
        f"{bits} bit{'s' * (bits > 1)}, scale = {float(params.scale):.4f}, "
        f"zero point = {int(params.zero_point)}"
    )
    finish()


def sliders(draw: Callable[..., None], **ranges: Any) -> None:
    """Put sliders under a drawing where somebody can move them; say so where not.

    Args:
        draw: the function that draws.
        ranges: argument -> what `ipywidgets.interact` takes, such as (1, 8).
    """
    if importlib.util.find_spec("ipywidgets") is None:
        print("Sliders need ipywidgets (pip install ipywidgets); the figure above stands still.")
    elif not _somebody_is_there():
        print("Run this cell in JupyterLab, Colab or Binder: sliders appear here.")
    else:
        import ipywidgets

        slow = {"continuous_update": False}
        controls = {
            name: ipywidgets.FloatSlider(sum(span) / 2, min=span[0], max=span[1], step=0.05, **slow)
            if isinstance(span, tuple) and isinstance(span[0], float)
            else span
            for name, span in ranges.items()
        }
        ipywidgets.interact(draw, **controls)


def _somebody_is_there() -> bool:
    """Say whether a person may be in front of the notebook: front ends allow input, runners not."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    kernel = getattr(shell, "kernel", None)
    return "google.colab" in sys.modules or bool(getattr(kernel, "_allow_stdin", False))


def known_and_unknown(weights: Array, peaks: Array) -> None:
    """Draw the weights' values, fixed after training, beside the peak activation of each image."""
    _, (left, right) = new(1, 2, "A range known in advance, and one that each input sets anew", 2.8)
    left.hist(weights.ravel(), 80, color=COLORS["int16x8"])
    left.set(
        yscale="log", title="parameters: all weights of layer 1", xlabel="weight", ylabel="how many"
    )
    right.hist(peaks, 60, color=COLORS["pytorch_dynamic"])
    right.set(
        title="activations: the largest in each test image",
        xlabel="largest output of layer 1",
        ylabel="images",
    )
    finish()


def accuracy_by_bits(
    series: Mapping[str, Mapping[int, metrics.Accuracy]], reference: metrics.Accuracy, title: str
) -> None:
    """Draw accuracy with its interval against bits, one line for each of up to three series."""
    _, axes = new(title=title, height=3.0)
    axes.axhline(100 * reference.value, color=COLORS["float32"], linestyle="--", linewidth=1)
    axes.text(3.0, 100 * reference.value + 2, "float32", ha="right")
    for (name, points), shift in zip(series.items(), (-0.06, 0.0, 0.06), strict=False):
        place = np.arange(len(points)) + shift
        value, low, high = (
            np.array([100 * getattr(point, part) for point in points.values()])
            for part in ("value", "low", "high")
        )
        axes.errorbar(place, value, (value - low, high - value), fmt="o-", capsize=4, label=name)
        axes.set_xticks(range(len(points)), [f"{b} bit{'s' * (b > 1)}" for b in points])
    axes.set(ylabel="test accuracy (%)", ylim=(0, 108))
    axes.legend(loc="lower left")
    finish()


def energy(picojoules: Mapping[str, float]) -> None:
    """Draw the published energy of single operations as bars."""
    _, axes = new(title="Fetching from DRAM costs far more than computing", height=3.4)
    names, values = list(picojoules), list(picojoules.values())
    colors = [COLORS[{"i": "int8", "f": "float32"}.get(name[0], "int16x8")] for name in names]
    axes.barh(names, values, color=colors)
    for row, value in enumerate(values):
        axes.text(value * 1.15, row, f"{value:g}", va="center", fontsize=9)
    axes.set(
        xscale="log",
        xlim=(0.01, 8000),
        xlabel="estimated energy in picojoules (45 nm, 0.9 V; Horowitz 2014), log scale",
    )
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    finish()


def trade(points: Mapping[str, tuple[int, metrics.Accuracy]], title: str) -> None:
    """Draw accuracy with its interval against bytes; the top left corner is where one wants to be.

    Args:
        points: name -> bytes, accuracy; a name with "during" in it is drawn as another kind.
        title: the figure's message.
    """
    _, axes = new(title=title, height=3.3)
    for name, (size, got) in points.items():
        during = "during" in name
        color = COLORS["pytorch_dynamic"] if during else COLORS["int16x8"]
        spread = [[100 * (got.value - got.low)], [100 * (got.high - got.value)]]
        axes.errorbar(
            size, 100 * got.value, spread, fmt="s" if during else "o", capsize=4, color=color
        )
        axes.annotate(
            name, (size, 100 * got.value), (7, -12), textcoords="offset points", fontsize=9
        )
    axes.set(xscale="log", xlabel="bytes of all parameters, log scale", ylabel="test accuracy (%)")
    axes.set(xlim=(2000, 250_000), ylim=(0, 108))
    finish()


def course_map() -> None:
    """Draw the lessons as boxes along the path of the course."""
    _, axes = new(title="The map: one idea per lesson", height=3.9)
    axes.set(xlim=(-0.55, 5.55), ylim=(-0.62, 2.72))
    axes.axis("off")
    for number, x, y, name, idea in _LESSONS:
        box = FancyBboxPatch(
            (x - 0.42, y - 0.42),
            0.84,
            0.84,
            boxstyle="round,pad=0,rounding_size=0.08",
            facecolor="#EAF2F8",
            edgecolor=COLORS["int16x8"],
            linewidth=1.3,
        )
        axes.add_patch(box)
        axes.text(x, y + 0.28, number, ha="center", va="center", color=COLORS["muted"], fontsize=9)
        axes.text(x, y + 0.06, name, ha="center", va="center", fontweight="bold", fontsize=8.5)
        axes.text(x, y - 0.25, idea, ha="center", va="center", fontsize=8)
    arrow = {"arrowstyle": "->", "color": COLORS["muted"], "linewidth": 1.3}
    paths = [((0.43, 1), (0.57, 1)), ((1.3, 1.44), (1.57, 1.85)), ((1.3, 0.56), (1.57, 0.15))]
    paths += [((x + 0.43, y), (x + 0.57, y)) for y in (0, 2) for x in (2, 3, 4)]
    for start, end in paths:
        axes.annotate("", end, start, arrowprops=arrow)
    axes.text(1.58, 2.55, "TensorFlow and LiteRT: five ways to convert one network", fontsize=9)
    axes.text(1.58, 0.55, "PyTorch, fewer bits, and the choice", fontsize=9)
    finish()
