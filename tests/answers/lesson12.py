"""Wrong answers of lesson 12: (expression, part of the hint)."""

from __future__ import annotations

_LOG = "np.log2(np.abs(block).max())"

WRONG = {
    "12.1": [
        (f"lambda block: np.floor({_LOG})", "reaches further"),
        (f"lambda block: np.ceil({_LOG}) - 2", "Down, not up"),
        (f"lambda block: np.floor({_LOG} - np.log2(6))", "Not 6 counts"),
        (f"lambda block: {_LOG} - 2", "has a whole exponent"),
        (f"lambda block: 2.0 ** (np.floor({_LOG}) - 2)", "return its exponent"),
        (f"lambda block: np.floor({_LOG}) - 2 + 127", "without the bias"),
        ("lambda block: np.floor(np.log2(block.max())) - 2", "largest magnitude is -5"),
        ("lambda block: 0", "Wrong where"),
        ("lambda block: block", "raised"),
        ("lambda block: None", "returns nothing yet"),
        ("4", "a function"),
    ],
    "12.2": [
        ("'scale'", "do to a zero"),
        ("'saturation'", "the largest numbers alone"),
        ("'byte order'", "no order to mistake"),
        ("'bias'", "Choose one of"),
    ],
    "12.3": [
        ("['E4M3', 'E4M3', 'E5M2']", "1: the crest factor"),
        ("['int8', 'int8', 'E5M2']", "2: the largest sets the step"),
        ("['int8', 'E5M2', 'E5M2']", "2: a narrower range"),
        ("['int8', 'E4M3', 'E4M3']", "3: count the powers"),
        ("['int8', 'E4M3']", "a list of 3"),
    ],
}
