"""The look of every figure of the course: colours, sizes, and the drawings that lessons share."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from cycler import cycler
from matplotlib.colors import to_rgb
from matplotlib.patches import Rectangle

# Okabe and Ito (2008), "Color Universal Design": told apart with any kind of colour vision.
COLORS: dict[str, str] = {
    "float32": "#000000",
    "dynamic_range": "#56B4E9",
    "int8": "#D55E00",
    "float16": "#009E73",
    "int16x8": "#0072B2",
    "pytorch_float": "#5A5A5A",
    "pytorch_static": "#CC79A7",
    "pytorch_dynamic": "#E69F00",
    "error": "#AA1144",
    "highlight": "#F0E442",
    "sign": "#CC79A7",
    "exponent": "#56B4E9",
    "fraction": "#E69F00",
    "text": "#222222",
    "muted": "#6E6E6E",
    "grid": "#DDDDDD",
}
"""Colour of each model and of each role in a figure."""

# A tick's number, as matplotlib writes it: with a minus sign of its own, or as a power.
_NUMBER = re.compile(r"[-−]?[\d.,]*%?|\$.*\$")
_CYCLE = ("int16x8", "int8", "float16", "pytorch_static", "pytorch_dynamic", "dynamic_range")


def use() -> None:
    """Set matplotlib's defaults to the style of the course."""
    plt.rcParams.update(
        {
            "figure.figsize": (9.0, 3.2),  # the column of a notebook, in inches
            "figure.dpi": 110,
            # White, not transparent: black axes would vanish on a dark theme.
            "figure.facecolor": "white",
            "axes.facecolor": "white",
            "axes.titlesize": 10,
            "xtick.labelsize": 9,
            "ytick.labelsize": 9,
            "legend.fontsize": 9,
            "figure.titleweight": "bold",
            "axes.titlelocation": "left",
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.edgecolor": COLORS["muted"],
            "axes.labelcolor": COLORS["text"],
            "text.color": COLORS["text"],
            "xtick.color": COLORS["text"],
            "ytick.color": COLORS["text"],
            "axes.grid": True,
            "axes.axisbelow": True,
            "grid.color": COLORS["grid"],
            "grid.linewidth": 0.6,
            "lines.linewidth": 1.8,
            "legend.frameon": False,
            "image.interpolation": "nearest",
            "axes.prop_cycle": cycler(color=[COLORS[name] for name in _CYCLE]),
        }
    )


def new(
    rows: int = 1, cols: int = 1, title: str = "", height: float = 3.2, width: float = 9, **kw: Any
) -> tuple[Any, Any]:
    """Make a figure with constrained layout and a bold title, wrapped, at the left.

    Height and width are the whole figure's, in inches; `kw` goes to `plt.subplots`, whose result
    is returned: the figure, and one Axes or an array of them.
    """
    figure, axes = plt.subplots(rows, cols, layout="constrained", figsize=(width, height), **kw)
    if title:
        # A bold letter of 12 points is about 0.1 inches wide.
        lines = textwrap.fill(title, int(width * 10))
        figure.suptitle(lines, x=0.01, ha="left")
    return figure, axes


def finish() -> None:
    """Show the figure, described in words; without a display, leave it for `plt.gcf()`.

    A notebook shows the description where it cannot show a picture, and a reader of screens reads
    it: it is the output's plain text, and its metadata's `alt`.
    """
    backend = plt.get_backend().lower()
    if "inline" in backend:
        from IPython.core.pylabtools import print_figure
        from IPython.display import display

        figure = plt.gcf()
        text = described(figure)
        picture = print_figure(figure, base64=True)  # type: ignore[no-untyped-call]
        shown, metadata = {"image/png": picture, "text/plain": text}, {"image/png": {"alt": text}}
        display(shown, raw=True, metadata=metadata)  # type: ignore[no-untyped-call]
        plt.close(figure)
    elif backend != "agg":
        plt.show()


def described(figure: Any) -> str:
    """Say in words what a figure shows: its titles, axes, names and what is written in it."""
    said = [figure.get_suptitle()]
    for axes in figure.axes:
        titles = [axes.get_title(loc) for loc in ("left", "center", "right")]
        across, up = axes.get_xlabel(), axes.get_ylabel()
        names = axes.get_legend_handles_labels()[1] if axes.get_legend() else []
        written = [text.get_text() for text in axes.texts]
        for axis in (axes.xaxis, axes.yaxis):  # names of bars and rows, not numbers
            ticks = [tick.get_text() for tick in axis.get_ticklabels()]
            names += [tick for tick in ticks if not _NUMBER.fullmatch(tick)]
        parts = [*titles, across and f"across: {across}", up and f"up: {up}"]
        parts += [", ".join(names), textwrap.shorten(" ".join(written), 200, placeholder=" ...")]
        said.append("; ".join(part for part in parts if part))
    return " | ".join(" ".join(part.split()) for part in said if part)


def image(axes: Any, pixels: Any, title: str = "", vmin: float = 0, vmax: float = 1) -> None:
    """Draw [height, width] in gray, from black for `vmin` to white for `vmax`, without ticks."""
    axes.imshow(pixels, cmap="gray", vmin=vmin, vmax=vmax)
    _without_ticks(axes)
    axes.set_title(title, loc="center")


def annotated(axes: Any, matrix: Any, fmt: str, **kw: Any) -> Any:
    """Draw a matrix [rows, columns] as a heat map with its numbers in the cells; return the image.

    Values of both signs get a diverging map around zero, the others one that grows darker; `fmt`
    is the numbers' format, such as ".2f" or "d", and `kw` goes to `imshow`.
    """
    values = np.asarray(matrix)
    reach = float(np.abs(values).max())
    signed = values.min() < 0 < values.max()
    colors = {"cmap": "PuOr", "vmin": -reach, "vmax": reach} if signed else {"cmap": "Blues"}
    drawn = axes.imshow(values.astype(np.float64), **(colors | kw))
    middle = {"ha": "center", "va": "center", "fontsize": 9}
    for (row, column), value in np.ndenumerate(values):
        ink = _ink(drawn.cmap(drawn.norm(float(value))))
        axes.text(column, row, format(value.item(), fmt), color=ink, **middle)
    _without_ticks(axes)
    return drawn


def bits(axes: Any, groups: Sequence[Sequence[str]], row: int = 0, name: str = "") -> None:
    """Draw a row of coloured boxes, one per bit, with a label below each group.

    Groups are (label, bits) or (label, bits, colour), such as ("exponent", "01111111"); without a
    colour it is that of `COLORS[label]`, else grey. Rows count from the top, from 0; `name` stands
    at the left of one. Nothing but rows belongs into the axes.
    """
    left, top = 0, -2.2 * row
    for label, digits, *given in groups:
        color = given[0] if given else COLORS.get(label, COLORS["grid"])
        for offset, digit in enumerate(digits):
            x = left + offset
            box = Rectangle((x, top), 1, 1, facecolor=color, edgecolor="white", linewidth=1.5)
            axes.add_patch(box)
            ink = _ink(to_rgb(color))
            axes.text(x + 0.5, top + 0.5, digit, ha="center", va="center", color=ink)
        axes.text(left + len(digits) / 2, top - 0.15, label, ha="center", va="top", fontsize=9)
        left += len(digits)
    if name:
        axes.text(-0.4, top + 0.5, name, ha="right", va="center", fontweight="bold")
    # A second row must not cut off a first that was longer.
    axes.set_xlim(-0.2, max(left + 0.2, axes.get_xlim()[1]))
    axes.set_ylim(min(top - 1.0, axes.get_ylim()[0]), 1.1)
    axes.set_aspect("equal")
    axes.axis("off")


def _without_ticks(axes: Any) -> None:
    """Take ticks and grid away and close the frame: the axes hold a picture."""
    axes.set(xticks=[], yticks=[])
    axes.grid(visible=False)
    for spine in axes.spines.values():
        spine.set(visible=True, color=COLORS["muted"], linewidth=0.8)


def _ink(background: Sequence[float]) -> str:
    """Return black or white, whichever is easier to read on an sRGB colour (WCAG 2.1)."""
    channels = np.asarray(background[:3], dtype=np.float64)
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return "black" if linear @ (0.2126, 0.7152, 0.0722) > 0.179 else "white"
