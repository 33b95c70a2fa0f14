"""Wrong answers of lesson 09: (expression, part of the hint)."""

from __future__ import annotations

WRONG = {
    "09.1": [
        ("lambda offers: list(offers)", "It returns all"),
        ("lambda offers: ['A', 'B', 'C', 'E']", "is beaten"),
        ("lambda offers: ['A', 'C']", "is missing"),
        ("lambda offers: ['Z']", "Return names"),
        ("lambda offers: None", "returns nothing yet"),
        (
            "lambda offers: [n for n, (size, right) in offers.items() if not any("
            "s <= size and r >= right for m, (s, r) in offers.items() if m != n)]",
            "equal offers",
        ),
        ('["A"]', "a function"),
    ],
    "09.2": [
        ('"weights"', "good in every line"),
        ('"activations"', "No layer has run"),
        ('"output"', "handed down"),
        ('"labels"', "Choose one of"),
        ("5", "a text"),
    ],
    "09.3": [
        ('"int16x8"', "what does it cost"),
        ('"float16"', "Look into the table"),
        ('"dynamic_range"', "Look into the table"),
        ('"calibration"', "Leave the activations in float"),
        ('"int4"', "Choose one of"),
    ],
}
