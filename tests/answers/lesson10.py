"""Wrong answers of lesson 10: (expression, part of the hint)."""

from __future__ import annotations

WRONG = {
    "10.1": [
        ("lambda real, s, z: (np.clip(np.rint(real / s), -128, 127)) * s", "zero point is missing"),
        ("lambda real, s, z: np.rint(real / s) * s", "no int8 is so large"),
        ("lambda real, s, z: np.clip(np.rint(real / s) + z, -128, 127)", "These are the integers"),
        ("lambda real, s, z: (np.clip(real // s + z, -128, 127) - z) * s", "became"),
        ("lambda real, s, z: 0.0", "one value for each"),
        ("lambda real, s, z: None", "returns nothing yet"),
        ("0.5", "a function"),
    ],
    "10.2": [
        ('"square"', "clean"),
        ('"cube"', "ruined already"),
        ('"convolution"', "ruined already"),
        ('"normalized"', "ruined further up"),
        ('"bias"', "Choose one of"),
    ],
    "10.3": [
        ('"mended"', "in float"),
        ('"dynamic"', "floats"),
        ('"percentile"', "cleverer range"),
        ('"retrain"', "data and days"),
        ("16", "a text"),
    ],
}
