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
        ('"not calibrated"', "every scale would be 1"),
        ('"training mode"', "neither dropout nor"),
        ('"not fused"', "printed layers"),
        ('"too few images"', "Which reals"),
        ('"engine"', "Choose one of"),
    ],
    "06.3": [
        ('["PT2E, compiled", "PT2E, compiled", "quantize_"]', "like with like"),
        ('["float32, compiled", "PT2E, compiled", "PT2E, compiled"]', "nobody can calibrate"),
        ('["quantize_", "PT2E, compiled", "quantize_"]', "what does quantize_ do"),
        ('["float32, compiled", "float32, compiled", "quantize_"]', "beaten by far"),
        ('["float32, compiled"]', "list of 3"),
        ('["a", "b", "c"]', "one of"),
    ],
}
