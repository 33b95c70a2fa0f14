from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from qhelpers.evaluation import repeats

shares = st.lists(st.floats(0, 1), min_size=2, max_size=9)


@given(shares)
def test_same_interval_as_scipy(values):
    found = repeats.mean(values)
    sem = stats.sem(values)
    low, high = (
        stats.t.interval(0.95, len(values) - 1, np.mean(values), sem) if sem else (found.value,) * 2
    )
    assert found.n == len(values)
    np.testing.assert_allclose((found.value, found.low, found.high), (np.mean(values), low, high))


def test_it_covers_the_truth_nineteen_times_of_twenty():
    runs = np.random.default_rng(0).normal(0.5, 0.1, (2000, 4))
    found = [repeats.mean(list(run)) for run in runs]
    share = np.mean([one.low <= 0.5 <= one.high for one in found])
    assert share == pytest.approx(0.95, abs=0.02)


def test_printed_in_percent():
    assert str(repeats.mean([0.5, 0.5])) == "50.0 % [50.0, 50.0]"


@pytest.mark.parametrize("values", [[], [0.5], [0.5, float("nan")], [0.5, float("inf")]])
def test_too_little_to_say_anything(values):
    with pytest.raises(ValueError, match="two finite numbers"):
        repeats.mean(values)
