"""PyTorch's engines for 8-bit layers: read a network, run a layer, find out which path it takes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from qhelpers.pytorch.torch_integer import ROUNDINGS, Layer, Path, linear

if TYPE_CHECKING:
    from torch import nn

_FAMILIES = {"x86": "fbgemm", "fbgemm": "fbgemm", "onednn": "onednn", "qnnpack": "qnnpack"}


def paths(engine: str) -> list[Path]:
    """Return the paths that an engine may take, the usual one first.

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
    return [Path(name, saturating) for saturating in widths for name in roundings]


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
    """Return inputs and layers that any two paths of an engine compute differently.

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


def met(engine: str) -> Path:
    """Find out which path an engine takes on this machine.

    Args:
        engine: one that this machine has.

    Raises:
        ValueError: none that is known.
    """
    cases = [(inputs, layer, run(inputs, layer, engine)) for inputs, layer in probes()]
    for path in paths(engine):
        if all(np.array_equal(linear(x, layer, path), outputs) for x, layer, outputs in cases):
            return path
    raise ValueError(
        f"here the engine {engine} takes a path that is not known. Known are: it "
        + "; ".join(str(path) for path in paths(engine))
        + "."
    )
