"""The checks of lesson 09: the Pareto front, a broken file, a decision."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from qhelpers.notebook.exercises import Verdict, choice, exercise, hint, right

Offers = Mapping[str, tuple[int, int]]

_OFFERS: Offers = {"A": (20, 910), "B": (24, 905), "C": (30, 930), "D": (30, 920), "E": (80, 935)}
_TWINS: Offers = {"A": (20, 910), "B": (20, 910), "C": (25, 905)}


def pareto_front(offers: Offers) -> list[str]:
    """Return the names of the offers, name -> (bytes, right answers), that no other one beats."""

    def beaten(mine: tuple[int, int]) -> bool:
        return any(
            size <= mine[0] and right_ones >= mine[1] and (size, right_ones) != mine
            for size, right_ones in offers.values()
        )

    return [name for name, offer in offers.items() if not beaten(offer)]


@exercise("09.1", expects="callable")
def front(answer: Callable[[Offers], Any]) -> Verdict:
    """Check a function that returns the names on the Pareto front."""
    found = answer(dict(_OFFERS))
    given = set(found)
    if given == set(_OFFERS):
        return hint("It returns all. Leave out what another one beats: no larger, no less right.")
    if not given <= set(_OFFERS):
        return hint(f"Return names, such as 'A'; got {sorted(map(str, given))}.")
    best = set(pareto_front(_OFFERS))
    if given != best:
        extra, missing = sorted(given - best), sorted(best - given)
        name = (extra or missing)[0]
        mine = _OFFERS[name]
        what = "is beaten: which one?" if extra else "is missing, and none beats it."
        return hint(f"{name} with (bytes, right) = {mine} {what} Offers were {dict(_OFFERS)}.")
    if set(answer(dict(_TWINS))) != set(pareto_front(_TWINS)):
        return hint("Two equal offers do not beat each other: one must be better in something.")
    return right("For each of these, smaller means fewer right answers: there is a choice.")


choice(
    "09.2",
    ["calibration"],
    "At the input nothing but rounding should happen: its range is wrong.",
    {
        "weights": "The column for the weights is good in every line.",
        "activations": "Which line is the first that is bad? No layer has run there yet.",
        "output": "The last line has an error, and most of it was handed down.",
    },
)


choice(
    "09.3",
    ["weights"],
    "With activations in float the error stays: it is the weights'.",
    {
        "int16x8": "What does it win over int8 in decibels, and what does it cost?",
        "float16": "Look into the table: what does this board do with it?",
        "calibration": "Leave the activations in float: how much of the error is gone?",
        "dynamic_range": "Look into the table: can this board run it?",
    },
)
