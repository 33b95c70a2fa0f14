"""Sums of float products in the order of each engine, and the dynamic-range dense layer.

In floating point, order shows in the last bits. So does a fused multiply-add (FMA), which rounds
`a * b + c` once. `FloatRules` says what one engine does on one kind of processor.

Sources: XNNPACK, src/f32-igemm, src/f32-gemm, src/xnnpack/quantization.h, src/f32-qs8-vcvt and
src/qs8-gemm; LiteRT, tflite/kernels/internal/reference/conv.h and fully_connected.h,
tflite/kernels/fully_connected.cc, tflite/kernels/internal/optimized/sse_tensor_utils.cc and
neon_tensor_utils.cc (x86-64 runs its quantization too, translated to SSE); KleidiAI's order was
found by comparing outputs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qhelpers.arithmetic import Array, integer_ops

Floats = NDArray[np.float32]

_F32 = np.float32
_BLOCK = 8192  # sums at a time: they stay in the processor's cache


@dataclass(frozen=True)
class FloatRules:
    """The order of operations of one engine on one kind of processor."""

    name: str  # what it is called in print
    engine: str  # "xnnpack" or "reference", as for `LiteModel`
    bias_first: bool  # a float sum starts from the bias; else the bias is added last
    fused_sums: bool  # sums of float products are added up with FMA
    fused_scaling: bool  # the bias is added to a scaled int32 sum with FMA
    # An int32 sum is multiplied by the row's scale, then by the kernel's; else by their product.
    scales_apart: bool
    halves: str  # a value half way between two integers goes to the "even" one, or "away" from 0
    narrow: bool  # scale and zero point of a row are computed in float32; else in float64


FLOAT_RULES = (  # an engine's usual ones on x86-64 come first
    FloatRules("XNNPACK with FMA", "xnnpack", True, True, True, True, "even", True),
    FloatRules("XNNPACK without FMA", "xnnpack", True, False, False, True, "even", True),
    FloatRules("XNNPACK with Arm's KleidiAI", "xnnpack", True, True, False, False, "away", True),
    FloatRules("reference", "reference", False, False, False, False, "away", False),
    FloatRules("reference with FMA (Arm)", "reference", False, True, True, False, "away", False),
)


def multiply_add(a: Any, b: Any, c: Any, fused: bool) -> Floats:
    """Compute a * b + c of float32, rounded twice or, fused, once as the processor's FMA.

    Fused it is exact for results that are zero or at least 2^-126.
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


def sums_in_order(columns: Floats, weights: Floats, bias: Array | None, rules: FloatRules) -> Array:
    """Add up products one after the other: [channels, inputs] times [inputs, n], all float32."""
    added = np.zeros(len(weights), _F32) if bias is None else bias
    start = added if rules.bias_first else np.zeros_like(added)
    sums = np.empty((len(weights), columns.shape[1]), _F32)
    width = max(1, _BLOCK // len(weights))
    for left in range(0, columns.shape[1], width):
        block = columns[:, left : left + width]
        total: Floats = np.repeat(start[:, None], block.shape[1], axis=1)
        for row, weight in zip(block, weights.T, strict=True):
            total = multiply_add(weight[:, None], row, total, rules.fused_sums)
        sums[:, left : left + width] = total if rules.bias_first else total + added[:, None]
    return sums


def quantize_rows(real: Floats, rules: FloatRules) -> tuple[Array, Floats, Array]:
    """Quantize each row, float32 [n, inputs], from its own range, which always holds 0.

    Returns:
        Integers, int8 [n, inputs]; the rows' scales, float32 [n], and zero points, int32 [n].

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
    scale, levels, zero_point = (_narrow if rules.narrow else _wide)(low, high, width)
    steps = real * levels[:, None]
    if rules.halves == "even":
        whole = np.rint(steps)
    else:
        whole = np.trunc(steps + np.copysign(_F32(0.5), steps))
    values = np.clip(whole + zero_point[:, None], -128, 127)
    return values.astype(np.int8), scale, zero_point.astype(np.int32)


def _narrow(low: Floats, high: Floats, width: Floats) -> tuple[Floats, Floats, Array]:
    """Return scale, levels in 1.0 and zero point: all in float32."""
    levels = _F32(255) / width
    below, above = low * levels, high * levels
    nearer_low = (below - _F32(128)) + (above + _F32(127)) > 0
    zero_point = np.where(nearer_low, _F32(-128) - below, _F32(127) - above)
    return _F32(1) / levels, levels, np.rint(np.clip(zero_point, -128, 127))


def _wide(low: Floats, high: Floats, width: Floats) -> tuple[Floats, Floats, Array]:
    """Return scale, levels in 1.0 and zero point: in float64, the first two then rounded."""
    exact = width / np.float64(255)
    below, above = low / exact, high / exact
    nearer_low = 128 + np.abs(below) < 127 + np.abs(above)
    zero_point = np.clip(np.where(nearer_low, -128 - below, 127 - above), -128, 127)
    scale = exact.astype(_F32)
    return scale, _F32(1) / scale, np.trunc(zero_point + np.copysign(0.5, zero_point))


def dynamic_dense(
    real: Floats, weights: Array, scales: Array, bias: Array | None, rules: FloatRules
) -> Floats:
    """Compute a dense layer with int8 weights and rows that are quantized on the fly.

    One thing is not repeated here: LiteRT's x86-64 reference kernel adds up an output's weights in
    int16, eight sums at a time. With more than 2,064 inputs, and weights nearly all of which are
    127, these overflow and its answer is wrong by far.

    Args:
        real: float32 [n, inputs].
        weights: int8 [channels, inputs].
        scales: of the weights, float32 [channels] or [1].
        bias: float32 [channels], or None.
        rules: whose arithmetic.

    Returns:
        float32 [channels, n].
    """
    rows, row_scales, zero_points = quantize_rows(real, rules)
    added = np.zeros((len(weights), 1), _F32) if bias is None else bias[:, None]
    shifted = (rows - zero_points[:, None]).astype(np.float64)
    exact = integer_ops.fitting_int32(weights.astype(np.float64) @ shifted.T, 2**31)
    sums = exact.astype(_F32)  # the only rounding up to here, as from int32
    if rules.scales_apart:
        return multiply_add(sums * row_scales, scales[:, None], added, rules.fused_scaling)
    return multiply_add(sums, row_scales * scales[:, None], added, rules.fused_scaling)
