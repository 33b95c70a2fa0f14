"""Which arithmetic an engine follows: (operation, bits of the activations) -> a function.

"reference" and "optimized" are LiteRT's own kernels: the plain ones, and those that it takes where
XNNPACK has none; "micro" is LiteRT for Microcontrollers. Most of the optimized kernels and of those
for microcontrollers compute what the reference does; XNNPACK leaves to the optimized ones what it
does not take, 16 bits among it. An operation that is not here moves numbers and computes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy.typing as npt

from qhelpers.arithmetic import elementwise, fixed_point, requantization, tables
from qhelpers.arithmetic.elementwise import gemmlowp_of_float32

Array = npt.NDArray[Any]
Rule = Callable[..., Array]
Rules = Mapping[tuple[str, int], Rule]

_REFERENCE: Rules = {
    ("CONV_2D", 8): requantization.gemmlowp,
    ("CONV_2D in groups", 8): requantization.gemmlowp,
    ("DEPTHWISE_CONV_2D", 8): requantization.gemmlowp,
    ("TRANSPOSE_CONV", 8): requantization.gemmlowp,
    ("FULLY_CONNECTED", 8): requantization.float64,
    ("CONV_2D", 16): requantization.reduced,
    ("CONV_2D in groups", 16): requantization.reduced,
    ("CONV_2D of 32 bits", 16): requantization.gemmlowp,
    ("DEPTHWISE_CONV_2D", 16): requantization.reduced,
    ("TRANSPOSE_CONV", 16): requantization.reduced,
    ("TRANSPOSE_CONV of 32 bits", 16): requantization.gemmlowp,
    ("FULLY_CONNECTED", 16): requantization.float64,
    ("ADD", 8): elementwise.add,
    ("ADD", 16): elementwise.add,
    ("SUB", 8): partial(elementwise.add, sign=-1),
    ("SUB", 16): partial(elementwise.add, sign=-1),
    ("MUL", 8): partial(elementwise.multiply, gemmlowp_of_float32),
    ("MUL", 16): partial(elementwise.multiply, gemmlowp_of_float32),
    ("RELU", 8): gemmlowp_of_float32,
    ("RELU", 16): gemmlowp_of_float32,
    ("LEAKY_RELU", 8): gemmlowp_of_float32,
    ("LEAKY_RELU", 16): gemmlowp_of_float32,
    ("PRELU", 8): gemmlowp_of_float32,
    ("PRELU", 16): gemmlowp_of_float32,
    ("QUANTIZE", 8): requantization.gemmlowp,
    ("QUANTIZE", 16): requantization.gemmlowp,
    ("QUANTIZE", 32): requantization.by_division,
    ("HARD_SWISH", 8): elementwise.hard_swish,
    ("AVERAGE_POOL_2D", 8): elementwise.average,
    ("AVERAGE_POOL_2D", 16): elementwise.average,
    ("MEAN", 8): elementwise.mean,
    ("MEAN", 16): elementwise.mean,
    ("LOGISTIC", 8): partial(tables.by_kernels, tables.logistic),
    ("LOGISTIC", 16): tables.logistic16,
    ("TANH", 8): partial(tables.by_kernels, tables.tanh),
    ("TANH", 16): tables.tanh16,
    ("ELU", 8): partial(tables.by_kernels, tables.elu),
    ("SOFTMAX", 8): fixed_point.softmax,
    ("SOFTMAX", 16): partial(tables.softmax16, wide=True),
}

_OPTIMIZED: Rules = {
    **_REFERENCE,
    ("CONV_2D", 8): requantization.ruy,
    ("CONV_2D of 32 bits", 16): requantization.ruy,
    ("DEPTHWISE_CONV_2D", 8): elementwise.in_eights,
    ("TRANSPOSE_CONV", 8): elementwise.in_eights,
    ("TRANSPOSE_CONV of 32 bits", 16): elementwise.in_eights,
    ("FULLY_CONNECTED", 8): requantization.ruy,
    ("FULLY_CONNECTED of 32 bits", 16): requantization.ruy,
    ("ADD", 8): partial(elementwise.in_short, elementwise.add_in_vectors, False),
    ("ADD", 16): elementwise.add_in_vectors,
    ("MUL", 8): partial(
        elementwise.in_short, partial(elementwise.multiply, gemmlowp_of_float32), True
    ),
    ("LEAKY_RELU", 16): partial(gemmlowp_of_float32, sign_first=True),
    ("QUANTIZE", 8): elementwise.in_sixteens,
    ("QUANTIZE", 32): requantization.by_reciprocal,
    ("MEAN over height and width", 8): elementwise.mean_in_groups,
    ("LOGISTIC", 16): partial(tables.of_powers, fixed_point.logistic, tables.logistic16, (0,)),
    ("TANH", 16): partial(tables.of_powers, fixed_point.tanh, tables.tanh16, (0, 1)),
    ("SOFTMAX", 8): tables.softmax_by_floats,
}

RULES: Mapping[str, Rules] = {
    "reference": _REFERENCE,
    "optimized": _OPTIMIZED,
    "micro": {
        **_REFERENCE,
        ("FULLY_CONNECTED", 8): requantization.gemmlowp,
        ("FULLY_CONNECTED", 16): requantization.reduced,
        ("FULLY_CONNECTED of 32 bits", 16): requantization.gemmlowp,
        # Its multipliers are float64, where LiteRT's are float32.
        **{
            (name, bits): requantization.gemmlowp
            for name in ("RELU", "LEAKY_RELU", "PRELU")
            for bits in (8, 16)
        },
        ("MUL", 8): partial(elementwise.multiply, requantization.gemmlowp),
        ("MUL", 16): partial(elementwise.multiply, requantization.gemmlowp),
        ("HARD_SWISH", 8): partial(elementwise.hard_swish, wide=True),
        ("LOGISTIC", 8): partial(tables.fixed, fixed_point.logistic),
        ("TANH", 8): partial(tables.fixed, fixed_point.tanh),
        ("SOFTMAX", 16): partial(tables.softmax16, wide=False),
    },
    "xnnpack": {
        **_OPTIMIZED,
        ("CONV_2D", 8): requantization.float32,
        ("CONV_2D in groups", 8): requantization.float32,
        ("DEPTHWISE_CONV_2D", 8): requantization.float32,
        ("TRANSPOSE_CONV", 8): requantization.float32,
        ("FULLY_CONNECTED", 8): requantization.float32,
        ("ADD", 8): elementwise.add_by_xnnpack,
        ("SUB", 8): partial(elementwise.add_by_xnnpack, sign=-1),
        ("MUL", 8): partial(elementwise.multiply, requantization.float32),
        ("LEAKY_RELU", 8): elementwise.eighths,
        ("QUANTIZE", 8): elementwise.eighths,
        ("MEAN", 8): elementwise.mean_by_xnnpack,
        ("MEAN over height and width", 8): elementwise.mean_by_xnnpack,
        ("LOGISTIC", 8): partial(tables.by_xnnpack, tables.logistic_of_xnnpack),
        ("TANH", 8): partial(tables.by_xnnpack, tables.tanh),
        ("ELU", 8): partial(tables.by_xnnpack, tables.elu),
    },
}
