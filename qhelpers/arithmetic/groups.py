"""Weights in groups: each run of neighbouring columns of a row has a scale of its own.

A weight is (rows, columns), rows the outputs, and is taken as float32; every step is a float32
operation, in the order that the libraries for language models have. `mapping` says how the reals
of a group lie on its integers, here for 4 bits:

    narrow      -7 to 7, scale = largest magnitude / 7
    wide        -8 to 7, scale = largest magnitude / 7.5: a largest value above 0 loses half a step
    unclipped   -8 to 7, the smallest scale that clips neither end
    asymmetric  -8 to 7, zero_points integers: the range is widened to hold 0.0, which comes back
    midpoint    0 to 15, zero_points floats, the real number at 8: no room is lost to 0.0, which
                need not come back

Source: T. Dettmers and L. Zettlemoyer, "The case for 4-bit precision", ICML 2023, section 2.
"""

from __future__ import annotations

from dataclasses import dataclass
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
    """Scales and zero points of a weight of (rows, groups * group).

    Attributes:
        scales: float32 (rows, groups), each a value of `scale_format`.
        zero_points: int8 (rows, groups), 0 where symmetric; float32 for `midpoint`.
        group: columns that share a scale.
        qmin, qmax: the smallest and the largest integer used.
    """

    scales: Floats
    zero_points: NDArray[Any]
    group: int
    bits: int
    mapping: Mapping
    scale_format: ScaleFormat
    qmin: int
    qmax: int

    @property
    def bits_per_weight(self) -> float:
        """Bits that a weight takes, with its share of the scale and of the zero point."""
        scale = 32 if self.scale_format == "float32" else 16
        zero_point = {"asymmetric": self.bits, "midpoint": scale}.get(self.mapping, 0)
        return self.bits + (scale + zero_point) / self.group


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

    Raises:
        ValueError: NaN or infinity, a group that does not divide the columns, an unknown option,
            weights too large for a scale in `scale_format`.
    """
    if not 2 <= bits <= 8:
        raise ValueError(f"bits must be 2 to 8; got {bits}.")
    for value, known in ((mapping, get_args(Mapping)), (scale_format, get_args(ScaleFormat))):
        if value not in known:
            raise ValueError(f"expected one of {', '.join(known)}; got {value!r}.")
    real = _finite(weight)
    columns = real.shape[1]
    group = columns if group is None else group
    if group < 1 or columns % group:
        fits = max(size for size in range(1, max(group, 1) + 1) if columns % size == 0)
        raise ValueError(
            f"a group must divide the {columns} columns; got {group}. Use {fits}, or add columns "
            "of zeros to the weight."
        )
    grouped = real.reshape(len(real), -1, group)
    low, high = grouped.min(axis=2), grouped.max(axis=2)
    half = 2 ** (bits - 1)
    qmin, qmax = (0, 2 * half - 1) if mapping == "midpoint" else (-half, half - 1)
    if mapping != "midpoint":
        low, high = np.minimum(low, np.float32(0)), np.maximum(high, np.float32(0))
    if mapping == "narrow":
        qmin = -qmax
    with np.errstate(over="ignore"):
        if mapping in ("narrow", "wide"):
            step = np.maximum(-low, high) / np.float32((qmax - qmin) / 2)
        elif mapping == "unclipped":
            step = np.maximum(low / np.float32(qmin), high / np.float32(qmax))
        else:
            step = (high - low) / np.float32(qmax - qmin)
        step = np.maximum(step, np.float32(max(smallest, 2**-126)))
        scales = np.maximum(_rounded(step, scale_format), np.float32(_SMALLEST[scale_format]))
    if not np.isfinite(scales).all():
        raise ValueError(
            f"weights from {real.min()} to {real.max()} need a scale too large for {scale_format}. "
            "Divide the weight by a constant, or use a scale_format with a larger range."
        )
    zero_points: NDArray[Any] = np.zeros(scales.shape, np.int8)
    if mapping == "asymmetric":
        zero_points = np.clip(qmin - np.rint(low / step), qmin, qmax).astype(np.int8)
    elif mapping == "midpoint":
        zero_points = _rounded(low + step * np.float32(half), scale_format)
    return GroupParams(scales, zero_points, group, bits, mapping, scale_format, qmin, qmax)


def quantize(weight: ArrayLike, params: GroupParams) -> NDArray[Any]:
    """Turn weights into integers of the same shape: int8, or uint8 for `midpoint`.

    Halves go to even. The weight is multiplied by the reciprocal of the scale, itself rounded to
    `scale_format`; only `midpoint` divides.

    Raises:
        ValueError: NaN or infinity, or another shape than the parameters'.
    """
    real = _grouped(_finite(weight), params)
    scales, zero_points = params.scales[..., None], params.zero_points[..., None]
    with np.errstate(over="ignore"):  # far outside the range: infinite, then clipped
        if params.mapping == "midpoint":
            lowest = zero_points - scales * np.float32(2 ** (params.bits - 1))
            levels = np.rint((real - _rounded(lowest, params.scale_format)) / scales)
        else:
            levels = np.rint(real * _rounded(1 / scales, params.scale_format)) + zero_points
    whole = np.asarray(np.clip(levels, params.qmin, params.qmax)).reshape(np.shape(weight))
    return whole.astype(np.uint8 if params.mapping == "midpoint" else np.int8)


def dequantize(integers: ArrayLike, params: GroupParams) -> Floats:
    """Turn integers (rows, columns) back into float32 weights.

    scale * (integer - zero_point), or for `midpoint` scale * (integer - middle) + zero_point.

    Raises:
        ValueError: no integers, one outside the range, or another shape than the parameters'.
    """
    array = np.asarray(integers)
    levels = _grouped(array, params).astype(np.float32)
    if array.dtype.kind not in "iu" or levels.min() < params.qmin or levels.max() > params.qmax:
        raise ValueError(
            f"expected integers in {params.qmin} to {params.qmax}; got {array.dtype} from "
            f"{array.min()} to {array.max()}. Use what `quantize` made with these parameters."
        )
    scales, zero_points = params.scales[..., None], params.zero_points[..., None]
    if params.mapping == "midpoint":
        real = (levels - np.float32(2 ** (params.bits - 1))) * scales + zero_points
    else:
        real = (levels - zero_points.astype(np.float32)) * scales
    return np.asarray(real.reshape(array.shape), np.float32)


def _finite(weight: ArrayLike) -> Floats:
    """Return a weight as float32 (rows, columns); refuse what has no range."""
    real = np.asarray(weight, np.float32)
    if real.ndim != 2 or not real.size:
        raise ValueError(f"a weight has rows and columns; got shape {real.shape}. Reshape it.")
    bad = np.argwhere(~np.isfinite(real))
    if bad.size:
        raise ValueError(
            f"{len(bad)} of {real.size} weights are NaN or infinite, the first in row {bad[0, 0]}, "
            f"column {bad[0, 1]}; no scale fits those. Look at the training before you quantize."
        )
    return real


def _grouped(array: NDArray[Any], params: GroupParams) -> NDArray[Any]:
    """Return (rows, columns) as (rows, groups, group)."""
    rows, groups = params.scales.shape
    if array.shape != (rows, groups * params.group):
        raise ValueError(
            f"these parameters are for shape {(rows, groups * params.group)}; got {array.shape}."
        )
    return array.reshape(rows, groups, params.group)


def _rounded(values: NDArray[Any], scale_format: ScaleFormat) -> Floats:
    """Round float32 to the nearest value of a format, halves to even; the result is float32."""
    if scale_format == "float16":
        return values.astype(np.float16).astype(np.float32)
    if scale_format == "float32":
        return values.astype(np.float32)
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    upper = (bits + np.uint32(0x7FFF) + ((bits >> 16) & 1)) & np.uint32(0xFFFF0000)
    return np.asarray(upper.view(np.float32))
