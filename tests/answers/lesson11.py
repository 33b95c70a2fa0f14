"""Wrong answers of lesson 11: (expression, part of the hint)."""

from __future__ import annotations

WRONG = {
    "11.1": [
        ("lambda e, h: e * h[0, 1] / h[1, 1]", "wrong way"),
        ("lambda e, h: -e * h[0, 1] / h[0, 0]", "curvature of the first"),
        ("lambda e, h: -e * h[0, 1] / (2 * h[1, 1])", "factor of 2"),
        ("lambda e, h: -2 * e * h[0, 1] / h[1, 1]", "factor of 2"),
        ("lambda e, h: -h[0, 1] / h[1, 1]", "However large"),
        ("lambda e, h: -e * h[0, 1]", "steep valley"),
        ("lambda e, h: 0.0", "nothing is compensated"),
        ("lambda e, h: -e", "minimum elsewhere"),
        ("lambda e, h: h[0]", "one number"),
        ("lambda e, h: None", "returns nothing yet"),
        ("0.5", "a function"),
    ],
    "11.2": [
        ('"bits"', "no more than 16"),
        ('"scales"', "stretch a group"),
        ('"calibration"', "which level"),
        ('"damping"', "Choose one of"),
    ],
    "11.3": [
        ('"int8, cache int8"', "above 8 GB"),
        ('"int4, cache float16"', "too large"),
        ('"int2, cache float16"', "2 bits"),
        ("4", "a text"),
    ],
}
