"""Wrong answers of lesson 13: (expression, part of the hint)."""

from __future__ import annotations

WRONG = {
    "13.1": [
        ("lambda p, w: p.astype(int) @ w.astype(int)", "exact sums"),
        ("lambda p, w: (p.astype(int) @ w.astype(int)).clip(-32768, 32767)", "the whole sum"),
        ("lambda p, w: (p.astype(int) @ w.astype(int)).astype(np.int16)", "Widen to int64"),
        ("lambda p, w: p.sum()", "One sum for each"),
        ("lambda p, w: None", "returns nothing yet"),
        ("5", "a function"),
    ],
    "13.2": [
        ("['no kernel', 'shared step', 'batch statistics']", "its step"),
        ("['shared step', 'batch statistics', 'no kernel']", "complain about"),
        ("['shared step', 'no kernel', 'shared step']", "its company"),
        ("['shared step', 'no kernel']", "a list of 3"),
        ("['weights', 'weights', 'weights']", "each one of"),
    ],
    "13.3": [
        ("'engine'", "reads the desktop's bytes"),
        ("'calibration'", "in the file"),
        ("'weights'", "in the file"),
        ("'crop'", "Choose one of"),
    ],
}
