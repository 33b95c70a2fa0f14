"""The plot of deep dive 22: what narrow sums cost."""

from __future__ import annotations

from collections.abc import Mapping

from qhelpers.notebook import style


def overflow(errors: Mapping[tuple[str, str], float]) -> None:
    """Draw the error of the logits for 8 and 7 bits, added in 32 bits or, in pairs, in 16.

    Args:
        errors: (bits of activations, bits of sums) -> mean error of a logit.
    """
    title = "Pairs of products added in 16 bits: 8-bit activations lose, 7-bit ones do not"
    _, axes = style.new(1, 1, title, height=2.7)
    names = [f"{bits}, added in {width}" for bits, width in errors]
    colors = [style.COLORS["int16x8" if "8" in bits else "int8"] for bits, _ in errors]
    bars = axes.barh(names, list(errors.values()), color=colors, height=0.6)
    axes.bar_label(bars, fmt="%.3f", padding=3)
    axes.set_xlabel("mean error of a logit (shorter is better)")
    axes.invert_yaxis()
    axes.set_xlim(0, max(errors.values()) * 1.15)
    axes.grid(visible=False, axis="y")
    style.finish()
