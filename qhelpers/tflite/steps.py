"""The operations of a .tflite file with their options: stride, padding, activation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NoReturn

from qhelpers import paths
from qhelpers.tflite.file import TensorInfo, TfliteFile

Pair = tuple[int, int]

# Source: Padding, ActivationFunctionType and TensorType in LiteRT's schema.fbs.
_PADDINGS = {0: "SAME", 1: "VALID"}
_ACTIVATIONS = {0: False, 1: True}  # NONE, RELU
_INT64 = 4


class UnknownStepError(ValueError):
    """The file holds something that the arithmetic of the course does not know."""


@dataclass(frozen=True)
class Step:
    """One operation. Pairs are (down, across).

    Attributes:
        name: as in the file, such as "CONV_2D".
        inputs, output: indices of tensors; -1 stands for a bias that is not there.
        relu: whether a ReLU is part of it.
        stride, dilation, size, padding: of its windows; `size` for a pooling only.
        bias_bits: 32 or 64, the type that its bias has or would have.
        pool: a pooling that goes along with it.
    """

    name: str
    inputs: tuple[int, ...]
    output: int
    relu: bool = False
    stride: Pair = (1, 1)
    dilation: Pair = (1, 1)
    size: Pair = (1, 1)
    padding: str = "VALID"
    bias_bits: int = 32
    pool: Step | None = None

    def pooled_by(self, pool: Step) -> Step:
        """Return this step with a pooling that follows it merged in."""
        return replace(self, output=pool.output, pool=pool)

    def refuse(self, why: str, tensors: Mapping[int, TensorInfo]) -> NoReturn:
        """Raise an UnknownStepError that names the operation and its output."""
        raise UnknownStepError(f"{self.name}, which makes {tensors[self.output].name!r}: {why}.")


def settings(content: bytes) -> list[dict[str, Any]]:
    """Return the options of every operation of a .tflite file, in running order.

    Args:
        content: the file's bytes.

    Returns:
        For each operation the names of LiteRT's schema and their values; empty where it has none.
    """
    schema = paths.require("ai_edge_litert.schema_py_generated", extra="litert")
    graph = schema.ModelT.InitFromPackedBuf(content, 0).subgraphs[0]
    found = [operation.builtinOptions for operation in graph.operators]
    return [vars(options) if options else {} for options in found]


def read(file: TfliteFile) -> list[Step]:
    """Return the operations that compute numbers, in running order.

    Those that only compute a shape are left out: shapes follow from the number of images.

    Raises:
        UnknownStepError: an option is not known here.
    """
    tensors = {tensor.index: tensor for tensor in file.tensors}
    steps = []
    for operation, options in zip(file.operations, settings(file.content), strict=True):
        step = Step(operation.name, operation.inputs, operation.outputs[0])
        info = tensors[step.output]
        if info.dtype.kind in "iu" and not len(info.scales):
            continue
        steps.append(_with_options(step, options, tensors))
    return steps


def _with_options(
    step: Step, options: Mapping[str, Any], tensors: Mapping[int, TensorInfo]
) -> Step:
    """Return a step with what its options say."""
    activation = options.get("fusedActivationFunction", 0)
    padding = options.get("padding", 1)
    if activation not in _ACTIVATIONS:
        step.refuse(f"activation {activation} is not known, only none and ReLU", tensors)
    if padding not in _PADDINGS:
        step.refuse(f"padding {padding} is not known, only SAME and VALID", tensors)
    if options.get("weightsFormat", 0) != 0:
        step.refuse("shuffled weights are not known", tensors)

    def pair(down: str, across: str) -> Pair:
        return int(options.get(down, 1)), int(options.get(across, 1))

    return replace(
        step,
        relu=_ACTIVATIONS[activation],
        padding=_PADDINGS[padding],
        bias_bits=64 if options.get("quantizedBiasType", 0) == _INT64 else 32,
        stride=pair("strideH", "strideW"),
        dilation=pair("dilationHFactor", "dilationWFactor"),
        size=pair("filterHeight", "filterWidth"),
    )
