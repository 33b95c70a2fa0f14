"""Weights in groups: each run of neighbouring columns of a row has a scale of its own.

A weight is (rows, columns), rows the outputs, taken as float32; every step is a float32 operation,
in the libraries' order. `mapping` is how a group's reals lie on its integers, here of 4 bits:

    narrow      -7 to 7, scale = largest magnitude / 7
    wide        -8 to 7, scale = largest magnitude / 7.5: a largest value above 0 loses half a step
    unclipped   -8 to 7, the smallest scale that clips neither end
    asymmetric  -8 to 7, zero_points integers: the range is widened to hold 0.0, which comes back
    midpoint    0 to 15, zero_points floats, the real number at 8; 0.0 need not come back

NaN, infinity, columns that are not whole groups, parameters of another shape, and unknown options
are a ValueError throughout.

Sources: T. Dettmers and L. Zettlemoyer, "The case for 4-bit precision", ICML 2023, section 2;
T. Dettmers et al., "QLoRA: Efficient Finetuning of Quantized LLMs", NeurIPS 2023, section 3.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats: TypeAlias = NDArray[np.float32]
Mapping: TypeAlias = Literal["narrow", "wide", "unclipped", "asymmetric", "midpoint"]
ScaleFormat: TypeAlias = Literal["float32", "bfloat16", "float16"]

# The smallest scales whose reciprocal the format has, too.
_SMALLEST: dict[str, float] = {"float32": 2**-126, "bfloat16": 2**-126, "float16": 257 * 2**-24}


@dataclass(frozen=True)
class GroupParams:
    """Scales, float32 (rows, groups), each a value of `scale_format`, and what goes with them.

    Zero points (rows, groups) are int8, 0 where symmetric, or float32 for `midpoint`; `group`
    columns share a scale; the integers used are `qmin` to `qmax`.
    """

    scales: Floats
    zero_points: NDArray[Any]
    group: int
    bits: int
    mapping: Mapping
    scale_format: ScaleFormat
    qmin: int
    qmax: int


def choose(
    weight: ArrayLike,
    bits: int = 4,
    group: int | None = None,
    mapping: Mapping = "asymmetric",
    scale_format: ScaleFormat = "float32",
    smallest: float = 0.0,
) -> GroupParams:
    """Choose scales and zero points so that each group's smallest and largest weight fit.

    Integers have 2 to 8 `bits`; `group` columns share a scale, None: a whole row. No scale is
    below `smallest`, nor below the smallest that the format has a reciprocal for: zeros get it.
    """
    if not 2 <= bits <= 8:
        raise ValueError(f"bits must be 2 to 8; got {bits}.")
    for value, known in ((mapping, get_args(Mapping)), (scale_format, get_args(ScaleFormat))):
        if value not in known:
            raise ValueError(f"expected one of {', '.join(known)}; got {value!r}.")
    real = in_groups(weight, group)
    low, high = real.min(axis=2), real.max(axis=2)
    half = 2 ** (bits - 1)
    qmin, qmax = (0, 2 * half - 1) if mapping == "midpoint" else (-half, half - 1)
    qmin += mapping == "narrow"
    if mapping != "midpoint":
        low, high = np.minimum(low, 0), np.maximum(high, 0)
    with np.errstate(over="ignore"):
        if mapping in ("narrow", "wide"):
            step = np.maximum(-low, high) / ((qmax - qmin) / 2)
        elif mapping == "unclipped":
            step = np.maximum(low / qmin, high / qmax)
        else:
            step = (high - low) / (qmax - qmin)
        step = np.maximum(step, np.float32(max(smallest, 2**-126)))
        scales = np.maximum(_rounded(step, scale_format), np.float32(_SMALLEST[scale_format]))
    if not np.isfinite(scales).all():
        largest = np.abs(real).max()
        raise ValueError(f"{largest} needs a scale beyond {scale_format}. Divide the weight first.")
    zero_points: NDArray[Any] = np.zeros(scales.shape, np.int8)
    if mapping == "asymmetric":
        zero_points = np.clip(qmin - np.rint(low / step), qmin, qmax).astype(np.int8)
    elif mapping == "midpoint":
        zero_points = _rounded(low + step * np.float32(half), scale_format)
    return GroupParams(scales, zero_points, real.shape[2], bits, mapping, scale_format, qmin, qmax)


def quantize(weight: ArrayLike, params: GroupParams) -> NDArray[Any]:
    """Turn weights into integers of the same shape: int8, or uint8 for `midpoint`.

    Halves go to even. Only `midpoint` divides; else the reciprocal is rounded to `scale_format`.
    """
    real, scales, zero_points = _with(params, weight)
    with np.errstate(over="ignore"):  # far outside the range: infinite, then clipped
        if params.mapping == "midpoint":
            lowest = zero_points - scales * np.float32(2 ** (params.bits - 1))
            levels = np.rint((real - _rounded(lowest, params.scale_format)) / scales)
        else:
            levels = np.rint(real * _rounded(1 / scales, params.scale_format)) + zero_points
    whole = np.asarray(np.clip(levels, params.qmin, params.qmax)).reshape(len(real), -1)
    return whole.astype(np.uint8 if params.mapping == "midpoint" else np.int8)


def dequantize(integers: ArrayLike, params: GroupParams) -> Floats:
    """Turn integers (rows, columns) back into float32 weights.

    scale * (integer - zero_point), or for `midpoint` scale * (integer - middle) + zero_point.
    """
    levels, scales, zero_points = _with(params, integers)
    if params.mapping == "midpoint":
        real = (levels - np.float32(2 ** (params.bits - 1))) * scales + zero_points
    else:
        real = (levels - zero_points.astype(np.float32)) * scales
    return np.asarray(real.reshape(len(levels), -1), np.float32)


def nf4_levels() -> Floats:
    """Derive the sixteen levels of NF4: quantiles of the normal distribution, float32, and 0.

    Eight above zero, seven below, at probabilities evenly spaced from 0.9677083, the mean of 29/30
    and 31/32, to 1/2, left out; over the largest. In float32, bitsandbytes' table to the bit.
    """
    found = [0.0]
    for sign, count in ((1, 8), (-1, 7)):
        first, last = np.float32(0.9677083), np.float32(0.5)
        step, places = (last - first) / np.float32(count), np.arange(count, dtype=np.float32)
        ends = first + places * step, last - (count - places) * step
        chances = np.where(places < (count + 1) // 2, *ends)  # from the nearer end
        found += [sign * NormalDist().inv_cdf(float(chance)) for chance in chances]
    table = np.array(sorted(found), np.float32)
    return np.asarray(table / table[-1])


def in_groups(weight: ArrayLike, group: int | None) -> Floats:
    """Return a weight as float32 (rows, groups, group), one group for each row if None."""
    real = np.asarray(weight, np.float32)
    if real.ndim != 2 or not real.size:
        raise ValueError(f"a weight has rows and columns; got shape {real.shape}. Reshape it.")
    bad = np.argwhere(~np.isfinite(real))
    if bad.size:
        found = f"{len(bad)} of {real.size} weights are NaN or infinite, first {bad[0].tolist()}"
        raise ValueError(f"{found}. Look at the training before you quantize.")
    rows, columns = real.shape
    group = columns if group is None else group
    if group < 1 or columns % group:
        found = f"{columns} columns are not whole groups of {group}"
        raise ValueError(f"{found}. Take a group that divides them, or add columns of zeros.")
    return real.reshape(rows, -1, group)


def _with(params: GroupParams, weight: ArrayLike) -> tuple[Floats, Floats, NDArray[Any]]:
    """Return a weight in groups, and the scales and zero points (rows, groups, 1)."""
    real = in_groups(weight, params.group)
    if params.scales.shape != real.shape[:2]:
        found = f"parameters for {params.scales.shape} rows and groups; got {real.shape[:2]}"
        raise ValueError(f"{found}. Use those chosen for this weight.")
    return real, params.scales[..., None], params.zero_points[..., None]


def _rounded(values: NDArray[Any], scale_format: ScaleFormat) -> Floats:
    """Round float32 to the nearest value of a format, halves to even; the result is float32."""
    if scale_format != "bfloat16":
        return values.astype(scale_format).astype(np.float32)
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    upper = (bits + np.uint32(0x7FFF) + ((bits >> 16) & 1)) & np.uint32(0xFFFF0000)
    return np.asarray(upper.view(np.float32))
