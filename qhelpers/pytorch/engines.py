"""PyTorch's engines for 8-bit linear layers: choose one, run one, and the same integers in NumPy.

All engines compute the same sums, in integers, unless a CPU adds pairs of products in 16 bits. They
differ in how they scale a sum back to 8 bits (requantization): in float32, each in its own order.

Sources, followed step by step: PyTorch, aten/src/ATen/native/quantized/cpu/qlinear.cpp and
QnnpackUtils.h; FBGEMM, src/QuantUtilsAvx2.cc; ideep, operators/matmul.hpp; oneDNN 3.12,
cpu/x64/brgemm/jit_brgemm_kernel.cpp and jit_gemm_inner_product_utils.cpp.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import nn

Array: TypeAlias = NDArray[Any]

_PREFERRED = ("x86", "qnnpack", "onednn", "fbgemm")
_FAMILIES = {"x86": "fbgemm", "fbgemm": "fbgemm", "onednn": "onednn", "qnnpack": "qnnpack"}
_ONE, _INT16, _INT32 = np.float32(1), np.iinfo(np.int16), np.iinfo(np.int32)
# A term (input - zero point) * (weight - zero point) is an integer of at most 255 * 255. This many
# of them fit int32, so no engine overflows, and are far below 2^53: float64 holds every partial sum
# exactly, in whatever order a BLAS adds them.
MOST_INPUTS = int(_INT32.max) // (255 * 255)


def supported() -> list[str]:
    """Return the names of the engines that this machine has, the one to prefer first."""
    import torch

    found = torch.backends.quantized.supported_engines
    return [name for name in _PREFERRED if name in found]


def choose() -> str:
    """Choose the engine that the course prefers on this machine, until another is chosen.

    Returns:
        Its name, which `get_default_qconfig` takes too.

    Raises:
        RuntimeError: this build of PyTorch has none.
    """
    import torch

    if not supported():
        raise RuntimeError("this build of PyTorch has no engine for 8-bit layers.")
    torch.backends.quantized.engine = supported()[0]
    return supported()[0]


@contextlib.contextmanager
def using(engine: str) -> Iterator[None]:
    """Make `engine` the one that packs weights and runs 8-bit layers, for a while."""
    import torch

    before = torch.backends.quantized.engine
    torch.backends.quantized.engine = engine
    try:
        yield
    finally:
        torch.backends.quantized.engine = before


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
class Rule:
    """How an engine computes on a certain CPU.

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
        saturating: see `Rule`.

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


def requantize(total: Array, layer: Layer, rule: Rule) -> NDArray[np.uint8]:
    """Scale what `sums` returned back to 8 bits: uint8 of the same shape; halves go to even.

    Raises:
        ValueError: a rounding that is not in ROUNDINGS; see there for what each refuses.
    """
    if rule.rounding not in ROUNDINGS:
        raise ValueError(f"no rounding {rule.rounding!r}; there are: {', '.join(ROUNDINGS)}.")
    levels = ROUNDINGS[rule.rounding](total, layer)
    if not rule.rounding.startswith("onednn"):  # where the zero point is in it, and clipping first
        # Where x86 rounds, what is beyond int32 becomes the smallest integer.
        inside = np.abs(levels) < 2.0**31
        levels = np.where(inside, np.rint(levels), _INT32.min) + layer.zero_point
    lowest = layer.zero_point if layer.relu else 0
    return np.clip(np.rint(levels), lowest, 255).astype(np.uint8)


def linear(inputs: Array, layer: Layer, rule: Rule) -> NDArray[np.uint8]:
    """Compute a layer's integers: uint8 [n, inputs] to uint8 [n, outputs]."""
    return requantize(sums(inputs, layer, rule.saturating), layer, rule)


def forward(real: Array, layers: Mapping[str, Layer], rule: Rule) -> dict[str, NDArray[np.uint8]]:
    """Compute every integer of a chain of layers.

    Args:
        real: float32 [n, inputs], the network's input; some 1,000 rows at a time save memory.
        layers: in their order.
        rule: what the engine follows.

    Returns:
        "input" and each layer's name -> uint8 [n, ...].
    """
    first = next(iter(layers.values()))
    integers = quantize_input(real, first.input_scale, first.input_zero_point)
    found = {"input": integers}
    for name, layer in layers.items():
        found[name] = integers = linear(integers, layer, rule)
    return found


def read(network: nn.Module) -> dict[str, Layer]:
    """Read the linear layers of a converted network.

    Args:
        network: a chain; its linear layers in the order in which they run.

    Returns:
        name -> layer, in that order.

    Raises:
        ValueError: a layer of another kind, or not one place where the input is quantized.
    """
    from torch.ao.nn import intrinsic, quantized

    layers: dict[str, Layer] = {}
    stubs = [m for m in network.children() if isinstance(m, quantized.Quantize)]
    if len(stubs) != 1:
        raise ValueError(
            f"a converted network quantizes its input in one place; this one does in {len(stubs)}."
        )
    scale, zero_point = float(stubs[0].scale), int(stubs[0].zero_point)
    for name, child in network.named_children():
        if isinstance(child, quantized.Linear):
            relu = isinstance(child, intrinsic.quantized.LinearReLU)
            layers[name] = _layer(name, child, scale, zero_point, relu)
            scale, zero_point = layers[name].scale, layers[name].zero_point
        elif type(child).__name__ not in ("Quantize", "Identity", "DeQuantize"):
            raise ValueError(
                f"{name} is a {type(child).__name__}: only int8 Linear and LinearReLU are known."
            )
    return layers


def _layer(name: str, child: Any, input_scale: float, input_zero_point: int, relu: bool) -> Layer:
    """Read one layer."""
    weight, bias = child.weight(), child.bias()
    if "channel" in str(weight.qscheme()):
        scales, zero_points = weight.q_per_channel_scales(), weight.q_per_channel_zero_points()
        scales, zero_points = scales.numpy(), zero_points.numpy()
    else:
        scales, zero_points = np.asarray(weight.q_scale()), np.asarray(weight.q_zero_point())
    return Layer(
        name,
        weight.int_repr().numpy(),
        scales.astype(np.float64),
        zero_points.astype(np.int64),
        None if bias is None else bias.detach().numpy(),
        input_scale,
        input_zero_point,
        float(child.scale),
        int(child.zero_point),
        relu,
    )


def rules(engine: str) -> list[Rule]:
    """Return the rules that an engine may follow, the usual one first.

    Args:
        engine: a name from `torch.backends.quantized.supported_engines`. For linear layers, x86 is
            fbgemm.

    Raises:
        ValueError: another engine.
    """
    if engine not in _FAMILIES:
        raise ValueError(
            f"the engine {engine!r} is not one of those known: {', '.join(_FAMILIES)}."
        )
    roundings = [name for name in ROUNDINGS if name.startswith(_FAMILIES[engine])]
    widths = (False,) if engine == "qnnpack" else (False, True)
    return [Rule(name, saturating) for saturating in widths for name in roundings]


def run(inputs: NDArray[np.uint8], layer: Layer, engine: str) -> NDArray[np.uint8]:
    """Run a layer through one of PyTorch's engines.

    Args:
        inputs: uint8 [n, inputs].
        layer: the layer.
        engine: one that this machine has.

    Returns:
        uint8 [n, outputs].
    """
    import torch

    weight = torch.from_numpy(layer.weight)
    bias = None if layer.bias is None else torch.from_numpy(layer.bias)
    if layer.weight_scale.ndim:
        scales = torch.from_numpy(layer.weight_scale)
        zero_points = torch.from_numpy(layer.weight_zero_point)
        packed = torch._make_per_channel_quantized_tensor(weight, scales, zero_points, 0)
    else:
        scale, zero_point = float(layer.weight_scale), int(layer.weight_zero_point)
        packed = torch._make_per_tensor_quantized_tensor(weight, scale, zero_point)
    x = torch._make_per_tensor_quantized_tensor(
        torch.from_numpy(inputs), layer.input_scale, layer.input_zero_point
    )
    operation = torch.ops.quantized.linear_relu if layer.relu else torch.ops.quantized.linear
    with using(engine):
        prepacked = torch.ops.quantized.linear_prepack(packed, bias)
        outputs = operation(x, prepacked, layer.scale, layer.zero_point)
    integers: NDArray[np.uint8] = outputs.int_repr().numpy()
    return integers


def probes() -> list[tuple[NDArray[np.uint8], Layer]]:
    """Return inputs and layers that any two rules of an engine compute differently.

    The first layer has pairs of products that leave 16 bits. The second scales its sums by almost
    exactly 1/8, so that many of them lie close to half-way between two integers.
    """
    rng = np.random.default_rng(0)
    step, zero = np.asarray(float(np.float32(0.007))), np.asarray(0)
    large = np.where(np.arange(8) % 4 < 2, 127, -127) * np.ones((4, 1))
    small = rng.integers(-1, 4, (64, 8))
    halves = float(np.float32(0.3) * step) * rng.integers(-40, 41, 64) / 2
    bias = (halves * (1 + rng.integers(-2, 3, 64) / 2**24)).astype(np.float32)
    scale = float(np.float32(0.3) * step * 8)
    first = Layer("pairs", large.astype(np.int8), step, zero, None, 0.3, 9, 200 * scale, 90)
    second = Layer("halves", small.astype(np.int8), step, zero, bias, 0.3, 0, scale, 0)
    inputs = [rng.integers(0, most, (400, 8), np.uint8) for most in (256, 21)]
    return list(zip(inputs, (first, second), strict=True))


def followed(engine: str) -> Rule:
    """Find out which rule an engine follows on this machine.

    Args:
        engine: one that this machine has.

    Raises:
        ValueError: none that is known.
    """
    cases = [(inputs, layer, run(inputs, layer, engine)) for inputs, layer in probes()]
    for rule in rules(engine):
        if all(np.array_equal(linear(x, layer, rule), outputs) for x, layer, outputs in cases):
            return rule
    raise ValueError(
        f"here the engine {engine} follows a rule that is not known. Known are: it "
        + "; ".join(str(rule) for rule in rules(engine))
        + "."
    )
