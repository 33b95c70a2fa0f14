"""Wrong answers of lesson 09: (expression, part of the hint)."""

from __future__ import annotations

WRONG = {
    "09.1": [
        ("list(offers)", "These are all"),
        ('["A", "B", "D", "E"]', "B is beaten"),
        ('["A"]', "is missing"),
        ('["A", "Z"]', "none of the names"),
        ('"A"', "Expected a list"),
    ],
    "09.2": [
        ('"scores"', "came in with its input"),
        ('"input"', "smallest error"),
        ('"average"', "most noise come in"),
        ('"nobody"', "one of the names"),
    ],
    "09.3": [
        ("0.98 * 0.02 * (1.96 / 0.1) ** 2", "not 0.1"),
        ("0.98 * 0.02 * (1.96 / 0.002) ** 2", "half the interval"),
        ("0.98 * 0.02 / 0.001**2", "one standard deviation"),
        ("(0.98 * 0.02) ** 0.5 * 1.96 / 0.001", "Square"),
        ("0.98 * (1.96 / 0.001) ** 2", "p (1 - p)"),
        ("0.25 * (1.96 / 0.001) ** 2", "worst case"),
        ("10_000", "Solve"),
    ],
}
