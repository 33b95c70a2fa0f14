"""Which arithmetic an engine follows: (operation, bits of the activations) -> a function.

"reference" and "optimized" are LiteRT's own kernels: the plain ones, and those that it takes where
XNNPACK has none; "micro" is LiteRT for Microcontrollers. Most of the optimized kernels and of those
for microcontrollers compute what the reference does; XNNPACK leaves to the optimized ones what it
does not take, 16 bits among it. An operation that is not here moves numbers and computes nothing.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping
from functools import partial

from qhelpers.arithmetic import (
    Array,
    elementwise,
    fixed_point,
    lstm,
    requantization,
    resize,
    tables,
)
from qhelpers.arithmetic.elementwise import gemmlowp_of_float32
from qhelpers.arithmetic.requantization import float32, float64, gemmlowp, reduced

Rule = Callable[..., Array]
Rules = Mapping[tuple[str, int], Rule]
_Rows = dict[str, tuple[Rule | None, ...]]  # for 8, 16 and 32 bits

_arm = platform.machine() in ("aarch64", "arm64")
_ruy = requantization.ruy_on_arm if _arm else requantization.ruy
_multiply = partial(elementwise.multiply, gemmlowp_of_float32)
_subtract = partial(elementwise.add, sign=-1)

_REFERENCE: _Rows = {
    "CONV_2D": (gemmlowp, reduced),
    "CONV_2D of 32 bits": (None, gemmlowp),
    "CONV_2D in groups": (gemmlowp, reduced),
    "DEPTHWISE_CONV_2D": (gemmlowp, reduced),
    "TRANSPOSE_CONV": (gemmlowp, reduced),
    "TRANSPOSE_CONV of 32 bits": (None, gemmlowp),
    "FULLY_CONNECTED": (float64, float64),
    "BATCH_MATMUL": (gemmlowp, reduced),
    "ADD": (elementwise.add, elementwise.add),
    "SUB": (_subtract, _subtract),
    "MUL": (_multiply, _multiply),
    **dict.fromkeys(("RELU", "LEAKY_RELU", "PRELU"), (gemmlowp_of_float32,) * 2),
    "QUANTIZE": (gemmlowp, gemmlowp, requantization.by_division),
    "HARD_SWISH": (elementwise.hard_swish,),
    "AVERAGE_POOL_2D": (elementwise.average, elementwise.average),
    "MEAN": (elementwise.mean, elementwise.mean),
    "LOGISTIC": (partial(tables.by_kernels, tables.logistic), tables.logistic16),
    "TANH": (partial(tables.by_kernels, tables.tanh), tables.tanh16),
    "ELU": (partial(tables.by_kernels, tables.elu),),
    "SOFTMAX": (fixed_point.softmax, partial(tables.softmax16, wide=True)),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": (lstm.sequence,),
    "RESIZE_NEAREST_NEIGHBOR": (resize.nearest, resize.nearest, resize.nearest),
    "RESIZE_BILINEAR": (resize.bilinear, resize.bilinear),
}
_logistic16 = partial(tables.of_powers, fixed_point.logistic, tables.logistic16, (0,))
_tanh16 = partial(tables.of_powers, fixed_point.tanh, tables.tanh16, (0, 1))
_add_in_short = partial(elementwise.in_short, elementwise.add_in_vectors, False)

_OPTIMIZED: _Rows = _REFERENCE | {
    "CONV_2D": (_ruy, reduced),
    "CONV_2D of 32 bits": (None, _ruy),
    "DEPTHWISE_CONV_2D": (elementwise.in_eights, reduced),
    "TRANSPOSE_CONV": (elementwise.in_eights, reduced),
    "TRANSPOSE_CONV of 32 bits": (None, elementwise.in_eights),
    "FULLY_CONNECTED": (_ruy, float64),
    "FULLY_CONNECTED of 32 bits": (None, _ruy),
    "ADD": (_add_in_short, elementwise.add_in_vectors),
    "MUL": (partial(elementwise.in_short, _multiply, True), _multiply),
    "LEAKY_RELU": (gemmlowp_of_float32, partial(gemmlowp_of_float32, sign_first=True)),
    "QUANTIZE": (elementwise.in_sixteens, gemmlowp, requantization.by_reciprocal),
    "MEAN over height and width": (elementwise.mean_in_groups,),
    "LOGISTIC": (partial(tables.by_kernels, tables.logistic), _logistic16),
    "TANH": (partial(tables.by_kernels, tables.tanh), _tanh16),
    "SOFTMAX": (tables.softmax_by_floats, partial(tables.softmax16, wide=True)),
    "RESIZE_NEAREST_NEIGHBOR": (partial(resize.nearest, optimized=True), *(resize.nearest,) * 2),
}
_MICRO: _Rows = _REFERENCE | {
    "FULLY_CONNECTED": (gemmlowp, reduced),
    "FULLY_CONNECTED of 32 bits": (None, gemmlowp),
    # Its multipliers are float64, where LiteRT's are float32.
    **dict.fromkeys(("RELU", "LEAKY_RELU", "PRELU"), (gemmlowp, gemmlowp)),
    "MUL": (partial(elementwise.multiply, gemmlowp),) * 2,
    "HARD_SWISH": (partial(elementwise.hard_swish, wide=True),),
    "LOGISTIC": (partial(tables.fixed, fixed_point.logistic), tables.logistic16),
    "TANH": (partial(tables.fixed, fixed_point.tanh), tables.tanh16),
    "SOFTMAX": (fixed_point.softmax, partial(tables.softmax16, wide=False)),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": (partial(lstm.sequence, micro=True),),
}
_XNNPACK: _Rows = {  # of 8 bits, all of them
    **dict.fromkeys(("CONV_2D", "CONV_2D in groups", "DEPTHWISE_CONV_2D"), (float32,)),
    **dict.fromkeys(("TRANSPOSE_CONV", "FULLY_CONNECTED", "BATCH_MATMUL"), (float32,)),
    "ADD": (elementwise.add_by_xnnpack,),
    "SUB": (partial(elementwise.add_by_xnnpack, sign=-1),),
    "MUL": (partial(elementwise.multiply, float32),),
    "LEAKY_RELU": (elementwise.eighths,),
    "QUANTIZE": (elementwise.eighths,),
    "MEAN": (elementwise.mean_by_xnnpack,),
    "MEAN over height and width": (elementwise.mean_by_xnnpack,),
    "LOGISTIC": (partial(tables.by_xnnpack, tables.logistic_of_xnnpack),),
    "TANH": (partial(tables.by_xnnpack, tables.tanh),),
    "ELU": (partial(tables.by_xnnpack, tables.elu),),
    "RESIZE_BILINEAR": (resize.bilinear_by_xnnpack,),
}


def _by_bits(rows: _Rows) -> dict[tuple[str, int], Rule]:
    return {
        (o, 8 << at): rule for o, rules in rows.items() for at, rule in enumerate(rules) if rule
    }


RULES: Mapping[str, Rules] = {
    "reference": _by_bits(_REFERENCE),
    "optimized": _by_bits(_OPTIMIZED),
    "micro": _by_bits(_MICRO),
    "xnnpack": _by_bits(_OPTIMIZED) | _by_bits(_XNNPACK),
}
