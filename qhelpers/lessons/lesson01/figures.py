"""Figures of lesson 01: the bits of a float, two rulers, what a file is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from qhelpers.arithmetic import float_formats
from qhelpers.notebook import style


def fields(numbers: Sequence[float]) -> None:
    """Draw float32 numbers as bits, a row each, with what each field stands for.

    Args:
        numbers: normal numbers.
    """
    _, axes = style.new(
        title="32 bits in three fields: which side of zero, which power of two, how far",
        height=0.5 + 0.85 * len(numbers),
    )
    for row, number in enumerate(numbers):
        parts = float_formats.fields32(number)
        sign, exponent, fraction = str(parts).split()
        share = parts.fraction / 2**23
        power = parts.exponent - 127
        style.bits(
            axes,
            [
                ("sign", sign, style.COLORS["sign"]),
                (f"exponent: {parts.exponent} - 127 = {power}", exponent, style.COLORS["exponent"]),
                (
                    f"fraction: {share:g}   so it is   "
                    f"{'-' if parts.sign else ''}$2^{{{power}}}$ x {1 + share:g} = {number:g}",
                    fraction,
                    style.COLORS["fraction"],
                ),
            ],
            row=row,
            name=f"{number:g}",
        )
    axes.set_xlim(-3.5, 32.5)
    style.finish()


def rulers(fraction_bits: int = 3) -> None:
    """Draw the numbers of a toy float beside those of an integer grid, from 0 to 8.

    Args:
        fraction_bits: of the toy float; its numbers double their distance at each power of two.
    """
    powers = [2.0**k for k in range(-4, 3)]
    steps = np.arange(2**fraction_bits) / 2**fraction_bits
    toy = np.concatenate([power * (1 + steps) for power in powers])
    grid = np.linspace(0, 8, len(toy) + 1)
    _, axes = style.new(
        title="Floats crowd around zero, an integer grid is even",
        height=2.2,
    )
    rows = (
        (1, toy, f"float, {fraction_bits} fraction bits", "float32"),
        (0, grid, "integers times a scale", "int8"),
    )
    for y, marks, label, color in rows:
        axes.vlines(marks, y - 0.3, y + 0.3, color=style.COLORS[color], linewidth=1)
        axes.text(8.15, y, label, va="center")
    axes.set(xlim=(-0.1, 10.6), ylim=(-0.6, 1.6), yticks=[], xticks=range(9), xlabel="value")
    axes.grid(visible=False)
    axes.spines["left"].set_visible(False)
    style.finish()


def file_map(parts: Mapping[str, int], total: int) -> None:
    """Draw what the bytes of a file are: its largest tensors, and everything else.

    Args:
        parts: bytes of each tensor by label, the largest first.
        total: the file's size in bytes.
    """
    rest = total - sum(parts.values())
    entries = [*parts.items(), ("everything else: names, shapes, operations", rest)]
    share = max(parts.values()) / total
    _, axes = style.new(
        title=f"One tensor is {share:.0%} of the file; {rest:,} bytes are no parameters at all",
        height=2.4,
    )
    names = [name for name, _ in entries][::-1]
    sizes = [size for _, size in entries][::-1]
    colors = [style.COLORS["muted"], *[style.COLORS["float32"]] * len(parts)]
    axes.barh(names, sizes, color=colors, height=0.65)
    for y, size in enumerate(sizes):
        axes.text(size + total * 0.01, y, f"{size:,}", va="center")
    axes.set(xlim=(0, total * 1.12), xlabel="bytes")
    axes.grid(visible=False, axis="y")
    style.finish()
