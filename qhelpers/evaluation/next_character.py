"""What a language model is worth: bits per character, and how far it is from the float model.

Averages are over documents, and so are their intervals: the characters of one are not independent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import log_softmax


@dataclass(frozen=True)
class Mean:
    """An average over documents with its 95 % interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


class Judged(NamedTuple):
    """How a model predicts, and how that differs from the float model on the same characters."""

    bits: Mean
    """bits per character: the mean of -log2 of the probability of what really follows"""
    more: Mean
    """bits per character above the float model's"""
    kl: Mean
    """Kullback-Leibler divergence from the float model's probabilities, in bits"""
    changed: Mean
    """share of the places where another character is the likeliest"""


def bootstrap(values: ArrayLike, draws: int = 2000) -> Mean:
    """Return the mean of values [n], one a document, and its interval (percentile bootstrap).

    Source: B. Efron, "Bootstrap Methods: Another Look at the Jackknife", Annals of Statistics 1979.
    """
    given = np.asarray(values, np.float64)
    chosen = np.random.default_rng(0).integers(0, len(given), (draws, len(given)))
    low, high = np.percentile(given[chosen].mean(axis=1), [2.5, 97.5])
    return Mean(float(given.mean()), float(low), float(high))


def judge(logits: ArrayLike, reference: ArrayLike, following: ArrayLike) -> Judged:
    """Compare a model with the float model.

    Args:
        logits: [documents, ..., characters of the vocabulary].
        reference: the float model's, of the same shape.
        following: what really follows, whole numbers [documents, ...].

    Raises:
        ValueError: shapes that do not fit, NaN or infinity.
    """
    raw = [np.asarray(scores, np.float64) for scores in (logits, reference)]
    places = np.asarray(following).reshape(len(raw[0]), -1, 1)
    if raw[0].shape != raw[1].shape or raw[0].shape[:-1] != np.shape(following):
        shapes = [np.shape(array) for array in (*raw, following)]
        raise ValueError(f"logits, reference and following do not fit: {shapes}.")
    if not all(np.isfinite(scores).all() for scores in raw):
        raise ValueError("NaN or infinity among the logits: quantization broke the model.")
    mine, floats = (
        log_softmax(scores.reshape(len(places), -1, scores.shape[-1]), -1) / np.log(2)
        for scores in raw
    )
    bits, before = (-np.take_along_axis(found, places, -1)[..., 0] for found in (mine, floats))
    far: NDArray[Any] = (np.exp2(floats) * (floats - mine)).sum(axis=-1)
    other = mine.argmax(axis=-1) != floats.argmax(axis=-1)
    per_document = (bits, bits - before, far, other)
    return Judged(*(bootstrap(values.mean(axis=1)) for values in per_document))
