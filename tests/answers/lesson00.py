"""Wrong answers to the exercises of lesson 00, and part of the hint that each must get."""

from __future__ import annotations

WRONG = {
    "00.1": [
        ("largest", "the range that broke it"),
        ("lambda kernel: 6 * kernel.std()", "or beyond"),
        ("lambda kernel: np.quantile(np.abs(kernel), 0.999)", "still too far"),
        ("lambda kernel: 0.05 * kernel.std()", "too near"),
        ("lambda kernel: None", "add return"),
        ("lambda kernel: -1.0", "above 0"),
        ("lambda kernel: kernel.std(axis=0)", "one number"),
        ("affine.choose", "course's own function"),
        ("lambda kernel: affine.choose(-1, 1, 2).scale", "course's own function"),
        ("1.5", "Expected a function"),
    ],
    "00.2": [
        ("'scale'", "stretches"),
        ("'zero point'", "both signs"),
        ("'clipping'", "0.57"),
        ("'astype'", "Choose one of"),
        ("3", "Expected a text"),
    ],
    "00.3": [
        ("'float16'", "Count the bytes"),
        ("'dynamic int8'", "each input"),
        ("'binary'", "without training"),
        ("'int8'", "Choose one of"),
    ],
}
