"""Figures of lesson 04: three layouts, their gaps, errors of weights, sums, and where it breaks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from qhelpers.notebook import style

Array = npt.NDArray[Any]

# Fraction bits, smallest and largest power of two of the normal numbers, colour.
_FORMATS = {
    "bfloat16": (7, -126, 127, "pytorch_dynamic"),
    "float16": (10, -14, 15, "float16"),
    "float32": (23, -126, 127, "float32"),
}


def layouts(number: float) -> None:
    """Draw one number as float32, float16 and bfloat16, bit by bit.

    Args:
        number: normal in all three.
    """
    wide = f"{int(np.float32(number).view(np.uint32)):032b}"
    half = f"{int(np.float16(number).view(np.uint16)):016b}"
    bits = int(np.float32(number).view(np.uint32))
    brain = f"{(bits + 0x7FFF + ((bits >> 16) & 1)) >> 16:016b}"
    _, axes = style.new(
        title=f"{number:g} three times: float16 cuts exponent and fraction, bfloat16 only the "
        "fraction",
        height=2.6,
    )
    for row, (name, text, exponent) in enumerate(
        (("float32", wide, 8), ("float16", half, 5), ("bfloat16", brain, 8))
    ):
        fraction = len(text) - 1 - exponent
        groups = [
            ("", text[0], style.COLORS["sign"]),
            (f"{exponent} exponent", text[1 : 1 + exponent], style.COLORS["exponent"]),
            (f"{fraction} fraction", text[1 + exponent :], style.COLORS["fraction"]),
        ]
        style.bits(axes, groups, row=row, name=name)
    axes.set_xlim(-5, 32.5)
    style.finish()


def spacing() -> None:
    """Draw the gap to the next number against magnitude, for the three formats."""
    _, axes = style.new(
        title="float16 is finer than bfloat16 in the middle, and gone outside", height=3.8
    )
    for name, (fraction, lowest, highest, color) in _FORMATS.items():
        first, last = max(-32, lowest - fraction), min(24, highest)
        powers: Array = np.arange(first, last + 1)
        gaps = 2.0 ** (np.maximum(powers, lowest) - fraction)
        edges = 2.0 ** np.append(powers, powers[-1] + 1)
        axes.stairs(gaps, edges, baseline=None, color=style.COLORS[color], linewidth=2)
        axes.text(edges[-1] * 1.3, gaps[-1], name, color=style.COLORS[color], va="center")
    for x, text, y, where in (
        (2.0**-24, "$2^{-24}$: smallest\nsubnormal", 2.0**18, "top"),
        (2.0**-14, "$2^{-14}$: smallest\nnormal", 2.0**18, "top"),
        (65504.0, "65,504:\nlargest", 2.0**-51, "bottom"),
    ):
        axes.axvline(x, color=style.COLORS["float16"], linestyle=":", linewidth=1)
        axes.text(x * 1.4, y, text, va=where, fontsize=8)
    axes.set(xlabel="magnitude of the number", ylabel="gap to the next number")
    axes.set(xlim=(2.0**-32, 2.0**32), ylim=(2.0**-52, 2.0**19))
    axes.set_xscale("log", base=2)
    axes.set_yscale("log", base=2)
    style.finish()


def weight_errors(weights: Array) -> None:
    """Draw each weight's relative error in float16 against its size.

    Args:
        weights: [n] float32, none of them zero.
    """
    size = np.abs(weights)
    error = np.abs(weights.astype(np.float16).astype(np.float32) - weights) / size
    small = int((size < 2.0**-14).sum())
    _, axes = style.new(
        title=f"{len(size) - small:,} normal weights stay below one part in 2,048; "
        f"{small} subnormal ones may not",
        height=3.4,
    )
    axes.plot(
        size,
        np.maximum(error, 2.0**-24),
        ".",
        color=style.COLORS["float16"],
        markersize=2,
        alpha=0.5,
        rasterized=True,
    )
    axes.axhline(2.0**-11, color=style.COLORS["error"], linewidth=1.5)
    axes.text(size.max(), 2.0**-10.8, "$2^{-11}$", color=style.COLORS["error"], ha="right")
    axes.axvspan(size.min() / 2, 2.0**-14, color=style.COLORS["grid"], alpha=0.6)
    axes.text(2.0**-14.2, 2.0**-22.8, "subnormal", ha="right", color=style.COLORS["muted"])
    axes.set_xscale("log", base=2)
    axes.set_yscale("log", base=2)
    axes.set(xlabel="size of the weight", ylabel="relative error", xlim=(size.min() / 2, None))
    style.finish()


def running_error(errors: Mapping[str, Array]) -> None:
    """Draw how the error of a running sum grows with the products added.

    Args:
        errors: name of the accumulator -> [n] mean absolute error after each product.
    """
    last = {name: float(error[-1]) for name, error in errors.items()}
    ratio = last["float16"] / last["float32"]
    _, axes = style.new(
        title=f"Same float16 products: in a float16 sum the error ends {ratio:,.0f} times larger",
        height=3.2,
    )
    for name, error in errors.items():
        steps = np.arange(1, len(error) + 1)
        axes.plot(steps, np.where(error > 1e-9, error, np.nan), color=style.COLORS[name])
        axes.text(steps[-1] * 1.01, error[-1], f"{name} sum", va="center", fontsize=9)
    axes.set(xlabel="products added", ylabel="mean error of the sum", yscale="log")
    axes.set_xlim(0, len(error) * 1.15)
    style.finish()


def sweep(shifts: Sequence[int], accuracies: Sequence[float], baseline: float) -> None:
    """Draw accuracy against the factor that was moved from one layer into the other.

    Args:
        shifts: powers of two.
        accuracies: of the float16 weights, shares of 1, one for each shift.
        baseline: of the float32 weights, the same for all.
    """
    good = [s for s, a in zip(shifts, accuracies, strict=True) if a >= baseline - 0.01]
    _, axes = style.new(
        title=f"The same function, rescaled: float16 bears factors from $2^{{{good[0]}}}$ "
        f"to $2^{{{good[-1]}}}$",
        height=3.2,
    )
    axes.axhline(100 * baseline, color=style.COLORS["float32"], label="float32 weights")
    axes.plot(
        shifts,
        100 * np.asarray(accuracies),
        "o-",
        color=style.COLORS["float16"],
        markersize=4,
        label="float16 weights",
    )
    axes.set(
        xlabel="k: convolution times $2^k$, dense layer divided by $2^k$",
        ylabel="accuracy (%), 250 images",
        ylim=(0, 105),
    )
    axes.legend(loc="lower center")
    style.finish()


def stall(sums: Mapping[str, Array], summand: float) -> None:
    """Draw running sums of one small number in several types.

    Args:
        sums: name of the type -> [n] running sum.
        summand: what is added again and again.
    """
    stop = float(sums["float16"][-1])
    _, axes = style.new(
        title=f"Adding {summand:g} again and again: the float16 sum stops at {stop:g}", height=2.8
    )
    for name, values in sums.items():
        axes.plot(np.arange(1, len(values) + 1), values, color=style.COLORS[name])
        axes.text(len(values) * 1.01, float(values[-1]), name, va="center", fontsize=9)
    axes.set(xlabel="numbers added", ylabel="running sum", xlim=(0, len(values) * 1.12))
    style.finish()
