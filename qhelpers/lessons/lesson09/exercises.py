"""The checks of lesson 09: the Pareto front, the tensor at fault, the images that it takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qhelpers.notebook.exercises import Verdict, exercise, hint, right


@exercise("09.1", list)
def front(answer: list[Any], offers: Mapping[str, tuple[float, float]]) -> Verdict:
    """Check the names that no other offer (kilobytes, accuracy) beats."""
    unknown = [name for name in answer if name not in offers]
    if unknown:
        return hint(f"{unknown[0]!r} is none of the names; they are {', '.join(offers)}.")
    best = {
        name
        for name, (size, share) in offers.items()
        if not any(s <= size and a >= share and (s, a) != (size, share) for s, a in offers.values())
    }
    given = set(answer)
    if given == best:
        return right(
            "For each of these, smaller means less accurate: there is something to choose."
        )
    if given == set(offers):
        return hint("These are all. Leave out what another one beats: no larger, no less accurate.")
    extra, missing = sorted(given - best), sorted(best - given)
    if extra:
        return hint(f"{extra[0]} is beaten: another one is no larger and no less accurate.")
    return hint(
        f"{missing[0]} is missing. Which other one is no larger than it, and no less accurate?"
    )


@exercise("09.2", str)
def culprit(answer: str, decibels: Mapping[str, float]) -> Verdict:
    """Check the name of the tensor at which most noise was added."""
    if answer not in decibels:
        return hint(f"Give one of the names: {', '.join(decibels)}.")
    names, noise = list(decibels), [10 ** (-value / 10) for value in decibels.values()]
    added = {
        name: after - before
        for name, before, after in zip(names[1:], noise, noise[1:], strict=False)
    }
    worst = max(added, key=lambda name: added[name])
    if answer == worst:
        return right(f"{added[worst]:.2%} of the signal comes in there, and is handed on.")
    if answer == min(decibels, key=lambda name: decibels[name]):
        return hint("It has the largest error, but most of it came in with its input.")
    if answer == max(decibels, key=lambda name: decibels[name]):
        return hint("More decibels are better: this one has the smallest error of all.")
    return hint("Compare each tensor with the one before it: where does most noise come in?")


@exercise("09.3", float)
def images_needed(answer: float) -> Verdict:
    """Check how many images give an interval of 0.1 points to either side at 98 %."""
    spread = 0.98 * 0.02
    expected = spread * (1.96 / 0.001) ** 2
    if abs(answer / expected - 1) < 0.03:
        return right(
            f"About {expected:,.0f}: ten times better costs a hundred times as many images. "
            "Comparing two models image by image (McNemar) needs far fewer."
        )
    wrong = {
        spread * (1.96 / 0.1) ** 2: "0.1 points are 0.001 of 1, not 0.1.",
        spread * (1.96 / 0.002) ** 2: "0.1 points to either side: that is half the interval.",
        spread * (1 / 0.001) ** 2: "This is one standard deviation; 95 % take 1.96 of them.",
        spread**0.5 * 1.96 / 0.001: "That is the root of it: n stands below a root. Square.",
        0.98 * (1.96 / 0.001) ** 2: "The spread is p (1 - p), not p.",
        0.25 * (1.96 / 0.001) ** 2: "That is for p = 0.5, the worst case. Here p is 0.98.",
    }
    for value, why in wrong.items():
        if answer > 0 and abs(answer / value - 1) < 0.03:
            return hint(why)
    return hint("Solve 1.96 * sqrt(p * (1 - p) / n) = 0.001 for n, with p = 0.98.")
