"""The LSTM that a converter fuses, with a cell of 16 bits.

A sample begins with an empty memory, as in Keras; the engines keep theirs from one call to the
next until it is reset.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from qhelpers.arithmetic import lstm
from qhelpers.tflite.file import Array
from qhelpers.tflite.operations.step import Step, place

_STATE, _CELL, _HIDDEN = 18, 19, 4  # the last is one of the tensors in between, behind the inputs
_TANH = 4  # of LiteRT's schema
_VARIANTS = {
    **dict.fromkeys((9, 10, 11), "peepholes"),
    **dict.fromkeys((16, 17), "a projection"),
    **dict.fromkeys((20, 21, 22, 23), "layer normalization"),
}
# What it takes from the file is a scale, or nothing: these have no values.
WITHOUT_VALUES = (*_VARIANTS, _STATE, _CELL, *range(24, 29))


def _refuse_variants(step: Step) -> None:
    """Refuse what is not known, by its name."""
    for at, what in _VARIANTS.items():
        if at < len(step.inputs) and step.inputs[at] is not None:
            step.refuse(f"an LSTM with {what}")
    if any(step.inputs[at] is None for at in (1, 5, 12)):
        step.refuse("an LSTM whose input gate is what its forget gate leaves")
    if step.option("fusedActivationFunction") != _TANH:
        step.refuse("an LSTM without tanh")
    for at in range(1, 9):
        info = step.input(at)
        if info.kind != "int8" or len(info.scales) != 1 or info.zero_points.any():
            step.refuse(f"weights of {info.kind}, {len(info.scales)} scales, or a zero point")
    state, cell = step.input(_STATE), step.input(_CELL)
    if (state.kind, cell.kind, step.input(12).kind) != ("int8", "int16", "int32"):
        step.refuse(f"a memory of {state.kind}, a cell of {cell.kind}, biases of other types")
    power = np.log2(cell.scales[0])
    if abs(power - np.rint(power)) >= 1e-3 or not -15 <= np.rint(power) <= -9:
        step.refuse(f"a cell of scale {cell.scales[0]:g}: it takes 2**-15 to 2**-9")


def _gates(step: Step) -> tuple[lstm.Gates, lstm.Gates]:
    """Return what multiplies the inputs and what the memory, refusing what is not known."""
    _refuse_variants(step)

    def gates(first: int, rows: tuple[float, int], bias: Array | int) -> lstm.Gates:
        weights = np.stack([step.constant(at) for at in range(first, first + 4)])
        scales = np.array([step.input(at).scales[0] for at in range(first, first + 4)])
        return lstm.Gates(weights, scales, bias, *rows)

    into = gates(1, place(step.source), np.stack([step.constant(at) for at in range(12, 16)]))
    return into, gates(5, place(step.input(_STATE)), 0)


def _lstm(step: Step, values: Array, *_: Array) -> Array:
    into, back = step.once("gates", lambda: _gates(step))
    state = step.input(_STATE)
    hidden = state if step.engine == "micro" else step.input(len(step.operation.inputs) + _HIDDEN)
    order = (0, 2, 1, 3) if step.option("timeMajor", False) else (0, 1, 2, 3)
    rows = values.transpose(order)
    flat = rows.reshape(-1, *rows.shape[2:])
    scale, clip = step.input(_CELL).scales[0], step.option("cellClip", 0.0)
    found = step.rule()(flat, into, back, place(hidden), scale, clip)
    return found.reshape(*rows.shape[:3], -1).transpose(order)


OPERATIONS: dict[str, Callable[..., Array]] = {"UNIDIRECTIONAL_SEQUENCE_LSTM": _lstm}
