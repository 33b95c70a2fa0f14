"""What repeated runs say together: the mean, and how far luck may have moved it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Mean:
    """The mean of `n` runs with its 95 % interval, in the unit of the runs."""

    value: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        value, low, high = (100 * share for share in (self.value, self.low, self.high))
        return f"{value:.1f} % [{low:.1f}, {high:.1f}]"


def mean(values: Sequence[float]) -> Mean:
    """Return the mean of repeated runs with Student's 95 % interval.

    Args:
        values: one number for each run, such as accuracies (shares of 1) with different seeds.

    Returns:
        The mean, and mean ± t * standard deviation / sqrt(n); printed in percent.

    Raises:
        ValueError: fewer than two runs, or NaN: nothing says how far they scatter.

    Source: Student (W. S. Gosset), "The Probable Error of a Mean", Biometrika 6 (1908).
    """
    from scipy.special import stdtrit

    n = len(values)
    if n < 2 or not all(map(math.isfinite, values)):
        raise ValueError(f"an interval needs two finite numbers or more; got {list(values)}.")
    centre = math.fsum(values) / n
    variance = math.fsum((value - centre) ** 2 for value in values) / (n - 1)
    half = float(stdtrit(n - 1, 0.975)) * math.sqrt(variance / n)
    return Mean(centre, centre - half, centre + half, n)
