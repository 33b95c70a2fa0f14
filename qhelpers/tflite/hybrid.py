"""The hybrid dense layer of a dynamic-range file in NumPy, rounded where each engine rounds.

A row of activations is quantized when it arrives, int8 is multiplied by int8 and added up in
int32, and the sum is scaled back to float32. LiteRT's engines do this in different orders, and in
floating point the order shows in the last bits. So does a fused multiply-add (FMA), which rounds
`a * b + c` once. A `Path` says what one engine does on one kind of processor.

Sources: XNNPACK, src/xnnpack/quantization.h, src/f32-qs8-vcvt and src/qs8-gemm; LiteRT,
tflite/kernels/fully_connected.cc, tflite/kernels/internal/optimized/sse_tensor_utils.cc and
neon_tensor_utils.cc (x86-64 runs its quantization too, translated to SSE); KleidiAI's order was
found by comparing outputs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Floats = NDArray[np.float32]

_LONGEST_ROW = (2**31 - 1) // (255 * 128)  # int32 cannot overflow up to here
_F32 = np.float32


@dataclass(frozen=True)
class Path:
    """The order of operations of one engine on one kind of processor.

    Attributes:
        name: what it is called in print.
        engine: "xnnpack" or "reference", as for `LiteModel`.
        fused_sums: sums of float products are added up with FMA.
        fused_scaling: the bias is added to a scaled int32 sum with FMA.
        scales_apart: the int32 sum is multiplied by the row's scale, then by the kernel's; else
            the two scales are multiplied first.
        halves: a value half way between two integers goes to the "even" one, or "away" from 0.
    """

    name: str
    engine: str
    fused_sums: bool
    fused_scaling: bool
    scales_apart: bool
    halves: str


PATHS = (  # an engine's usual path on x86-64 comes first
    Path("XNNPACK with FMA", "xnnpack", True, True, True, "even"),
    Path("XNNPACK without FMA", "xnnpack", False, False, True, "even"),
    Path("XNNPACK with Arm's KleidiAI", "xnnpack", True, False, False, "away"),
    Path("reference", "reference", False, False, False, "away"),
    Path("reference with FMA (Arm)", "reference", True, True, False, "away"),
)


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


def usual(engine: str) -> Path:
    """Return the path of an engine on x86-64 processors of the last ten years.

    Raises:
        ValueError: unknown engine.
    """
    for path in PATHS:
        if path.engine == engine:
            return path
    raise ValueError(f'unknown engine {engine!r}; choose "xnnpack" or "reference".')


def multiply_add(a: Any, b: Any, c: Any, fused: bool) -> Floats:
    """Compute a * b + c in float32, rounded twice or, fused, once as the processor's FMA.

    Args:
        a: float32.
        b: float32, a shape that broadcasts with that of `a`.
        c: float32, likewise.
        fused: round once; exact for results that are zero or at least 2^-126.

    Returns:
        float32.
    """
    if not fused:
        return np.asarray(a * b + c)
    a, b, c = (np.asarray(value, np.float64) for value in (a, b, c))
    product = a * b  # 24 bits times 24 bits: exact in 53
    total = np.asarray(product + c)
    # The sum is rounded to float64 here and to float32 below. Twice is not once only where the
    # first rounding ends half way between two float32: a 1 and 28 zeros at the end of the bits.
    halfway = np.flatnonzero((total.view(np.int64) & (2**29 - 1)) == 2**28)
    if halfway.size:  # if something was rounded off (TwoSum), step back towards the exact sum
        x, y = (np.broadcast_to(v, total.shape).flat[halfway] for v in (product, c))
        rounded = total.flat[halfway]
        error = (x - (rounded - (rounded - x))) + (y - (rounded - x))
        nudged = np.nextafter(rounded, np.copysign(np.inf, error))
        total.flat[halfway] = np.where(error == 0, rounded, nudged)
    return total.astype(_F32)


def quantize_rows(real: Floats, path: Path) -> Rows:
    """Quantize each row to int8 from its own range, asymmetric; the range always holds 0.

    Args:
        real: float32 [n, inputs].
        path: whose arithmetic.

    Returns:
        The rows' integers, scales and zero points.

    Raises:
        ValueError: not float32 rows, or a row whose range is not finite or too small to divide by.
    """
    real = np.asarray(real)
    if real.dtype != _F32 or real.ndim != 2 or not real.shape[1]:
        raise ValueError(f"rows must be float32 [n, inputs]; got {real.dtype} {list(real.shape)}.")
    low = np.minimum(real.min(axis=1), _F32(0))
    high = np.maximum(real.max(axis=1), _F32(0))
    with np.errstate(over="ignore", invalid="ignore"):
        width = high - low
    bad = np.flatnonzero((width != 0) & ~((width >= 1e-36) & (width < np.inf)))
    if bad.size:
        raise ValueError(
            f"a row's range must be 0 or from 1e-36 to 3e38; row {bad[0]} goes from "
            f"{low[bad[0]]:g} to {high[bad[0]]:g}. Rescale the inputs."
        )
    width = np.where(width == 0, _F32(255), width)  # a row of zeros: scale 1
    parameters = _of_xnnpack if path.engine == "xnnpack" else _of_reference
    scale, levels, zero_point = parameters(low, high, width)
    steps = real * levels[:, None]
    if path.halves == "even":
        whole = np.rint(steps)
    else:
        whole = np.trunc(steps + np.copysign(_F32(0.5), steps))
    values = np.clip(whole + zero_point[:, None], -128, 127)
    return Rows(values.astype(np.int8), scale, zero_point.astype(np.int32))


def _of_xnnpack(low: Floats, high: Floats, width: Floats) -> tuple[Floats, Floats, Array]:
    """Return scale, levels in 1.0 and zero point: all in float32."""
    levels = _F32(255) / width
    below, above = low * levels, high * levels
    nearer_low = (below - _F32(128)) + (above + _F32(127)) > 0
    zero_point = np.where(nearer_low, _F32(-128) - below, _F32(127) - above)
    return _F32(1) / levels, levels, np.rint(np.clip(zero_point, -128, 127))


def _of_reference(low: Floats, high: Floats, width: Floats) -> tuple[Floats, Floats, Array]:
    """Return scale, levels in 1.0 and zero point: in float64, the first two then rounded."""
    exact = width / np.float64(255)
    below, above = low / exact, high / exact
    nearer_low = 128 + np.abs(below) < 127 + np.abs(above)
    zero_point = np.clip(np.where(nearer_low, -128 - below, 127 - above), -128, 127)
    scale = exact.astype(_F32)
    return scale, _F32(1) / scale, np.trunc(zero_point + np.copysign(0.5, zero_point))


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


def dense(rows: Rows, kernel: Array, scales: Array, bias: Array, path: Path) -> Floats:
    """Compute a hybrid dense layer from quantized rows.

    One thing is not repeated here: LiteRT's x86-64 reference kernel adds up an output's weights in
    int16, eight sums at a time. With more than 2,064 inputs, and weights nearly all of which are
    127, these overflow and its answer is wrong by far.

    Args:
        rows: from `quantize_rows`.
        kernel: int8 [outputs, inputs].
        scales: float32 [outputs], of the kernel.
        bias: float32 [outputs].
        path: whose arithmetic.

    Returns:
        float32 [n, outputs].
    """
    sums, row_scales = integer_sums(rows, kernel), rows.scale[:, None]
    if path.scales_apart:
        return multiply_add(sums * row_scales, scales, bias, path.fused_scaling)
    return multiply_add(sums, row_scales * scales, bias, path.fused_scaling)
