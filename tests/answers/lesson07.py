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
        ("beta", "mean is missing"),
        ("beta + mean * gamma / np.sqrt(variance + eps)", "sign"),
        ("beta - mean", "multiplied by gamma"),
        ("beta - mean / np.sqrt(variance + eps)", "gamma is missing"),
        ("beta - mean * gamma", "standard deviation"),
        ("beta - mean * gamma / (variance + eps)", "square root"),
        ("gamma / np.sqrt(variance + eps)", "factor of the weights"),
        ("-mean * gamma / np.sqrt(variance + eps)", "beta is missing"),
        ("beta * 3 + 1", "Put x = 0"),
        ("[0.5, 0.25]", "one bias for each".capitalize()),
    ],
    "07.3": [
        ("bias / (input_scale * weight_scale)", "round them"),
        ("np.trunc(bias / (input_scale * weight_scale))", "cut off"),
        ("np.rint(bias / (input_scale * weight_scale) * output_scale)", "after the sum"),
        ("np.rint(bias / weight_scale)", "One scale alone"),
        ("np.rint(bias / input_scale)", "One scale alone"),
        ("np.rint(bias / output_scale)", "One scale alone"),
        ("np.rint(bias / (input_scale * weight_scale) / output_scale)", "comes later"),
        ("bias", "one unit of the sum"),
        ("[1, 2]", "One integer for each"),
    ],
}
