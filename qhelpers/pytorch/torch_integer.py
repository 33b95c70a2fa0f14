"""PyTorch's quantized linear layers in NumPy: every integer that the engine computes.

All engines compute the same sums, in integers, unless a CPU adds pairs of products in 16 bits. They
differ in how they scale a sum back to 8 bits (requantization): in float32, each in its own order.

Sources, followed step by step: PyTorch, aten/src/ATen/native/quantized/cpu/qlinear.cpp and
QnnpackUtils.h; FBGEMM, src/QuantUtilsAvx2.cc; ideep, operators/matmul.hpp; oneDNN 3.12,
cpu/x64/brgemm/jit_brgemm_kernel.cpp and jit_gemm_inner_product_utils.cpp.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]

_ONE, _INT16, _INT32 = np.float32(1), np.iinfo(np.int16), np.iinfo(np.int32)
# A term (input - zero point) * (weight - zero point) is an integer of at most 255 * 255. This many
# of them fit int32, so no engine overflows, and are far below 2^53: float64 holds every partial sum
# exactly, in whatever order a BLAS adds them.
MOST_INPUTS = int(_INT32.max) // (255 * 255)


@dataclass(frozen=True)
class Layer:
    """One quantized linear layer, with ReLU or without.

    Attributes:
        name: what errors call it.
        weight: int8 [outputs, inputs].
        weight_scale: float64, a number or [outputs] (per channel).
        weight_zero_point: int64, likewise.
        bias: float32 [outputs], or None.
        input_scale: of the layer's uint8 inputs.
        input_zero_point: likewise.
        scale: of its uint8 outputs.
        zero_point: likewise.
        relu: whether ReLU is fused.
    """

    name: str
    weight: Array
    weight_scale: Array
    weight_zero_point: Array
    bias: Array | None
    input_scale: float
    input_zero_point: int
    scale: float
    zero_point: int
    relu: bool = False

    def __post_init__(self) -> None:
        """Refuse what is no int8 layer, or could overflow int32."""
        if self.weight.dtype != np.int8 or self.weight.ndim != 2:
            shape, dtype = self.weight.shape, self.weight.dtype
            raise ValueError(
                f"{self.name}: the weights must be int8 [outputs, inputs]; got {dtype} {shape}."
            )
        if self.weight.shape[1] > MOST_INPUTS:
            raise ValueError(
                f"{self.name}: {self.weight.shape[1]:,} inputs could overflow the 32-bit sums; "
                f"at most {MOST_INPUTS:,} cannot."
            )


@dataclass(frozen=True)
class Path:
    """What an engine does on a certain CPU.

    Attributes:
        rounding: a key of ROUNDINGS.
        saturating: whether pairs of products are added in 16 bits, and clipped to them.
    """

    rounding: str
    saturating: bool = False

    def __str__(self) -> str:
        """Say it in words."""
        width = 16 if self.saturating else 32
        return f"rounds as {self.rounding}, adds pairs of products in {width} bits"


def quantize_input(real: Array, scale: float, zero_point: int) -> NDArray[np.uint8]:
    """Quantize as PyTorch does: times the float32 inverse of the scale, not divided by it.

    Args:
        real: float32, any shape, no NaN.
        scale: of the uint8 result.
        zero_point: likewise.

    Returns:
        uint8 of the same shape; halves go to even, before the zero point is added.
    """
    levels = np.rint(real.astype(np.float32) * (_ONE / np.float32(scale))) + np.float32(zero_point)
    return np.asarray(np.clip(levels, 0, 255)).astype(np.uint8)


def sums(inputs: Array, layer: Layer, saturating: bool = False) -> NDArray[np.float64]:
    """Compute the sum of (input - zero point) * (weight - zero point), without the bias.

    Args:
        inputs: uint8 [n, inputs].
        layer: the layer.
        saturating: see `Path`.

    Returns:
        Whole numbers [n, outputs], exact (see MOST_INPUTS).

    Raises:
        ValueError: inputs that are not uint8, or not as many as the layer has.
    """
    if inputs.dtype != np.uint8 or inputs.shape[1:] != layer.weight.shape[1:]:
        raise ValueError(
            f"{layer.name}: the inputs must be uint8 [n, {layer.weight.shape[1]}]; "
            f"got {inputs.dtype} {inputs.shape}."
        )
    x, w = inputs.astype(np.float64), layer.weight.astype(np.float64)
    shifted = w - np.reshape(layer.weight_zero_point, (-1, 1))
    total = x @ shifted.T - layer.input_zero_point * shifted.sum(axis=1)
    return np.asarray(total - _clipped_away(x, w) if saturating else total)


def _clipped_away(x: Array, w: Array) -> Array:
    """Return what the sums lose if pairs of products are clipped to 16 bits."""
    odd = ((0, 0), (0, w.shape[1] % 2))
    x_pairs = np.pad(x, odd).reshape(len(x), -1, 2)
    w_pairs = np.pad(w, odd).reshape(len(w), -1, 2)
    most = 255 * np.maximum(w_pairs, 0).sum(axis=2)
    least = 255 * np.minimum(w_pairs, 0).sum(axis=2)
    possible = (most > _INT16.max) | (least < _INT16.min)  # few pairs of weights are that large
    lost = np.zeros((len(x), len(w)))
    for pair in np.flatnonzero(possible.any(axis=0)):
        rows = possible[:, pair]
        whole = x_pairs[:, pair] @ w_pairs[rows, pair].T
        lost[:, rows] += whole - np.clip(whole, _INT16.min, _INT16.max)
    return lost


def _fused(a: Array, b: Array, c: Array) -> Array:
    """Compute a * b + c of float32 numbers with a single rounding, as one instruction does."""
    product = a.astype(np.float64) * b  # exact: 48 bits
    total = product + c
    part = total - product
    error = (product - (total - part)) + (c - part)  # exact as well (Knuth's two-sum)
    # To round twice is to round once, if the first result is made odd wherever it is not exact.
    to_odd = (error != 0) & (total.view(np.int64) & 1 == 0)
    other = np.nextafter(total, np.where(error > 0, np.inf, -np.inf))
    return np.where(to_odd, other, total).astype(np.float32)


def _fbgemm(total: Array, layer: Layer, fused: bool = True) -> Array:
    """Add the bias in units of the sum, then scale once."""
    step = np.float32(layer.input_scale) * layer.weight_scale.astype(np.float32)
    levels = total.astype(np.float32)
    if layer.bias is not None and layer.weight_scale.ndim:
        levels = levels + layer.bias / step
    elif layer.bias is not None:
        inverse = _ONE / step
        levels = _fused(layer.bias, inverse, levels) if fused else levels + layer.bias * inverse
    return np.asarray(levels * (step / np.float32(layer.scale)))


def _qnnpack(total: Array, layer: Layer) -> Array:
    """Round the bias to an integer, add it in integers, then scale once."""
    if layer.bias is not None:
        step = (layer.weight_scale * layer.input_scale).astype(np.float32)
        total = total + np.rint(layer.bias * (_ONE / step))
        if np.any(np.abs(total) > _INT32.max):
            raise ValueError(f"{layer.name}: with the bias, qnnpack's sums do not fit 32 bits.")
    step = layer.weight_scale.astype(np.float32) * np.float32(layer.input_scale)
    return np.asarray(total.astype(np.float32) * (step * (_ONE / np.float32(layer.scale))))


def _onednn(total: Array, layer: Layer, one_scale: bool = False) -> Array:
    """Scale to reals, add the bias and apply ReLU there, scale to levels, add the zero point."""
    if np.any(layer.weight_zero_point):
        raise ValueError(f"{layer.name}: onednn takes weights with zero point 0 only.")
    weight_scale = layer.weight_scale
    if weight_scale.ndim:
        weight_scale = weight_scale.astype(np.float32)
    source, weight, target = (  # inverted on the way, and back: that may change the last bit
        _ONE / np.asarray(1 / np.asarray(scale)).astype(np.float32)
        for scale in (layer.input_scale, weight_scale, layer.scale)
    )
    levels = total.astype(np.float32)
    levels = levels * (source * weight) if one_scale else levels * source * weight
    if layer.bias is not None:
        levels = levels + layer.bias
    if layer.relu:
        levels = np.maximum(levels, np.float32(0))
    return np.asarray(levels * (_ONE / target) + np.float32(layer.zero_point))


# The last of each family: where the compiler fuses nothing; older versions, or other CPUs.
ROUNDINGS: dict[str, Callable[[Array, Layer], Array]] = {
    "fbgemm": _fbgemm,
    "fbgemm, not fused": partial(_fbgemm, fused=False),
    "qnnpack": _qnnpack,
    "onednn": _onednn,
    "onednn, one scale": partial(_onednn, one_scale=True),
}


def requantize(total: Array, layer: Layer, path: Path) -> NDArray[np.uint8]:
    """Scale what `sums` returned back to 8 bits: uint8 of the same shape; halves go to even.

    Raises:
        ValueError: a rounding that is not in ROUNDINGS; see there for what each refuses.
    """
    if path.rounding not in ROUNDINGS:
        raise ValueError(f"no rounding {path.rounding!r}; there are: {', '.join(ROUNDINGS)}.")
    levels = ROUNDINGS[path.rounding](total, layer)
    if not path.rounding.startswith("onednn"):  # where the zero point is in it, and clipping first
        # Where x86 rounds, what is beyond int32 becomes the smallest integer.
        inside = np.abs(levels) < 2.0**31
        levels = np.where(inside, np.rint(levels), _INT32.min) + layer.zero_point
    lowest = layer.zero_point if layer.relu else 0
    return np.clip(np.rint(levels), lowest, 255).astype(np.uint8)


def linear(inputs: Array, layer: Layer, path: Path) -> NDArray[np.uint8]:
    """Compute a layer's integers: uint8 [n, inputs] to uint8 [n, outputs]."""
    return requantize(sums(inputs, layer, path.saturating), layer, path)


def forward(real: Array, layers: Mapping[str, Layer], path: Path) -> dict[str, NDArray[np.uint8]]:
    """Compute every integer of a chain of layers.

    Args:
        real: float32 [n, inputs], the network's input; some 1,000 rows at a time save memory.
        layers: in their order.
        path: what the engine does.

    Returns:
        "input" and each layer's name -> uint8 [n, ...].
    """
    first = next(iter(layers.values()))
    integers = quantize_input(real, first.input_scale, first.input_zero_point)
    found = {"input": integers}
    for name, layer in layers.items():
        found[name] = integers = linear(integers, layer, path)
    return found
