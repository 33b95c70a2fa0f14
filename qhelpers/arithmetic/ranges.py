"""Choosing the range of numbers that integers stand for.

A range may hold everything (`by_minmax`), clip what is rare (`by_percentile`), or be the one with
the smallest mean squared error (`by_mse`). Each takes `values`, real numbers of any shape, `bits`
(2 to 16), `axis`, that the channels lie along (None: one range for everything), and `symmetric`:
zero point 0 and the narrow range, such as -127 to 127, as for weights; else all integers, as for
activations. Values must be there, without NaN or infinity, or it is a ValueError.

Source: M. Nagel et al., "A White Paper on Neural Network Quantization", arXiv:2106.08295, 2021,
section 3.1.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qhelpers.arithmetic import affine

Floats = NDArray[np.float64]

_CANDIDATES = 50  # clipping points that `by_mse` tries


def by_minmax(
    values: ArrayLike, bits: int = 8, axis: int | None = None, symmetric: bool = False
) -> affine.QuantParams:
    """Choose scales so that the smallest and the largest value just fit: nothing is clipped.

    So LiteRT and PyTorch do for weights: symmetric, along the axis of the output channels.
    """
    return by_percentile(values, bits, 100, axis, symmetric)


def by_percentile(
    values: ArrayLike,
    bits: int = 8,
    percent: float = 99.9,
    axis: int | None = None,
    symmetric: bool = False,
) -> affine.QuantParams:
    """Choose scales so that `percent` of the values fit; the rest is clipped.

    The percentage, above 0 and at most 100, is of the magnitudes if symmetric; else half of the
    rest is clipped at each end.
    """
    if not 0 < percent <= 100:
        raise ValueError(f"percent must be above 0 and 100 at most; got {percent}.")
    channels = _channels(values, axis)
    if symmetric:
        high = np.percentile(np.abs(channels), percent, axis=1)
        return _params(-high, high, bits, axis, symmetric)
    rest = (100 - percent) / 2
    low, high = np.percentile(channels, [rest, 100 - rest], axis=1)
    return _params(low, high, bits, axis, symmetric)


def by_mse(
    values: ArrayLike, bits: int = 8, axis: int | None = None, symmetric: bool = False
) -> affine.QuantParams:
    """Choose scales so that the mean squared error of quantization is smallest.

    Tries ranges of 2 % to 100 % of the full one; then, where it is not symmetric, moves each end on
    its own.
    """
    channels = _channels(values, axis)
    shares = np.arange(1, _CANDIDATES + 1) / _CANDIDATES
    if symmetric:
        full = np.abs(channels).max(axis=1)
        high = _best(channels, [(-share * full, share * full) for share in shares], bits, True)[1]
        return _params(-high, high, bits, axis, symmetric)
    least, most = np.minimum(channels.min(axis=1), 0), np.maximum(channels.max(axis=1), 0)
    low, high = _best(channels, [(s * least, s * most) for s in shares], bits, False)
    low, high = _best(channels, [(s * least, high) for s in (0, *shares)], bits, False)
    low, high = _best(channels, [(low, s * most) for s in (0, *shares)], bits, False)
    return _params(low, high, bits, axis, symmetric)


def _channels(values: ArrayLike, axis: int | None) -> Floats:
    """Return values as [channels, n]; refuse what has no range."""
    real = np.asarray(values, np.float64)
    if real.size == 0 or not np.isfinite(real).all():
        raise ValueError("a range needs values, and no NaN or infinity among them.")
    if axis is None:
        return real.reshape(1, -1)
    return np.moveaxis(real, axis, 0).reshape(real.shape[axis], -1)


def _params(
    low: Any, high: Any, bits: int, axis: int | None, symmetric: bool
) -> affine.QuantParams:
    """Return the parameters for ranges [channels]."""
    ends = (low[0], high[0]) if axis is None else (low, high)
    return affine.choose(*ends, bits, symmetric=symmetric, narrow=symmetric, axis=axis)


def _best(
    channels: Floats, candidates: list[tuple[Any, Any]], bits: int, symmetric: bool
) -> tuple[Floats, Floats]:
    """Return for each channel the ends among the candidates that leave the smallest error."""
    errors = []
    for ends in candidates:
        restored = affine.fake_quantize(channels, _params(*ends, bits, 0, symmetric))
        errors.append(((channels - restored) ** 2).mean(axis=1))
    best = np.argmin(errors, axis=0)
    low, high = np.take_along_axis(np.array(candidates), best[None, None], axis=0)[0]
    return low, high
