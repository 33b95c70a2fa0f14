"""Addition of two quantized tensors, as LiteRT's kernels and as XNNPACK compute it.

Each input has a ruler of its own, so both are brought to a common one first; that takes a
multiplication and a rounding, and the two engines differ in where they round.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from qhelpers.arithmetic.requantization import multiply_by_quantized, quantized_multiplier

Array = npt.NDArray[Any]
Ruler = tuple[Any, int]  # scale (float32), zero point


def kernels(first: Array, second: Array, a: Ruler, b: Ruler, output: Ruler) -> Array:
    """Add as LiteRT's own kernels and those for microcontrollers do: three roundings.

    Args:
        first: int8 or int16.
        second: the same type, of a shape that fits.
        a: scale and zero point of the first.
        b: scale and zero point of the second.
        output: scale and zero point of the sum.

    Returns:
        int64, of the same shape, before clipping.

    Source: `ops::builtin::add::Prepare` and `reference_integer_ops::AddFunc` in LiteRT.
    """
    left = 15 if first.dtype == np.int16 else 20
    twice_largest = 2 * np.float64(max(a[0], b[0]))
    total: Any = 0
    for values, (scale, zero_point) in ((first, a), (second, b)):
        ratio = quantized_multiplier(np.float64(scale) / twice_largest)
        shifted = (values.astype(np.int64) - zero_point) << left
        total = total + multiply_by_quantized(shifted, *ratio)
    ratio = quantized_multiplier(twice_largest / (np.float64(1 << left) * np.float64(output[0])))
    return multiply_by_quantized(np.asarray(total), *ratio) + output[1]


def xnnpack(first: Array, second: Array, a: Ruler, b: Ruler, output: Ruler) -> Array:
    """Add as XNNPACK does: both products on a common power of two, one rounding, a half up.

    Arguments and result are those of `kernels`; int8 only.

    Raises:
        ValueError: an input's scale is not 2**-10 to 2**8 times the output's.

    Source: `xnn_init_qs8_add_minmax_scalar_params` and the `qs8-vadd` kernels in XNNPACK.
    """
    ratios = np.array([np.float32(a[0]), np.float32(b[0])]) / np.float32(output[0])
    if not ((ratios >= 2.0**-10) & (ratios < 2.0**8)).all():
        raise ValueError(f"XNNPACK adds with ratios of scales from 2**-10 to 2**8; got {ratios}.")
    shift = 20 - int(np.frexp(ratios.max())[1] - 1)
    multipliers = np.rint(np.ldexp(ratios, shift)).astype(np.int64)
    total: Any = 1 << (shift - 1)
    for values, multiplier, (_, zero_point) in (
        (first, multipliers[0], a),
        (second, multipliers[1], b),
    ):
        total = total + (values.astype(np.int64) - zero_point) * multiplier
    return np.clip(np.asarray(total) >> shift, -(2**15), 2**15 - 1) + output[1]


# Engine -> bits of the activations -> rule.
ENGINES: Mapping[str, Mapping[int, Callable[..., Array]]] = MappingProxyType(
    {
        "reference": {8: kernels, 16: kernels},
        "optimized": {8: kernels},  # with 16 bits, vector code with a rounding of its own
        "micro": {8: kernels, 16: kernels},
        "xnnpack": {8: xnnpack},
    }
)
