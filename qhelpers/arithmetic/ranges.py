"""Choosing the range of numbers that integers stand for, and correcting the mean afterwards.

A range may hold everything (`by_minmax`), clip what is rare (`by_percentile`), or be the one with
the smallest mean squared error (`by_mse`). One range serves a whole tensor, as for activations, or
each channel has one, as for weights.

Sources: M. Nagel et al., "A White Paper on Neural Network Quantization", arXiv:2106.08295, 2021,
section 3.1; bias correction: M. Nagel et al., "Data-Free Quantization Through Weight Equalization
and Bias Correction", ICCV 2019, section 4.2.
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

    Args:
        values: real numbers of any shape.
        bits: 2 to 16.
        axis: that the channels lie along; None for one range for everything.
        symmetric: zero point 0 and the narrow range, such as -127 to 127, as for weights;
            else all integers, as for activations.
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

    Args:
        values: as in `by_minmax`.
        bits: as in `by_minmax`.
        percent: above 0, 100 at most; of magnitudes if symmetric, else half of the rest is
            clipped at each end.
        axis: as in `by_minmax`.
        symmetric: as in `by_minmax`.

    Raises:
        ValueError: `percent` is out of range; no values, NaN or infinity.
    """
    if not 0 < percent <= 100:
        raise ValueError(f"percent must be above 0 and 100 at most; got {percent}.")
    rows = _rows(values, axis)
    if symmetric:
        high = np.percentile(np.abs(rows), percent, axis=1)
        return _params(-high, high, bits, axis, symmetric)
    rest = (100 - percent) / 2
    low, high = np.percentile(rows, [rest, 100 - rest], axis=1)
    return _params(np.minimum(low, 0), np.maximum(high, 0), bits, axis, symmetric)


def by_mse(
    values: ArrayLike, bits: int = 8, axis: int | None = None, symmetric: bool = False
) -> affine.QuantParams:
    """Choose scales so that the mean squared error of quantization is smallest.

    Tries ranges of 2 % to 100 % of the full one; then, where it is not symmetric, moves each end on
    its own.

    Args:
        values: as in `by_minmax`.
        bits: as in `by_minmax`.
        axis: as in `by_minmax`.
        symmetric: as in `by_minmax`.
    """
    rows = _rows(values, axis)
    shares = np.arange(1, _CANDIDATES + 1) / _CANDIDATES
    if symmetric:
        full = np.abs(rows).max(axis=1)
        high = _best(rows, [(-share * full, share * full) for share in shares], bits, True)[1]
        return _params(-high, high, bits, axis, symmetric)
    least, most = np.minimum(rows.min(axis=1), 0), np.maximum(rows.max(axis=1), 0)
    low, high = _best(rows, [(s * least, s * most) for s in shares], bits, False)
    low, high = _best(rows, [(s * least, high) for s in (0, *shares)], bits, False)
    low, high = _best(rows, [(low, s * most) for s in (0, *shares)], bits, False)
    return _params(low, high, bits, axis, symmetric)


def bias_correction(real_outputs: ArrayLike, quantized_outputs: ArrayLike) -> NDArray[np.float32]:
    """Return what to add to a layer's bias so that its mean outputs are again those before.

    Args:
        real_outputs: of the float layer, [..., channels], on data without labels.
        quantized_outputs: of the quantized layer on the same data, as real numbers.

    Returns:
        float32 [channels].

    Raises:
        ValueError: the shapes differ.
    """
    real, ours = np.asarray(real_outputs, np.float64), np.asarray(quantized_outputs, np.float64)
    if real.shape != ours.shape:
        raise ValueError(f"both outputs must have one shape; got {real.shape} and {ours.shape}.")
    mean = (real - ours).reshape(-1, real.shape[-1]).mean(axis=0)
    return np.asarray(mean, np.float32)


def _rows(values: ArrayLike, axis: int | None) -> Floats:
    """Return values as rows that get a range each; refuse what has none."""
    real = np.asarray(values, np.float64)
    if real.size == 0 or not np.isfinite(real).all():
        raise ValueError("a range needs values, and no NaN or infinity among them.")
    if axis is None:
        return real.reshape(1, -1)
    return np.moveaxis(real, axis, 0).reshape(real.shape[axis], -1)


def _params(
    low: Any, high: Any, bits: int, axis: int | None, symmetric: bool
) -> affine.QuantParams:
    """Return the parameters for ranges [rows]."""
    if axis is None:
        return affine.choose(
            float(low[0]), float(high[0]), bits, symmetric=symmetric, narrow=symmetric
        )
    ends = np.stack([low, high], axis=1)
    found = affine.choose_per_channel(ends, 0, bits, symmetric=symmetric, narrow=symmetric)
    return affine.QuantParams(found.scale, found.zero_point, found.qmin, found.qmax, axis)


def _best(
    rows: Floats, candidates: list[tuple[Any, Any]], bits: int, symmetric: bool
) -> tuple[Floats, Floats]:
    """Return for each row the ends among the candidates that leave the smallest error."""
    errors = [
        ((rows - affine.fake_quantize(rows, _params(*ends, bits, 0, symmetric))) ** 2).mean(axis=1)
        for ends in candidates
    ]
    best = np.argmin(errors, axis=0)
    low, high = (np.stack([np.broadcast_to(c[i], len(rows)) for c in candidates]) for i in (0, 1))
    each = np.arange(len(rows))
    return low[best, each], high[best, each]
