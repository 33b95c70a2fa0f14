from __future__ import annotations

import json
import math
import subprocess
import sys
import time
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special, stats

from qhelpers.evaluation import metrics


def test_accuracy_counts_by_hand() -> None:
    outputs = np.array([[0.1, 0.9], [0.8, 0.2], [0.3, 0.7], [0.6, 0.4]])
    found = metrics.accuracy(outputs, np.array([1, 0, 0, 0]))
    assert (found.correct, found.n, found.value) == (3, 4, 0.75)
    assert metrics.accuracy(np.array([1, 0, 1, 0]), np.array([1, 0, 0, 0])) == found


def test_accuracy_reads_as_percent() -> None:
    labels = np.zeros(10000, int)
    found = metrics.accuracy((np.arange(10000) >= 9803).astype(int), labels)
    assert str(found) == "98.0 % [97.7, 98.3]"


def test_wilson_against_worked_values() -> None:
    # 10 of 20: centre 1/2, half = z / (2 sqrt(n + z^2)) with z = 1.959964, by hand.
    half = 1.959963984540054 / (2 * math.sqrt(20 + 1.959963984540054**2))
    assert metrics.wilson(10, 20) == pytest.approx((0.5 - half, 0.5 + half), abs=1e-12)
    # 0 of n: the upper end is z^2 / (n + z^2).
    assert metrics.wilson(0, 10) == pytest.approx((0.0, 3.8414588 / 13.8414588), abs=1e-7)
    assert metrics.wilson(10, 10)[1] == 1.0


@given(st.integers(1, 10_000), st.data())
def test_wilson_agrees_with_its_formula(n: int, data: st.DataObject) -> None:
    correct = data.draw(st.integers(0, n))
    z, share = 1.959963984540054, correct / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(share * (1 - share) / n + (z / (2 * n)) ** 2) / (1 + z * z / n)
    expected = (max(0, centre - half), min(1, centre + half))
    assert metrics.wilson(correct, n) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(("correct", "n"), [(0, 0), (5, 4), (-1, 4)])
def test_wilson_rejects_impossible_counts(correct: int, n: int) -> None:
    with pytest.raises(ValueError, match="must"):
        metrics.wilson(correct, n)


def test_flips_counts_changes_right_or_wrong() -> None:
    assert metrics.flips(np.array([1, 2, 3, 4]), np.array([1, 0, 3, 5])) == 2
    one_hot = np.eye(6)
    assert metrics.flips(one_hot[[1, 2, 3, 4]], one_hot[[1, 0, 3, 5]]) == 2


def _mcnemar(left: int, right: int, both: int = 3) -> metrics.McNemar:
    n = left + right + both
    reference = np.r_[np.zeros(left + both, int), np.ones(right, int)]
    other = np.r_[np.ones(left, int), np.zeros(both + right, int)]
    return metrics.mcnemar(reference, other, np.zeros(n, int))


def test_mcnemar_by_hand() -> None:
    # 5 against 0: both tails have probability 1/32 each.
    assert _mcnemar(5, 0) == metrics.McNemar(5, 0, 2 / 32)
    assert _mcnemar(2, 2).p_value == 1.0
    assert _mcnemar(0, 0).p_value == 1.0


@given(st.integers(0, 300), st.integers(0, 300))
def test_mcnemar_agrees_with_whole_numbers(left: int, right: int) -> None:
    found, n = _mcnemar(left, right), left + right
    assert (found.only_reference_right, found.only_other_right) == (left, right)
    tail = sum(math.comb(n, k) for k in range(min(left, right) + 1))
    assert found.p_value == pytest.approx(float(min(1, Fraction(2 * tail, 2**n))), rel=1e-9)


def test_mcnemar_with_many_disagreements() -> None:
    expected = 2 * stats.binom.cdf(4800, 10_000, 0.5)
    assert _mcnemar(4800, 5200).p_value == pytest.approx(expected, rel=1e-9)
    assert 0 <= _mcnemar(0, 9999).p_value < 1e-300


def test_mean_absolute_error_by_hand() -> None:
    assert metrics.mean_absolute_error(np.array([1, 2, 3]), np.array([1, 4, 0])) == 5 / 3
    unsigned = np.array([0], np.uint8), np.array([255], np.uint8)
    assert metrics.mean_absolute_error(*unsigned) == 255


def test_sqnr_by_hand() -> None:
    reference = np.array([3.0, 4.0])  # energy 25
    assert metrics.sqnr_db(reference, np.array([3.0, 4.5])) == pytest.approx(20.0)
    assert metrics.sqnr_db(reference, reference) == math.inf
    zero = np.zeros(2)
    assert metrics.sqnr_db(zero, zero) == math.inf
    assert metrics.sqnr_db(zero, reference) == -math.inf


def test_six_decibels_per_bit() -> None:
    x = np.random.default_rng(0).uniform(-1, 1, 100_000)
    found = [metrics.sqnr_db(x, np.round(x * 2**bits) / 2**bits) for bits in (7, 8)]
    assert found[1] - found[0] == pytest.approx(6.02, abs=0.05)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: metrics.accuracy(np.zeros(0), np.zeros(0)), "n > 0"),
        (lambda: metrics.accuracy(np.zeros((2, 2, 2)), np.zeros(2)), r"\[2, 2, 2\]"),
        (lambda: metrics.accuracy(np.zeros((3, 10)), np.zeros(2)), "3 predictions"),
        (lambda: metrics.accuracy(np.array([[np.nan, 1]]), np.zeros(1)), "NaN"),
        (lambda: metrics.flips(np.zeros(3), np.zeros(2)), "same images; got 3 and 2"),
        (lambda: metrics.mean_absolute_error(np.zeros(3), np.zeros((3, 1))), "shapes"),
        (lambda: metrics.latency({}), "at least one"),
    ],
)
def test_errors_say_what_was_wrong(call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


class _Clock:
    """A clock that only the timed calls move: the measurement's arithmetic without noise."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        self.log: list[str] = []
        monkeypatch.setattr(time, "perf_counter", lambda: self.now)

    def call(self, name: str, seconds: float):
        def once() -> None:
            self.now += seconds
            self.log.append(name)

        return once


def test_latency_in_turn_with_ratios(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = _Clock(monkeypatch)
    calls = {"a": clock.call("a", 0.004), "b": clock.call("b", 0.010), "c": clock.call("c", 0.002)}
    found = metrics.latency(calls, rounds=4)
    assert list(found) == ["a", "b", "c"]
    assert "".join(clock.log).endswith("abc" * 4)
    assert found["a"].ratio == found["a"].ratio_low == found["a"].ratio_high == 1.0
    assert found["b"].median_s == pytest.approx(0.010)
    assert (found["b"].ratio, found["c"].ratio) == pytest.approx((2.5, 0.5))


def test_latency_repeats_fast_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = _Clock(monkeypatch)
    metrics.latency({"fast": clock.call("f", 20e-6)}, rounds=1)
    warm_up = math.ceil(0.02 / 20e-6)
    assert len(clock.log) - warm_up == pytest.approx(100, abs=2)  # 2 ms


def test_latency_keeps_to_its_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = _Clock(monkeypatch)
    metrics.latency({"slow": clock.call("s", 0.25)}, rounds=25, budget_s=2.0)
    assert len(clock.log) == 1 + 8
    clock.log.clear()
    metrics.latency({"slower": clock.call("s", 1.0)}, rounds=25, budget_s=2.0)
    assert len(clock.log) == 1 + 5


def test_latency_of_real_calls() -> None:
    small, large = np.ones(10_000), np.ones(1_000_000)
    found = metrics.latency({"small": small.sum, "large": large.sum}, rounds=5)
    assert found["large"].ratio > 5
    assert found["large"].ratio_low <= found["large"].ratio <= found["large"].ratio_high


def test_cpu_name_falls_back(monkeypatch: pytest.MonkeyPatch) -> None:
    name = metrics.cpu_name()
    assert name
    assert name == " ".join(name.split())
    monkeypatch.setattr(sys, "platform", "plan9")
    monkeypatch.setattr("platform.processor", lambda: "")
    assert metrics.cpu_name() == "unknown CPU"


def test_import_brings_no_framework() -> None:
    code = (
        "import sys, json, qhelpers.evaluation.metrics, qhelpers.tflite.litert;"
        "import qhelpers.evaluation.scorecard;"
        "print(json.dumps([m for m in ('tensorflow', 'torch', 'keras') if m in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []


shares = st.lists(st.floats(0, 1), min_size=2, max_size=9)


@given(shares)
def test_mean_interval_is_students(values: list[float]) -> None:
    found = metrics.mean_interval(values)
    spread = np.std(values, ddof=1) / math.sqrt(len(values))
    half = special.stdtrit(len(values) - 1, 0.975) * spread
    low, high = np.mean(values) - half, np.mean(values) + half
    np.testing.assert_allclose((found.value, found.low, found.high), (np.mean(values), low, high))


def test_mean_interval_covers_the_truth_nineteen_times_of_twenty() -> None:
    runs = np.random.default_rng(0).normal(0.5, 0.1, (2000, 4))
    found = [metrics.mean_interval(list(run)) for run in runs]
    share = np.mean([one.low <= 0.5 <= one.high for one in found])
    assert share == pytest.approx(0.95, abs=0.02)


def test_mean_is_printed_in_percent() -> None:
    assert str(metrics.mean_interval([0.5, 0.5])) == "50.0 % [50.0, 50.0]"


@pytest.mark.parametrize("values", [[], [0.5], [0.5, float("nan")], [0.5, float("inf")]])
def test_too_little_to_say_anything(values: list[float]) -> None:
    with pytest.raises(ValueError, match="two finite numbers"):
        metrics.mean_interval(values)
