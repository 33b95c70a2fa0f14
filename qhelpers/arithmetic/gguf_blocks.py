"""Weights as the bytes of a .gguf file: blocks of neighbours in a row, each with its scales.

    Q8_0   32 weights: a float16 scale, largest magnitude / 127; 32 int8, halves away from zero
    Q4_0   32 weights: a float16 scale, the value of largest magnitude / -8, which thus becomes
           the integer -8; 32 integers of 4 bits, stored + 8
    Q4_K   256 weights, 8 groups of 32: float16 d and dmin, eight scales and eight minimums of 6
           bits, 256 integers of 4 bits; weight = d * scale * integer - dmin * minimum

All in float32, sums from left to right, as the reference. ValueErrors are those of `groups`.

Source: ggml, src/ggml-quants.c, quantize_row_q8_0_ref, _q4_0_ref and _q4_K_ref.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qhelpers.arithmetic.groups import Floats, in_groups

Kind: TypeAlias = Literal["Q8_0", "Q4_0", "Q4_K"]

# Weights and bytes of a block: 8.5, 4.5 and 4.5 bits per weight.
SIZES: dict[Kind, tuple[int, int]] = {"Q8_0": (32, 34), "Q4_0": (32, 18), "Q4_K": (256, 144)}


def quantize(weight: ArrayLike, kind: Kind) -> NDArray[np.uint8]:
    """Turn float32 weights (rows, columns) into uint8 (rows, bytes of a row)."""
    if kind not in SIZES:
        raise ValueError(f"kind must be one of {', '.join(SIZES)}; got {kind!r}.")
    real = in_groups(weight, SIZES[kind][0])
    blocks = real.reshape(-1, real.shape[2])
    with np.errstate(all="ignore"):  # what is too small for a scale, too large for float16
        parts = {"Q8_0": _q8_0, "Q4_0": _q4_0, "Q4_K": _q4_k}[kind](blocks)
        scales = parts[0].astype(np.float16)
    if not np.isfinite(scales).all():
        largest = np.abs(real).max()
        raise ValueError(f"{largest} needs a scale beyond float16. Divide the weight first.")
    return np.hstack([scales.view(np.uint8), *parts[1:]]).reshape(len(real), -1)


def dequantize(packed: NDArray[np.uint8], kind: Kind) -> Floats:
    """Turn uint8 (rows, bytes of a row) back into float32 weights (rows, columns)."""
    if kind not in SIZES or packed.dtype != np.uint8 or packed.shape[-1] % SIZES[kind][1]:
        found = f"got {kind!r}, {packed.dtype} {packed.shape}"
        raise ValueError(f"expected uint8 rows of whole blocks, {SIZES} weights, bytes; {found}.")
    blocks = packed.reshape(-1, SIZES[kind][1])
    scale = blocks[:, : 4 if kind == "Q4_K" else 2].copy().view(np.float16).astype(np.float32)
    if kind == "Q8_0":
        real = blocks[:, 2:].view(np.int8) * scale
    elif kind == "Q4_0":
        real = (np.hstack([blocks[:, 2:] & 15, blocks[:, 2:] >> 4]).astype(np.float32) - 8) * scale
    else:
        six, high = blocks[:, 4:12].reshape(-1, 2, 4), blocks[:, 12:16]
        last = np.stack([high & 15, high >> 4], axis=1) | six >> 6 << 4
        steps, lows = np.moveaxis(scale[..., None] * np.concatenate([six & 63, last], axis=2), 1, 0)
        levels = blocks[:, 16:].reshape(-1, 4, 1, 32) >> np.array([[0], [4]], np.uint8) & 15
        real = steps[..., None] * levels.reshape(-1, 8, 32) - lows[..., None]
    return np.asarray(real, np.float32).reshape(len(packed), -1)


def _q8_0(x: Floats) -> list[NDArray[Any]]:
    """Return the scales, then the bytes, of blocks [n, 32]."""
    scale = np.abs(x).max(axis=1, keepdims=True) / 127
    size = np.abs(x * np.nan_to_num(1 / scale))
    whole = np.floor(size) + (size % 1 >= 0.5)
    return [scale, np.copysign(whole, x).astype(np.int8).view(np.uint8)]


def _q4_0(x: Floats) -> list[NDArray[Any]]:
    """Return the scales, then the bytes, of blocks [n, 32]."""
    largest = np.take_along_axis(x, np.abs(x).argmax(axis=1)[:, None], axis=1)
    scale = largest / -8
    levels = x * np.nan_to_num(1 / scale) + 8.5
    stored = np.minimum(levels, 15).astype(np.uint8)
    return [scale, stored[:, :16] | stored[:, 16:] << 4]


def _q4_k(blocks: Floats) -> list[NDArray[Any]]:
    """Return d and dmin, then the bytes of the 6-bit numbers and of the levels, of [n, 256]."""
    x = blocks.reshape(-1, 8, 32)
    both, levels = _fit(x)
    most = both.max(axis=2, keepdims=True)
    six = np.minimum(np.rint(np.where(most > 0, 63 / most * both, 0)), 63).astype(np.uint8)
    outer = most[:, :, 0] / 63
    step, low = np.moveaxis(outer.astype(np.float16).astype(np.float32)[..., None] * six, 1, 0)
    again = np.clip(np.rint((x + low[..., None]) / step[..., None]), 0, 15)
    stored = np.where(step[..., None] == 0, levels, again).astype(np.uint8)
    packed = stored[:, ::2] | stored[:, 1::2] << 4
    first, last = six[..., :4], six[..., 4:]
    small = np.concatenate([first | last >> 4 << 6, last[:, :1] & 15 | last[:, 1:] << 4], axis=1)
    return [outer, small.reshape(-1, 12), packed.reshape(-1, 128)]


def _fit(x: Floats) -> tuple[Floats, Floats]:
    """Return scales and minimums [n, 2, 8], and levels, of groups [n, 8, 32].

    From min and max; then 21 times with other steps, scale and minimum by weighted least squares
    over the levels, kept where the weighted squared error gets smaller.
    """
    weights = np.sqrt(_total(x * x) / 32) + np.abs(x)
    sum_w, sum_x = _total(weights), _total(weights * x)
    low, high = np.minimum(x.min(axis=-1, keepdims=True), 0), x.max(axis=-1, keepdims=True)
    best = np.concatenate([0 * low, low, 0 * low + np.inf, 0 * x], axis=-1)
    tries = np.arange(21, dtype=np.float32) * np.float32(0.1) + 14
    for tried, span in enumerate([np.float32(15), *tries]):
        low = fitted = best[..., 1:2]
        steps = span / (high - low)
        new = np.clip(np.rint(steps * (x - low)), 0, 15)
        slope, found = 1 / steps, np.isfinite(steps)
        if tried:
            sum_l, sum_ll, sum_xl = (_total(weights * new * other) for other in (1, new, x))
            det = sum_w * sum_ll - sum_l * sum_l
            fitted = (sum_ll * sum_x - sum_l * sum_xl) / det
            slope = np.where(fitted > 0, sum_xl / sum_ll, (sum_w * sum_xl - sum_x * sum_l) / det)
            fitted, found = np.minimum(fitted, 0), det > 0
        error = _total(weights * (slope * new + fitted - x) ** 2)
        better = found & ((error < best[..., 2:3]) | (tried == 0))
        best = np.where(better, np.concatenate([slope, fitted, error, new], axis=-1), best)
    return np.stack([best[..., 0], 0 - best[..., 1]], axis=1), best[..., 3:]


def _total(values: Floats) -> Floats:
    """Sum along the last axis from left to right, where NumPy's sum would take pairs."""
    return np.asarray(np.add.accumulate(values, axis=-1)[..., -1:])
