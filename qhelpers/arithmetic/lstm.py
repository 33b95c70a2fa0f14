"""A layer of LSTM in integers: 8 bits in, out and in the weights, 16 in the gates and the cell.

Source: `EvalInteger8x8_16` in LiteRT's `kernels/lstm_eval.cc`, with `portable_tensor_utils.cc`;
`EvalLstm` in `micro/kernels/lstm_eval.h` of LiteRT for Microcontrollers.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from qhelpers.arithmetic import Array, fixed_point, integer_ops, tables
from qhelpers.arithmetic.fixed_point import divide_by_power, saturated
from qhelpers.arithmetic.requantization import multiply_by_quantized, quantized_multiplier

_FINE = 2.0**-12, 0  # the place of the gates


class Gates(NamedTuple):
    """What multiplies rows with the weights of the gates: input, forget, cell and output."""

    weights: Array  # int8 [4, cells, k]
    scales: Array  # float32, of each gate's weights
    bias: Any  # int32 [4, cells], or 0
    scale: Any  # of the rows, int8 [..., k]
    zero: int  # their zero point

    def __call__(self, rows: Array, kind: Any) -> Array:
        """Return the sums, int64 [4, n, cells], in steps of 2**-12; multipliers are of a `kind`."""
        bias = np.broadcast_to(self.bias, self.weights.shape[:2]).astype(np.float64)
        sums = (rows.astype(np.float64) - self.zero) @ self.weights.swapaxes(1, 2).astype(float)
        sums = integer_ops.fitting_int32(sums + bias[:, None], 1 << 31)
        real = np.asarray(self.scales, kind) * kind(self.scale) * kind(4096)
        mantissas, shifts = quantized_multiplier(real[:, None, None])
        return multiply_by_quantized(sums.astype(np.int64), mantissas, shifts)


def sequence(
    inputs: Array,
    into: Gates,
    back: Gates,
    hidden: tuple[Any, int],
    cell_scale: Any,
    clip: float = 0,
    micro: bool = False,
) -> Array:
    """Run sequences, int8 [n, times, k], from an empty memory: int8 [n, times, cells].

    `into` has the weights for inputs, `back` those for the last output, whose place is `hidden`.
    The cell's scale is 2**-15 to 2**-9, and `clip` the largest real number in it, 0 for none.
    `micro` is LiteRT for Microcontrollers: multipliers are computed in float64, both parts of a
    gate saturate, functions are looked up in tables, and products are rounded twice.
    """
    n, cells, power = len(inputs), into.weights.shape[1], round(np.log2(float(cell_scale)))
    cell: Array = np.zeros((n, cells), np.int64)
    state: Array = np.full((n, cells), back.zero)
    largest = int(min(float(clip) / float(cell_scale), 32767.0))
    kind: Any = np.float64 if micro else np.float32
    last = quantized_multiplier(kind(2.0**-30 / np.float64(hidden[0])))
    outputs = np.empty((n, inputs.shape[1], cells), np.int8)

    def product(a: Array, b: Array, real: Any, shift: int) -> Array:
        if micro:
            return saturated(multiply_by_quantized(a * b, *quantized_multiplier(real)), 16)
        return divide_by_power(a * b, shift)

    for at in range(inputs.shape[1]):
        second = saturated(back(state, kind), 16) if micro else back(state, kind)
        gates = saturated(saturated(into(inputs[:, at], kind), 16) + second, 16)
        if micro:
            opened = tables.logistic16(gates, _FINE, _FINE).astype(np.int64)
            new = tables.tanh16(gates[2], _FINE, _FINE).astype(np.int64)
        else:
            opened, new = fixed_point.logistic(gates, 3, 16), fixed_point.tanh(gates[2], 3, 16)
        old = product(opened[1], cell, 2.0**-15, 15)
        cell = saturated(old + product(opened[0], new, 2.0**-30 / cell_scale, 30 + power), 16)
        cell = np.clip(cell, -largest, largest) if clip > 0 and (micro or largest) else cell
        if micro:
            right = max(-12 - power, 0)
            steps = ((cell * 3 << max(power + 12, 0)) + (1 << right >> 1)) >> right
            shown = tables.tanh_of_thirds(steps).astype(np.int64)
        else:
            shown = fixed_point.tanh(cell, 15 + power, 16)
        state = np.clip(multiply_by_quantized(opened[3] * shown, *last) + hidden[1], -128, 127)
        outputs[:, at] = state
    return outputs
