"""Wrong answers of lesson 07: (expression, part of the hint)."""

from __future__ import annotations

WRONG = {
    "07.1": [
        ("lambda g, x, s, lo, hi: g * 0", "rounding's own gradient"),
        ("lambda g, x, s, lo, hi: g", "pass everything on"),
        (
            "lambda g, x, s, lo, hi: 1.0 * ((np.rint(x / s) >= lo) & (np.rint(x / s) <= hi))",
            "Multiply by the gradient",
        ),
        (
            "lambda g, x, s, lo, hi: g * ((np.rint(x / s) < lo) | (np.rint(x / s) > hi))",
            "Turned round",
        ),
        (
            "lambda g, x, s, lo, hi: s * g * ((np.rint(x / s) >= lo) & (np.rint(x / s) <= hi))",
            "No scale here",
        ),
        ("lambda g, x, s, lo, hi: g * ((x >= lo) & (x <= hi))", "are integers"),
        (
            "lambda g, x, s, lo, hi: g * ((np.rint(x / s) > lo) & (np.rint(x / s) < hi))",
            "outermost levels",
        ),
        ("lambda g, x, s, lo, hi: g * ((x / s >= lo) & (x / s <= hi))", "after rounding"),
        ("lambda g, x, s, lo, hi: g + 7", "Where round"),
        ("lambda g, x, s, lo, hi: g.sum()", "One gradient for each x"),
        ("lambda g, x: g", "raised TypeError"),
    ],
    "07.2": [
        ('"images"', "images=5000"),
        ('"histogram"', "histogram=False"),
        ('"per_channel"', "Turn it off"),
        ('"x86"', "Choose one of"),
    ],
    "07.3": [
        ('["train", "ranges", "train"]', "what is there to repair"),
        ('["nothing", "train", "train"]', "needs no labels"),
        ('["nothing", "nothing", "train"]', "which kind of range"),
        ('["nothing", "ranges", "ranges"]', "left untried"),
        ('["nothing"]', "list of 3"),
        ('["a", "b", "c"]', "one of"),
    ],
}
