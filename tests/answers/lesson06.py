"""Wrong answers of lesson 06: (expression, part of the hint)."""

from __future__ import annotations

WRONG = {
    "06.1": [
        ("[(high - low) / 255, round(-low * 255 / (high - low))]", "256 levels"),
        ("[(high - low) / 128, 17]", "127 steps"),
        ("[max(-low, high) / 127, 0]", "symmetric"),
        ("[high / 127, 0]", "begins at low"),
        ("[127 / (high - low), 17]", "units per step"),
        ("[round((high - low) / 127, 4), 17]", "rounded"),
        ("[1.0, 0]", "width of the range"),
        ("[(high - low) / 127, round(low * 127 / (high - low))]", "sign"),
        ("[(high - low) / 127, -low * 127 / (high - low)]", "is an integer"),
        ("[(high - low) / 127, 0]", "counts the steps"),
        ("[(high - low) / 127]", "Two numbers"),
        ("(high - low) / 127", "Expected a list"),
    ],
    "06.2": [
        ("integers[3]", "still the integers"),
        ("integers[3] / scales[3]", "Divided"),
        ("integers[3] * scales[0]", "row 0"),
        ("integers[3] * scales.mean()", "mean of all scales"),
        ("integers[3] * 0.5", "integers[3] and scales[3]"),
        ("integers * scales[3]", "One row has 784"),
    ],
    "06.3": [
        ("4 * (784 * 128 + 128 * 10 + 138)", "float32 network"),
        ("784 * 128 + 128 * 10", "biases are missing"),
        ("784 * 128 + 128 * 10 + 138", "not int8"),
        ("8 * (784 * 128 + 128 * 10 + 4 * 138)", "bits"),
        ("784 * 128 + 128 * 10 + 4 * 128", "second layer"),
        ("len(saved(quantized))", "Too many"),
        ("784 * 128", "Too few"),
    ],
    "06.4": [
        ("int((9077 - 0.6 / 1e-4) * 0.01) + 12", "Truncated"),
        ("round((9077 - 0.6 / 1e-4) * 0.01)", "zero point is missing"),
        ("round((9077 - 0.6) * 0.01) + 12", "Where is the bias"),
        ("round((9077 - 0.6 / 1e-4) * 1e-4) + 12", "How many steps"),
        ("9077", "Bring the bias"),
        ("43.0", "Expected"),
    ],
}
