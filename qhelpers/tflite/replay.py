"""Runs a float32, float16 or dynamic-range .tflite file in NumPy, bit for bit as its engine does.

Both engines of LiteRT go through the products of a float32 sum one after the other. What differs is
where they add the bias (XNNPACK first, the reference kernels last) and whether they add with FMA;
see `hybrid`.

Sources: XNNPACK, src/f32-igemm and src/f32-gemm; LiteRT, tflite/kernels/internal/reference/conv.h
and fully_connected.h.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qhelpers.tflite import hybrid, steps
from qhelpers.tflite.file import Operation, TfliteFile
from qhelpers.tflite.hybrid import Path, multiply_add

Array = NDArray[Any]
Floats = NDArray[np.float32]

_BATCH = 100  # images at a time: what is computed with stays in the cache
_IDLE = ("SHAPE", "STRIDED_SLICE", "PACK", "DEQUANTIZE")  # shapes; float16 constants made wide
_RELU = 1
# Which settings each operation is known with; an activation of 0 is none.
_KNOWN: dict[str, dict[str, tuple[Any, ...]]] = {
    "RESHAPE": {},
    "CONV_2D": {
        "padding": (1,),
        "strideW": (1,),
        "strideH": (1,),
        "dilationWFactor": (1,),
        "dilationHFactor": (1,),
        "fusedActivationFunction": (0, _RELU),
    },
    "MAX_POOL_2D": {
        "padding": (1,),
        "strideW": (2,),
        "strideH": (2,),
        "filterWidth": (2,),
        "filterHeight": (2,),
        "fusedActivationFunction": (0,),
    },
    "FULLY_CONNECTED": {"fusedActivationFunction": (0, _RELU), "weightsFormat": (0,)},
}


def network(file: TfliteFile, images: Floats, path: Path | None = None) -> Floats:
    """Run a whole file in the order of operations of its engine.

    Args:
        file: one input, and each step reads what the step before made: convolutions without
            padding, 2x2 max-pooling, reshaping, dense layers.
        images: float32 [n, *the input's shape].
        path: whose arithmetic; by default what is usual for the file's engine.

    Returns:
        float32 [n, outputs].

    Raises:
        ValueError: an operation, a type or a setting that is not known here, with its names.
    """
    path = path or hybrid.usual(file.engine)
    images = np.asarray(images, np.float32)
    parts = [images[n : n + _BATCH] for n in range(0, len(images), _BATCH)]
    source = file.inputs[0].index
    for step, settings in zip(file.operations, steps.settings(file.content), strict=True):
        if step.name not in _IDLE:
            _check(file, step, settings, source)
            source = step.outputs[0]
            parts = [_step(file, step, settings, part, path) for part in parts]
    return np.concatenate(parts)


def path_here(file: TfliteFile, images: Floats, outputs: Floats) -> Path | None:
    """Find out which path the engine takes on this machine, from what it answered.

    Args:
        file: as for `network`.
        images: float32 [n, *the input's shape]; a hundred will do.
        outputs: float32 [n, outputs], what `file.predict(images)` gave.

    Returns:
        The path with which `network` gives these outputs bit for bit; None if there is none in
        `hybrid.PATHS`: a processor with code of its own.
    """
    paths = (path for path in hybrid.PATHS if path.engine == file.engine)
    return next((p for p in paths if np.array_equal(network(file, images, p), outputs)), None)


def convolution(images: Floats, kernel: Array, bias: Array, path: Path) -> Floats:
    """Compute a float32 convolution without padding, stride 1: tap after tap.

    Args:
        images: float32 [n, height, width, channels].
        kernel: float32 [filters, kernel height, kernel width, channels].
        bias: float32 [filters].
        path: whose arithmetic.

    Returns:
        float32 [n, height - kernel height + 1, width - kernel width + 1, filters].
    """
    last = path.engine == "reference"
    height, width = (images.shape[i] - kernel.shape[i] + 1 for i in (1, 2))
    result = np.empty((len(images), height, width, len(kernel)), np.float32)
    for n in range(0, len(images), _BATCH):
        part = np.moveaxis(images[n : n + _BATCH], 3, 0)  # [channels, block, height, width]
        for f, weights in enumerate(kernel):
            start = np.float32(0) if last else bias[f]
            total: Floats = np.full((part.shape[1], height, width), start, np.float32)
            for y, x, c in np.ndindex(weights.shape):
                taps = part[c, :, y : y + height, x : x + width]
                total = multiply_add(taps, weights[y, x, c], total, path.fused_sums)
            result[n : n + _BATCH, :, :, f] = total + bias[f] if last else total
    return result


def float_dense(real: Floats, kernel: Array, bias: Array, path: Path) -> Floats:
    """Compute a float32 dense layer, product after product.

    Args:
        real: float32 [n, inputs].
        kernel: float32 [outputs, inputs].
        bias: float32 [outputs].
        path: whose arithmetic.

    Returns:
        float32 [n, outputs].
    """
    last = path.engine == "reference"
    total = (
        np.zeros((len(real), len(kernel)), np.float32) if last else np.tile(bias, (len(real), 1))
    )
    for i in range(kernel.shape[1]):
        total = multiply_add(real[:, i, None], kernel[:, i], total, path.fused_sums)
    return np.asarray(total + bias if last else total)


def _check(file: TfliteFile, step: Operation, settings: dict[str, Any], source: int) -> None:
    """Refuse a step that `_step` would compute otherwise than the engine."""
    name = f"{step.name} (to tensor {file.tensors[step.outputs[0]].name!r})"
    if step.name not in _KNOWN:
        raise ValueError(f"{name}: not known here; {', '.join(_KNOWN)} are.")
    if step.inputs[0] != source:
        raise ValueError(f"{name}: reads another tensor than the step before it made.")
    for key, allowed in _KNOWN[step.name].items():
        if settings[key] not in allowed:
            raise ValueError(f"{name}: {key} is {settings[key]}; known are {allowed}.")
    kernels = step.inputs[1:2] if step.name == "CONV_2D" else ()  # a dense one may be int8
    computed_in = {*step.inputs[:1], *kernels, *step.outputs}
    types = {file.tensors[i].dtype.name for i in computed_in} - {"float32"}
    if types and step.name != "RESHAPE":
        raise ValueError(f"{name}: computes with {', '.join(sorted(types))}, not in float32.")


def _constant(file: TfliteFile, index: int) -> Array:
    """Return a weight or bias; float16 as the float32 that a DEQUANTIZE step makes of it."""
    for step in file.operations:
        if step.name == "DEQUANTIZE" and index in step.outputs:
            return np.asarray(file.value(step.inputs[0]).astype(np.float32))
    return file.value(index)


def _step(
    file: TfliteFile, step: Operation, settings: dict[str, Any], real: Floats, path: Path
) -> Floats:
    """Compute one step for one batch."""
    if step.name == "RESHAPE":
        return real.reshape(len(real), *file.tensors[step.outputs[0]].shape[1:])
    if step.name == "MAX_POOL_2D":
        n, height, width, channels = real.shape
        squares = real[:, : height // 2 * 2, : width // 2 * 2]
        squares = squares.reshape(n, height // 2, 2, width // 2, 2, channels)
        return np.asarray(squares.max(axis=(2, 4)))
    kernel = _constant(file, step.inputs[1])
    bias: Array = np.zeros(len(kernel), np.float32)
    if step.inputs[2:] and step.inputs[2] >= 0:  # -1 stands for a bias that is not there
        bias = _constant(file, step.inputs[2])
    if step.name == "CONV_2D":
        result = convolution(real, kernel, bias, path)
    elif kernel.dtype == np.int8:
        scales = file.tensors[step.inputs[1]].scales
        result = hybrid.dense(hybrid.quantize_rows(real, path), kernel, scales, bias, path)
    else:
        result = float_dense(real, kernel, bias, path)
    active = settings["fusedActivationFunction"] == _RELU
    return np.maximum(result, np.float32(0)) if active else result
