"""Operations that sum products: convolutions, dense layers and products of matrices."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from qhelpers.arithmetic import (
    convolution,
    elementwise,
    float_order,
    integer_ops,
    requantization,
)
from qhelpers.tflite.file import Array
from qhelpers.tflite.operations.step import Step, aligned, place

_INT32, _INT64 = 2, 4  # of LiteRT's schema


def _weights(step: Step) -> Array:
    """Return the weights of an operation whose types are known, else refuse it."""
    info = step.input(1)
    dynamic = step.name == "FULLY_CONNECTED" and info.dtype == np.int8
    fits = info.dtype == np.float32 or dynamic if step.is_float else info.dtype == np.int8
    if not fits or info.kind == "int4":
        step.refuse(f"{step.source.dtype} times weights of {info.kind} is not known")
    if info.zero_points.any():
        step.refuse("weights with a zero point other than 0")
    return step.constant(1)


def bias_at(step: Step) -> int:
    """Return which input the bias is."""
    return 3 if step.name == "TRANSPOSE_CONV" else 2


def _bias(step: Step) -> Array | None:
    """Return the bias, if there is one: integers beside integers, one for each channel."""
    at = bias_at(step)
    if at >= len(step.inputs) or step.inputs[at] is None:
        return None
    bias, kinds = step.constant(at), ("float32",) if step.is_float else ("int32", "int64")
    if bias.dtype.name not in kinds or bias.shape != step.output.shape[-1:]:
        step.refuse(f"a bias of {bias.dtype} {list(bias.shape)}")
    return bias


def variant(step: Step) -> str:
    """Return the variant: in groups, or on int16 with sums of int32."""
    shape, kind = step.source.shape, step.option("quantizedBiasType")
    if step.name == "CONV_2D" and shape[3] != step.input(1).shape[3]:
        return "in groups"
    bias = _bias(step)
    narrow = kind == _INT32 or (kind != _INT64 and step.engine != "micro")
    if bias is not None or step.name != "FULLY_CONNECTED":
        narrow = bias is not None and bias.dtype == np.int32
    return "of 32 bits" if narrow and step.bits == 16 else ""


def _kernels(step: Step) -> convolution.Kernels:
    """Return what an operation multiplies with, made ready once."""
    source = step.input(2 if step.name == "TRANSPOSE_CONV" else 0)

    def make() -> convolution.Kernels:
        values = _weights(step)
        if step.name == "DEPTHWISE_CONV_2D":
            values = values[0].transpose(2, 0, 1)
        zero_point = int(source.zero_points[0])
        return convolution.prepared(values, _bias(step), zero_point, source.dtype)

    made: convolution.Kernels = step.once("kernels", make)
    return made


def _convolution(step: Step, images: Array, *_: Array) -> Array:
    shape, depth = step.input(1).shape, images.shape[4]
    if shape[3] < 1 or depth % shape[3] or shape[0] % (depth // shape[3]):
        step.refuse(f"kernels of {shape} on images of {step.source.shape}")
    flat = images.reshape(-1, *images.shape[2:])
    if step.is_float:
        found = _in_floats(step, flat, _weights(step), _bias(step))
        return step.shaped(found, len(images))
    sums = convolution.sums_of_convolution(flat, _kernels(step), *step.windows)
    return _requantized(step, sums, len(images))


def _in_floats(step: Step, images: Array, kernels: Array, bias: Array | None) -> Array:
    if images.shape[3] != kernels.shape[3]:
        step.refuse("a convolution in groups is not known for float32")
    assert step.floats is not None
    size = kernels.shape[1], kernels.shape[2]
    columns, shape = integer_ops.patches(images, size, *step.windows)
    weights = kernels.reshape(len(kernels), -1)
    sums = float_order.sums_in_order(columns, weights, bias, step.floats)
    return np.moveaxis(step.activated(sums.reshape(-1, *shape)), 0, -1)


def _depthwise(step: Step, images: Array, *_: Array) -> Array:
    if step.input(1).shape[3] % images.shape[4]:
        step.refuse(f"kernels of {step.input(1).shape} on images of {step.source.shape}")
    if _bias(step) is None and step.rule() is elementwise.in_eights:
        step.refuse("LiteRT's optimized kernel ends the process where there is no bias")
    flat = images.reshape(-1, *images.shape[2:])
    sums = convolution.sums_of_depthwise(flat, _kernels(step), *step.windows)
    return _requantized(step, sums, len(images))


def _transposed(step: Step, _: Array, __: Array, images: Array, *___: Array) -> Array:
    flat, size = images.reshape(-1, *images.shape[2:]), step.output.shape[1:3]
    stride, padding, _unused = step.windows
    sums = convolution.sums_of_transposed(flat, _kernels(step), stride, padding, (size[0], size[1]))
    return _requantized(step, sums, len(images))


def _dense(step: Step, inputs: Array, *_: Array) -> Array:
    weights, bias = _weights(step), _bias(step)
    rows = inputs.reshape(-1, weights.shape[1])
    if not step.is_float:
        kernels = _kernels(step)
        kernels = kernels._replace(values=kernels.values[:, None, None])
        sums = convolution.sums_of_convolution(rows[:, None, None], kernels)[:, 0, 0]
        return _requantized(step, sums, len(inputs))
    assert step.floats is not None
    if weights.dtype == np.int8:
        scales = step.input(1).scales
        sums = float_order.dynamic_dense(rows, weights, scales, bias, step.floats)
    else:
        columns = np.ascontiguousarray(rows.T)
        sums = float_order.sums_in_order(columns, weights, bias, step.floats)
    return step.shaped(step.activated(sums).T, len(inputs))


def _matrices(step: Step, first: Array, second: Array) -> Array:
    """Multiply the matrices that two tensors hold, at most one of them constant."""
    one, two = step.source, step.input(1)
    if two.kind != one.kind or len(two.scales) > 1:
        step.refuse(f"{one.kind} times {two.kind} of {len(two.scales)} scales is not known")
    first = first.swapaxes(-2, -1) if step.option("adjX") else first
    second = second.swapaxes(-2, -1) if step.option("adjY") else second
    first, second = aligned(first, second)
    if not step.is_float:
        sums = integer_ops.sums_of_matrices(first, second, place(one)[1], place(two)[1])
        return step.clipped(scaled(step, sums))
    assert step.floats is not None
    batch = np.broadcast_shapes(first.shape[:-2], second.shape[:-2])
    rows, columns = (np.broadcast_to(a, (*batch, *a.shape[-2:])) for a in (first, second))
    found = np.empty((*batch, rows.shape[-2], columns.shape[-1]), np.float32)
    for at in np.ndindex(*batch):
        found[at] = float_order.sums_in_order(columns[at], rows[at], None, step.floats)
    return found


def _requantized(step: Step, sums: Array, count: int) -> Array:
    return step.shaped(step.clipped(scaled(step, sums)), count)


def scaled(step: Step, sums: Array) -> Array:
    """Scale sums, the channel last, to the output's scale, as the engine does; no zero point."""
    rule = step.rule(variant(step))
    source = step.input(2) if step.name == "TRANSPOSE_CONV" else step.source
    input_scale, scales = source.scales[0], step.input(1).scales
    dense = step.name == "FULLY_CONNECTED" and len(scales) == 1 and rule != requantization.float64
    if step.engine != "micro" and (dense or step.name == "BATCH_MATMUL"):
        # With one scale for the tensor, the kernels multiply the two scales in float32.
        input_scale, scales = np.float32(input_scale * scales[0]), np.ones(1, np.float32)
    return rule(sums, input_scale, scales, step.output.scales[0])


OPERATIONS: dict[str, Callable[..., Array]] = {
    "CONV_2D": _convolution,
    "DEPTHWISE_CONV_2D": _depthwise,
    "TRANSPOSE_CONV": _transposed,
    "FULLY_CONNECTED": _dense,
    "BATCH_MATMUL": _matrices,
}
