"""Affine quantization: real = scale * (quantized - zero_point), with NumPy and in float64.

NaN, infinity, and arrays whose channels do not fit the parameters are a ValueError throughout.

Source: B. Jacob et al., "Quantization and Training of Neural Networks for Efficient
Integer-Arithmetic-Only Inference", CVPR 2018, section 2.1 and equation 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats: TypeAlias = NDArray[np.float64]
Integers: TypeAlias = NDArray[np.int64]

# Results are float32: a scale below its smallest normal number could not be told from zero.
_SMALLEST_SCALE = float(np.finfo(np.float32).tiny)
_LARGEST_REAL = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class QuantParams:
    """What one needs to go from real numbers to integers and back."""

    scale: float | Floats  # the step between two neighbouring levels; or float64 [channels]
    zero_point: int | Integers  # stands for 0.0; int64 [channels] if asymmetric per channel
    qmin: int  # the smallest integer used
    qmax: int  # the largest
    axis: int | None = None  # that the channels lie along; None for one scale for everything

    def __post_init__(self) -> None:
        """Refuse parameters that cannot work."""
        if self.qmin >= self.qmax:
            raise ValueError(f"qmin must be below qmax; got {self.qmin} and {self.qmax}.")
        if not np.all(np.isfinite(self.scale) & (np.asarray(self.scale) > 0)):
            raise ValueError(f"a scale must be a finite number above 0; got {self.scale}.")
        zero_point = np.asarray(self.zero_point)
        inside = (zero_point >= self.qmin) & (zero_point <= self.qmax)
        if not np.issubdtype(zero_point.dtype, np.integer) or not np.all(inside):
            raise ValueError(
                f"zero_point must be an integer from {self.qmin} to {self.qmax}, otherwise 0.0 "
                f"has no integer; got {self.zero_point}."
            )
        if np.ndim(self.scale) != (0 if self.axis is None else 1) or (self.axis or 0) < 0:
            raise ValueError(
                "axis=None goes with one scale, an axis (from 0 on) with an array of scales; "
                f"got axis={self.axis} and scales of shape {np.shape(self.scale)}."
            )


def choose(
    low: float | Floats,
    high: float | Floats,
    bits: int = 8,
    signed: bool = True,
    symmetric: bool = False,
    narrow: bool = False,
    axis: int | None = None,
) -> QuantParams:
    """Choose the scale and the zero point for real numbers between `low` and `high`.

    The range is widened to hold 0.0, which always gets an integer of its own: padding and ReLU
    produce exact zeros. All of it comes back within scale / 2. Nothing but zero gets scale 1.
    Integers have 1 to 16 `bits`, 1 only unsigned; `narrow` leaves out the smallest, so that 8 bits
    are -127 to 127, as many on both sides. `symmetric` means zero_point 0 and as much range on both
    sides, scale = largest magnitude / qmax. Computed in float64. With arrays [channels] for `low`
    and `high` goes the `axis` that the channels lie along.
    """
    if not 1 <= bits <= 16:
        raise ValueError(f"bits must be 1 to 16; got {bits}.")
    if bits == 1 and (signed or narrow):
        raise ValueError(
            "1 bit has two levels: signed, none lies above zero; narrow leaves only one. "
            "Use signed=False, narrow=False."
        )
    if symmetric and not signed:
        raise ValueError(
            "symmetric quantization needs integers on both sides of zero_point 0, and unsigned "
            "ones have none below it. Use signed=True, or symmetric=False."
        )
    if not np.all((np.abs(low) <= _LARGEST_REAL) & (np.abs(high) <= _LARGEST_REAL)):
        raise ValueError(f"low and high must be finite float32 numbers; got {low} and {high}.")
    if np.any(low > high):
        raise ValueError(f"low must not be above high; got {low} and {high}. Swap them?")
    qmin, qmax = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    qmin += narrow
    low, high = np.minimum(low, 0.0), np.maximum(high, 0.0)
    step = np.maximum(-low, high) / qmax if symmetric else (high - low) / (qmax - qmin)
    scale = np.where(high == low, 1.0, np.maximum(step, _SMALLEST_SCALE))
    # low / scale lies in qmin - qmax to 0: rounding it keeps the zero point in the range.
    zero_point = 0 if symmetric else (qmin - np.rint(low / scale)).astype(np.int64)
    if scale.ndim:
        return QuantParams(scale, zero_point, qmin, qmax, axis)
    return QuantParams(float(scale), int(zero_point), qmin, qmax, axis)


def quantize(real: ArrayLike, params: QuantParams) -> NDArray[Any]:
    """Turn real numbers into integers: round(real / scale) + zero_point, clipped to the range.

    Computed in float64; halves go to even. The integers come in the smallest type for the range.
    """
    values = np.asarray(real, dtype=np.float64)
    bad = values.size - int(np.isfinite(values).sum())
    if bad:
        found = f"{bad} of {values.size} values are NaN or infinite"
        raise ValueError(f"{found}; no integer stands for those.")
    scale, zero_point = _along_axis(params, values.shape)
    with np.errstate(over="ignore"):  # far outside the range: infinite, then clipped
        levels = np.rint(values / scale) + zero_point
    # Among the signed types, the one that holds -qmax - 1 is the smallest that holds qmax.
    lowest = min(params.qmin, -params.qmax - 1)
    smallest = np.min_scalar_type(lowest if params.qmin < 0 else params.qmax)
    return np.asarray(np.clip(levels, params.qmin, params.qmax)).astype(smallest)


def dequantize(quantized: ArrayLike, params: QuantParams) -> NDArray[np.float32]:
    """Turn integers back into real numbers: scale * (quantized - zero_point).

    The float64 product is rounded once, to float32. Integers outside the range are a ValueError.
    """
    integers = np.asarray(quantized)
    if not np.issubdtype(integers.dtype, np.integer):
        raise ValueError(f"quantized must be integers; got {integers.dtype}. Call quantize first.")
    if integers.size and not params.qmin <= integers.min() <= integers.max() <= params.qmax:
        raise ValueError(
            f"quantized must lie in {params.qmin} to {params.qmax}; got {integers.min()} to "
            f"{integers.max()}. Use the parameters that these integers were made with."
        )
    scale, zero_point = _along_axis(params, integers.shape)
    return np.asarray((integers.astype(np.float64) - zero_point) * scale).astype(np.float32)


def fake_quantize(real: ArrayLike, params: QuantParams) -> NDArray[np.float32]:
    """Quantize and dequantize again: float32, what is left of `real` after the rounding."""
    return dequantize(quantize(real, params), params)


def _along_axis(params: QuantParams, shape: tuple[int, ...]) -> tuple[Floats, Integers]:
    """Shape scale and zero point so that they spread over an array of `shape`."""
    scale, zero_point = np.asarray(params.scale), np.asarray(params.zero_point)
    if params.axis is None:
        return scale, zero_point
    if shape[params.axis : params.axis + 1] != scale.shape:
        raise ValueError(
            f"these parameters have {scale.size} channels along axis {params.axis}; "
            f"got an array of shape {shape}."
        )
    spread = (-1,) + (1,) * (len(shape) - params.axis - 1)
    return scale.reshape(spread), zero_point.reshape(spread if zero_point.ndim else ())
