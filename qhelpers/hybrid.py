"""The hybrid dense layer of a dynamic-range file in NumPy, rounded where each engine rounds.

A row of activations is quantized when it arrives, int8 is multiplied by int8 and added up in
int32, and the sum is scaled back to float32. LiteRT's two CPU engines do this in different orders,
and in floating point the order shows in the last bits. So does a fused multiply-add (FMA), which
rounds `a * b + c` once: XNNPACK uses it on every CPU that has it, LiteRT's x86-64 reference
kernels do not.

Sources: XNNPACK, src/xnnpack/quantization.h, src/f32-qs8-vcvt and src/qs8-gemm; LiteRT,
tflite/kernels/fully_connected.cc, tflite/kernels/internal/optimized/sse_tensor_utils.cc and
neon_tensor_utils.cc (x86-64 runs its quantization too, translated to SSE).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Floats = NDArray[np.float32]

_LONGEST_ROW = (2**31 - 1) // (255 * 128)  # int32 cannot overflow up to here
_F32 = np.float32


@dataclass(frozen=True)
class Rows:
    """Rows quantized on the fly: real = scale * (values - zero_point).

    Attributes:
        values: int8 [n, inputs].
        scale: float32 [n].
        zero_point: int32 [n].
    """

    values: Array
    scale: Floats
    zero_point: Array


def fma(a: Any, b: Any, c: Any) -> Floats:
    """Multiply and add with one rounding, as the processor's fused multiply-add.

    Args:
        a: float32.
        b: float32, a shape that broadcasts with that of `a`.
        c: float32, likewise.

    Returns:
        float32: a * b + c, rounded once; exact for results that are zero or at least 2^-126.
    """
    product = np.multiply(a, b, dtype=np.float64)  # 24 bits times 24 bits: exact in 53
    total = np.asarray(product + c)
    # The sum is rounded to float64 here and to float32 below. Twice is not once only where the
    # first rounding ends half way between two float32: a 1 and 28 zeros at the end of the bits.
    halfway = np.flatnonzero((total.view(np.int64) & (2**29 - 1)) == 2**28)
    if halfway.size:  # if something was rounded off (TwoSum), step back towards the exact sum
        x, y = (
            np.broadcast_to(v, total.shape).flat[halfway].astype(np.float64) for v in (product, c)
        )
        rounded = total.flat[halfway]
        error = (x - (rounded - (rounded - x))) + (y - (rounded - x))
        nudged = np.nextafter(rounded, np.copysign(np.inf, error))
        total.flat[halfway] = np.where(error == 0, rounded, nudged)
    return total.astype(_F32)


def quantize_rows(real: Floats, engine: str) -> Rows:
    """Quantize each row to int8 from its own range, asymmetric; the range always holds 0.

    Args:
        real: float32 [n, inputs].
        engine: "xnnpack" or "reference".

    Returns:
        The rows' integers, scales and zero points.

    Raises:
        ValueError: not float32 rows, or a row whose range float32 cannot divide by 255 and back.
    """
    real = np.asarray(real)
    if real.dtype != _F32 or real.ndim != 2 or not real.shape[1]:
        raise ValueError(f"rows must be float32 [n, inputs]; got {real.dtype} {list(real.shape)}.")
    low = np.minimum(real.min(axis=1), _F32(0))
    high = np.maximum(real.max(axis=1), _F32(0))
    with np.errstate(over="ignore", invalid="ignore"):
        width = high - low
    usable = (width == 0) | ((width >= 1e-36) & (width < np.inf))
    if not usable.all():
        raise ValueError(
            f"a row's range must be 0 or from 1e-36 to 3e38; row {np.argmin(usable)} "
            f"goes from {low[np.argmin(usable)]} to {high[np.argmin(usable)]}. Rescale the inputs."
        )
    multiply_add(engine, None)
    quantized = _rows_of_xnnpack if engine == "xnnpack" else _rows_of_reference
    return quantized(real, low, high, np.where(width == 0, _F32(255), width))


def _rows_of_xnnpack(real: Floats, low: Floats, high: Floats, width: Floats) -> Rows:
    """Quantize in float32, halves to even; the zero point from the end that errs less."""
    levels = _F32(255) / width  # how many levels fit into 1.0
    from_low, from_high = _F32(-128) - low * levels, _F32(127) - high * levels
    nearer_low = (low * levels - _F32(128)) + (high * levels + _F32(127)) > 0
    zero_point = np.rint(np.clip(np.where(nearer_low, from_low, from_high), -128, 127))
    values = np.clip(np.rint(real * levels[:, None]) + zero_point[:, None], -128, 127)
    return Rows(values.astype(np.int8), _F32(1) / levels, zero_point.astype(np.int32))


def _rows_of_reference(real: Floats, low: Floats, high: Floats, width: Floats) -> Rows:
    """Quantize with scale and zero point from float64, halves away from zero."""
    exact = width / np.float64(255)
    below, above = low / exact, high / exact
    nearer_low = 128 + np.abs(below) < 127 + np.abs(above)
    zero_point = np.clip(np.where(nearer_low, -128 - below, 127 - above), -128, 127)
    zero_point = np.trunc(zero_point + np.copysign(0.5, zero_point))
    scale = exact.astype(_F32)
    steps = real * (_F32(1) / scale)[:, None]
    values = np.trunc(steps + np.copysign(_F32(0.5), steps)) + zero_point[:, None]
    return Rows(np.clip(values, -128, 127).astype(np.int8), scale, zero_point.astype(np.int32))


def integer_sums(rows: Rows, kernel: Array) -> Floats:
    """Multiply int8 rows by int8 weights and add up, as the engines do in int32.

    Args:
        rows: from `quantize_rows`.
        kernel: int8 [outputs, inputs].

    Returns:
        float32 [n, outputs]: the int32 sums, turned into floats.

    Raises:
        ValueError: rows so long that int32 could overflow.
    """
    if kernel.shape[1] > _LONGEST_ROW:
        raise ValueError(f"rows of {kernel.shape[1]:,} may overflow int32; {_LONGEST_ROW:,} fit.")
    # |value - zero_point| <= 255 and |weight| <= 128, so no partial sum, in whatever order BLAS
    # adds, leaves the whole numbers up to 2^53 that float64 holds exactly. float32 holds 2^24.
    shifted = rows.values.astype(np.float64) - rows.zero_point[:, None]
    return (shifted @ kernel.T.astype(np.float64)).astype(_F32)


def dense(
    rows: Rows, kernel: Array, scales: Array, bias: Array, engine: str, fused: bool | None = None
) -> Floats:
    """Compute a hybrid dense layer from quantized rows.

    Args:
        rows: from `quantize_rows`.
        kernel: int8 [outputs, inputs].
        scales: float32 [outputs], of the kernel.
        bias: float32 [outputs].
        engine: "xnnpack" or "reference".
        fused: whether this CPU's code adds with FMA; None means as usual on x86-64.

    Returns:
        float32 [n, outputs].
    """
    add = multiply_add(engine, fused)
    sums, row_scales = integer_sums(rows, kernel), rows.scale[:, None]
    if engine == "xnnpack":
        return add(sums * row_scales, scales, bias)
    return add(sums, row_scales * scales, bias)


def multiply_add(engine: str, fused: bool | None) -> Callable[[Any, Any, Any], Floats]:
    """Return the function `(a, b, c) -> a * b + c` as an engine computes it.

    Args:
        engine: "xnnpack" or "reference".
        fused: whether with FMA; None means as usual on x86-64.

    Raises:
        ValueError: unknown engine.
    """
    if engine not in ("xnnpack", "reference"):
        raise ValueError(f'unknown engine {engine!r}; choose "xnnpack" or "reference".')
    if engine == "xnnpack" if fused is None else fused:
        return fma
    return _twice_rounded


def _twice_rounded(a: Any, b: Any, c: Any) -> Floats:
    """Multiply, round, add, round."""
    return np.asarray(a * b + c)
