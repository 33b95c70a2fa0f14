"""Wrong answers to the exercises of lesson 00, and part of the hint that each must get."""

from __future__ import annotations

WRONG = {
    "00.1": [
        ("6 / 32", "Count the gaps"),
        ("3 / 31", "half a step"),
        ("4 / 31", "begins at -2"),
        ("6 / 5", "5 bits are not 5 levels"),
        ("0.19", "unrounded"),
        ("1.0", "width of the range"),
        ("'6/31'", "Expected a number"),
    ],
    "00.2": [
        ("np.array([2, 8, 19])", "clipped"),
        ("[3, 8, 15]", "do not cut the digits off"),
        ("[-3, 3, 14]", "zero point is missing"),
        ("[2.2, 8.3, 15.0]", "integers"),
        ("[1, 2, 3]", "in this order"),
        ("[2, 8]", "three integers"),
    ],
    "00.3": [
        ("lambda low, high, e: int(np.ceil(np.log2((high - low) / e + 1)))", "half a step at most"),
        ("lambda low, high, e: max(1, int(np.ceil(np.log2((high - low) / e / 2))))", "gaps"),
        ("lambda low, high, e: np.log2((high - low) / e / 2 + 1)", "Bits come whole"),
        ("lambda low, high, e: 16", "more bits than needed"),
        ("lambda low, high, e: 1", "too few"),
        ("lambda low, high, e: None", "add return"),
        ("7", "Expected a function"),
    ],
}
