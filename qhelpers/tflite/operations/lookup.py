"""Operations that engines look up in tables: logistic, tanh, ELU and softmax."""

from __future__ import annotations

from collections.abc import Callable

from qhelpers.tflite.file import Array
from qhelpers.tflite.operations.step import Step, place

# The one scale and zero point that these may give, by the bits of their output.
_PLACES = {
    ("LOGISTIC", 8): (1 / 256, -128),
    ("SOFTMAX", 8): (1 / 256, -128),
    ("TANH", 16): (1 / 32768, 0),
    ("LOGISTIC", 16): (1 / 32768, 0),
    ("SOFTMAX", 16): (1 / 32768, 0),
}


def _looked_up(step: Step, values: Array) -> Array:
    wanted = _PLACES.get((step.name, step.bits), place(step.output))
    if step.name == "TANH" and step.engine == "micro" and step.bits == 8:
        wanted = 1 / 128, 0
    if place(step.output) != wanted:
        step.refuse(f"scale and zero point {place(step.output)}; it gives {wanted}")
    if step.name == "SOFTMAX":
        return step.rule()(values, step.source.scales[0], step.option("beta", 1.0))
    return step.rule()(values, place(step.source), place(step.output))


OPERATIONS: dict[str, Callable[..., Array]] = {
    "LOGISTIC": _looked_up,
    "TANH": _looked_up,
    "ELU": _looked_up,
    "SOFTMAX": _looked_up,
}
