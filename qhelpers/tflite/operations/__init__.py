"""The operations of a .tflite file in NumPy: one module for each family.

To add one: write a function that takes a `Step` and the arrays that it reads, put it into the
family's `OPERATIONS`, its types into `_TYPES` where they are not those of the table's last line,
and, where it computes, its arithmetic into `rules`. Arrays are [n, *shape], n samples; constants
have n = 1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from qhelpers.tflite.file import Array
from qhelpers.tflite.operations import lookup, pointwise, pooling, products, recurrent, shape
from qhelpers.tflite.operations.step import Step, Values, place

OPERATIONS: Mapping[str, Callable[..., Array | Sequence[Array]]] = {
    **products.OPERATIONS,
    **pooling.OPERATIONS,
    **pointwise.OPERATIONS,
    **lookup.OPERATIONS,
    **recurrent.OPERATIONS,
    **shape.OPERATIONS,
}

_INTEGERS, _FLOATS = ("int8", "int16"), ("float32",)
_ANY = ("int8", "uint8", "int16", "float32")
# The types of what goes in and out, where they are not integers of one type.
_TYPES: Mapping[str, tuple[str, ...]] = {
    "CONV_2D": (*_INTEGERS, *_FLOATS),
    **dict.fromkeys(("FULLY_CONNECTED", "BATCH_MATMUL"), (*_INTEGERS, *_FLOATS)),
    "MAX_POOL_2D": (*_INTEGERS, *_FLOATS),
    "ADD": (*_INTEGERS, *_FLOATS),
    "SUB": (*_INTEGERS, *_FLOATS),
    **dict.fromkeys(("HARD_SWISH", "ELU", *recurrent.OPERATIONS), ("int8",)),
    "QUANTIZE": _ANY,
    **dict.fromkeys(shape.OPERATIONS, _ANY),
    "RESIZE_BILINEAR": _INTEGERS,
}
# Inputs whose values nobody needs: the output's shape, which stands in the file, and a memory.
SHAPES: Mapping[str, tuple[int, ...]] = {
    "RESHAPE": (1,),
    "TRANSPOSE_CONV": (0,),
    **dict.fromkeys(recurrent.OPERATIONS, recurrent.WITHOUT_VALUES),
}
# Those that move numbers, and have to leave their scale as it is.
_MOVES = {*shape.OPERATIONS, "MAX_POOL_2D", "AVERAGE_POOL_2D"}


def check(step: Step) -> None:
    """Raise an UnknownStepError where an operation, its types or its options are not known."""
    if step.name not in OPERATIONS:
        step.refuse("this operation is not known")
    for at, info in enumerate((*step.inputs, *step.outputs)):
        if info is None:
            bias = step.name in products.OPERATIONS and at == products.bias_at(step)
            if not bias and step.name not in recurrent.OPERATIONS:
                step.refuse(f"input {at} is missing")
        elif not (np.isfinite(info.scales) & (info.scales > 0)).all():
            step.refuse(f"{info.name!r} has a scale that is none")
    at = {"SPLIT": 1, "TRANSPOSE_CONV": 2}.get(step.name, 0)
    source, output = step.input(at), step.output
    changes = step.name in ("QUANTIZE", "DEQUANTIZE")
    types = _TYPES.get(step.name, _INTEGERS)
    if not changes and (source.dtype != output.dtype or output.dtype.name not in types):
        step.refuse(f"{source.kind} in, {output.kind} out is not known")
    floats = output.dtype.kind == "f", source.dtype.kind == "f"
    for info, is_float in ((output, floats[0]), (source, floats[1])):
        if not is_float and len(info.scales) != 1 and step.name not in shape.OPERATIONS:
            step.refuse(f"{info.name!r} has {len(info.scales)} scales")
    if step.name in _MOVES and output.scales.size:
        places = [place(info) for info in step.inputs if info is not None and info.scales.size]
        if any(found != place(output) for found in places):
            step.refuse("it moves numbers to another scale")
    if floats[0] and step.floats is None and step.name not in (*_MOVES, "DEQUANTIZE"):
        step.refuse("this engine has no rule for float32")
    if step.option("weightsFormat") or not step.activation:
        step.refuse(f"weightsFormat {step.option('weightsFormat')}")


def computed(step: Step, values: Values) -> Sequence[Array]:
    """Compute a step from the values by index; a missing input is None."""
    for at, info in enumerate(step.inputs):
        if info and info.index not in values and at not in SHAPES.get(step.name, ()):
            step.refuse(f"{info.name!r} has no value: neither stored nor made before")
    found = OPERATIONS[step.name](step, *map(values.get, step.operation.inputs))
    return found if isinstance(found, (list, tuple)) else [found]  # type: ignore[list-item]
