"""One-layer .tflite files with any scales, zero points and integers: what the oracle tests run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

TYPES = {
    np.dtype(np.float32): schema.TensorType.FLOAT32,
    np.dtype(np.int8): schema.TensorType.INT8,
    np.dtype(np.uint8): schema.TensorType.UINT8,
    np.dtype(np.int16): schema.TensorType.INT16,
    np.dtype(np.int32): schema.TensorType.INT32,
    np.dtype(np.int64): schema.TensorType.INT64,
}


@dataclass(eq=False)
class Tensor:
    """A tensor of the file: `values` for a constant, else `shape` and `dtype`."""

    name: str
    scales: Any = ()
    zero_point: int = 0
    values: Any = None
    shape: tuple[int, ...] = ()
    dtype: Any = np.int8
    axis: int = 0
    variable: bool = False


def file(
    operation: str,
    inputs: Sequence[Tensor | None],
    output: Tensor | Sequence[Tensor],
    options: Any = None,
    between: Sequence[Tensor] = (),
) -> bytes:
    """Return a .tflite file of one operation; inputs without values are the file's inputs.

    The tensors `between` are those of which an operation takes the scale for what is inside.
    """
    outputs = [output] if isinstance(output, Tensor) else list(output)
    model, graph = schema.ModelT(), schema.SubGraphT()
    model.version, model.buffers = 3, [schema.BufferT()]
    graph.tensors, graph.inputs = [], []
    indices: list[int] = []
    places: dict[int, int] = {}  # a tensor may be read twice
    for tensor in [*inputs, *outputs, *between]:
        if tensor is None or id(tensor) in places:
            indices.append(-1 if tensor is None else places[id(tensor)])
            continue
        stored = schema.TensorT()
        stored.name = tensor.name.encode()
        values = None if tensor.values is None else np.asarray(tensor.values)
        stored.shape = list(tensor.shape if values is None else values.shape)
        stored.type = TYPES[np.dtype(tensor.dtype if values is None else values.dtype)]
        if np.size(tensor.scales):
            quantization = schema.QuantizationParametersT()
            scales = np.atleast_1d(np.asarray(tensor.scales, np.float32))
            quantization.scale = scales
            quantization.zeroPoint = np.full(len(scales), tensor.zero_point, np.int64)
            quantization.quantizedDimension = tensor.axis
            stored.quantization = quantization
        if values is None:
            stored.buffer = 0
        else:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(values.tobytes(), np.uint8)
            model.buffers.append(buffer)
            stored.buffer = len(model.buffers) - 1
        graph.tensors.append(stored)
        indices.append(len(graph.tensors) - 1)
        places[id(tensor)] = indices[-1]
        stored.isVariable = tensor.variable
        if values is None and not tensor.variable and tensor not in [*outputs, *between]:
            graph.inputs.append(indices[-1])
    code, step = schema.OperatorCodeT(), schema.OperatorT()
    code.builtinCode = getattr(schema.BuiltinOperator, operation)
    code.deprecatedBuiltinCode, code.version = min(code.builtinCode, 127), 1
    model.operatorCodes = [code]
    count = len(inputs)
    made = indices[count : count + len(outputs)]
    step.opcodeIndex, step.inputs, step.outputs = 0, indices[:count], made
    if between:
        step.intermediates = indices[count + len(outputs) :]
    if options is not None:
        step.builtinOptions = options
        kind = type(options).__name__.removesuffix("T")
        step.builtinOptionsType = getattr(schema.BuiltinOptions, kind)
    graph.operators, graph.outputs = [step], made
    model.subgraphs = [graph]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def dense(
    inputs: Tensor, weights: Tensor, bias: Tensor | None, output: Tensor, relu: bool = False
) -> bytes:
    options = schema.FullyConnectedOptionsT()
    options.fusedActivationFunction = int(relu)
    return file("FULLY_CONNECTED", [inputs, weights, bias], output, options)


def convolution(
    inputs: Tensor,
    weights: Tensor,
    bias: Tensor | None,
    output: Tensor,
    stride: tuple[int, int] = (1, 1),
    padding: str = "VALID",
    dilation: tuple[int, int] = (1, 1),
    relu: bool = False,
) -> bytes:
    options = schema.Conv2DOptionsT()
    options.strideH, options.strideW = stride
    options.dilationHFactor, options.dilationWFactor = dilation
    options.padding = getattr(schema.Padding, padding)
    options.fusedActivationFunction = int(relu)
    given = [inputs, weights] if bias is None else [inputs, weights, bias]  # -1 is not allowed here
    return file("CONV_2D", given, output, options)


def max_pool(
    inputs: Tensor, output: Tensor, size: tuple[int, int], stride: tuple[int, int], padding: str
) -> bytes:
    options = schema.Pool2DOptionsT()
    options.filterHeight, options.filterWidth = size
    options.strideH, options.strideW = stride
    options.padding = getattr(schema.Padding, padding)
    return file("MAX_POOL_2D", [inputs], output, options)


def add(first: Tensor, second: Tensor, output: Tensor, relu: bool = False) -> bytes:
    options = schema.AddOptionsT()
    options.fusedActivationFunction = int(relu)
    options.potScaleInt16 = False
    return file("ADD", [first, second], output, options)
