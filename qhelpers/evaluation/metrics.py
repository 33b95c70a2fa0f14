"""What a model is worth: accuracy, flips, errors, and latency as a ratio."""

from __future__ import annotations

import contextlib
import math
import platform
import subprocess
import sys
import time
import timeit
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import special

Array = npt.NDArray[Any]

_CONFIDENCE = 0.95
_SAMPLE_S = 0.002  # far above the clock's resolution and a call's overhead
_WARM_UP_S = 0.02
_MIN_ROUNDS = 5


@dataclass(frozen=True)
class Interval:
    """A share of 1 with its 95 % interval; printed in percent."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        value, low, high = (100 * share for share in (self.value, self.low, self.high))
        return f"{value:.1f} % [{low:.1f}, {high:.1f}]"


@dataclass(frozen=True)
class Accuracy(Interval):
    """The share of right answers: `correct` of `n`."""

    correct: int
    n: int


@dataclass(frozen=True)
class McNemar:
    """How often only one of two models is right, and how likely so uneven a split is by chance."""

    only_reference_right: int
    only_other_right: int
    p_value: float


@dataclass(frozen=True)
class Latency:
    """One call's median time in seconds, and the ratio to the first model's with its quartiles."""

    median_s: float
    ratio: float
    ratio_low: float
    ratio_high: float


def predictions(outputs: Array) -> Array:
    """Return the class of each row: the argmax of outputs [n, classes]; [n] stay as they are."""
    outputs = np.asarray(outputs)
    if outputs.ndim not in (1, 2) or len(outputs) == 0:
        raise ValueError(f"outputs must be [n, classes] or [n], n > 0; got {list(outputs.shape)}.")
    if outputs.dtype.kind == "f" and np.isnan(outputs).any():
        raise ValueError("outputs hold NaN: the model's numbers overflowed on the way.")
    return outputs.argmax(axis=1) if outputs.ndim == 2 else outputs


def wilson(correct: int, n: int) -> tuple[float, float]:
    """Return Wilson's 95 % interval of the share correct / n.

    Source: E. B. Wilson, Journal of the American Statistical Association 22 (1927).
    """
    if not 0 <= correct <= n or n < 1:
        raise ValueError(f"correct must be 0 to n, and n positive; got {correct} of {n}.")
    z, share = NormalDist().inv_cdf((1 + _CONFIDENCE) / 2), correct / n
    centre = share + z * z / (2 * n)
    half = z * math.sqrt(share * (1 - share) / n + (z / (2 * n)) ** 2)
    low, high = ((centre + side) / (1 + z * z / n) for side in (-half, half))
    return (low if correct else 0.0), (high if correct < n else 1.0)


def accuracy(outputs: Array, labels: Array) -> Accuracy:
    """Return the share of right answers with Wilson's interval; outputs as for `predictions`."""
    right = _right(outputs, labels)
    correct, n = int(right.sum()), len(right)
    return Accuracy(correct / n, *wilson(correct, n), correct, n)


def flips(reference_outputs: Array, outputs: Array) -> int:
    """Return how many predictions of two models differ, right or wrong."""
    first, second = predictions(reference_outputs), predictions(outputs)
    if len(first) != len(second):
        raise ValueError(f"both must answer the same images; got {len(first)} and {len(second)}.")
    return int((first != second).sum())


def mcnemar(reference: Array, other: Array, labels: Array) -> McNemar:
    """Compare two models on the same images by the exact, two-sided test.

    The p-value is 1 where they are right equally often.

    Source: Q. McNemar, Psychometrika 12 (1947); exact form: binomial with probability 1/2.
    """
    first, second = _right(reference, labels), _right(other, labels)
    left, right = int((first & ~second).sum()), int((second & ~first).sum())
    tail = float(special.bdtr(min(left, right), left + right, 0.5))
    return McNemar(left, right, min(1.0, 2 * tail))


def mean_interval(values: Sequence[float]) -> Interval:
    """Return the mean of repeated runs, such as accuracies, with Student's 95 % interval.

    It is mean ± t * standard deviation / sqrt(n), and needs two runs, else nothing says how far
    they scatter.

    Source: Student (W. S. Gosset), "The Probable Error of a Mean", Biometrika 6 (1908).
    """
    n = len(values)
    if n < 2 or not all(map(math.isfinite, values)):
        raise ValueError(f"an interval needs two finite numbers or more; got {list(values)}.")
    centre = math.fsum(values) / n
    half = float(special.stdtrit(n - 1, (1 + _CONFIDENCE) / 2) * np.std(values, ddof=1) / n**0.5)
    return Interval(centre, centre - half, centre + half)


def _right(outputs: Array, labels: Array) -> npt.NDArray[np.bool_]:
    """Return where predictions equal labels."""
    found, labels = predictions(outputs), np.asarray(labels)
    if found.shape != labels.shape:
        raise ValueError(f"{len(found)} predictions do not fit labels {list(labels.shape)}.")
    return np.asarray(found == labels, np.bool_)


def _pair(a: Array, b: Array) -> tuple[Array, Array]:
    """Return two arrays of one shape as float64."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if a.shape != b.shape or a.size == 0:
        raise ValueError(f"shapes must be equal and not empty; got {a.shape} and {b.shape}.")
    return a, b


def mean_absolute_error(a: Array, b: Array) -> float:
    """Return the mean of |a - b|, in the unit of a and b."""
    a, b = _pair(a, b)
    return float(np.abs(a - b).mean())


def sqnr_db(reference: Array, approximation: Array) -> float:
    """Return the signal-to-quantization-noise ratio in decibels.

    It is 10 log10 of the reference's energy over the error's: infinite where both are equal, minus
    infinity where only the reference is all zero.
    """
    reference, approximation = _pair(reference, approximation)
    signal = float(np.square(reference).sum())
    return ratio_db(signal, float(np.square(reference - approximation).sum()))


def ratio_db(signal: float, noise: float) -> float:
    """Return a ratio of energies in decibels, with the infinities of `sqnr_db`."""
    if noise == 0:
        return math.inf
    return 10 * math.log10(signal / noise) if signal else -math.inf


def _warm_up(timer: timeit.Timer) -> int:
    """Call until caches and clock rate have settled; return how many calls fill a sample."""
    start, fastest = time.perf_counter(), math.inf
    while fastest == math.inf or time.perf_counter() - start < _WARM_UP_S:
        fastest = min(fastest, timer.timeit(1))
    return math.ceil(_SAMPLE_S / max(fastest, 1e-7))


def latency(
    calls: Mapping[str, Callable[[], Any]], rounds: int = 50, budget_s: float = 3.0
) -> dict[str, Latency]:
    """Time several models in turn, A B C A B C ..., so that a busy moment hits all alike.

    Args:
        calls: functions without arguments, such as `LiteModel.single(image)`.
        rounds: how many times each is sampled; a sample repeats the call for 2 ms or longer.
        budget_s: slow calls get fewer rounds, five at least, to end within about so many seconds.

    Returns:
        For each name its median time, and its ratio to the FIRST: of the fastest samples, since
        other programs only ever add time; with the quartiles of single rounds.
    """
    if not calls or rounds < 1:
        raise ValueError("latency needs at least one function and one round.")
    timers = {n: timeit.Timer(call, timer=time.perf_counter) for n, call in calls.items()}
    repeats = {name: _warm_up(timer) for name, timer in timers.items()}
    samples: dict[str, list[float]] = {name: [] for name in calls}
    start = time.perf_counter()
    for done in range(rounds):
        spent = time.perf_counter() - start
        if done >= _MIN_ROUNDS and spent + spent / done > budget_s:
            break
        for name, timer in timers.items():
            samples[name].append(timer.timeit(repeats[name]) / repeats[name])
    first, found = np.array(next(iter(samples.values()))), {}
    for name, times in samples.items():
        ratio = float(min(times) / first.min())
        low, high = map(float, np.percentile(times / first, (25, 75)))
        # The ratio of the fastest may fall outside the quartiles of the ratios.
        found[name] = Latency(float(np.median(times)), ratio, min(low, ratio), max(high, ratio))
    return found


def cpu_name() -> str:
    """Return the processor's name as the operating system gives it, else "unknown CPU"."""
    name = ""
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        if sys.platform == "linux":
            lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
            name = next((li.partition(":")[2] for li in lines if li.startswith("model name")), "")
        elif sys.platform == "darwin":
            command = ["/usr/sbin/sysctl", "-n", "machdep.cpu.brand_string"]
            name = subprocess.run(command, capture_output=True, text=True, timeout=5).stdout
    return " ".join((name or platform.processor()).split()) or "unknown CPU"
