"""PyTorch's engines for 8-bit linear layers: choose one, read a network's layers, run one layer.

What an engine computes, value for value, stands in the cells of notebook 22.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import nn

Array: TypeAlias = NDArray[Any]

_PREFERRED = ("x86", "qnnpack", "onednn", "fbgemm")


@dataclass(frozen=True)
class Layer:
    """One quantized linear layer: from uint8 inputs to uint8 outputs.

    Attributes:
        weight: int8 [outputs, inputs].
        weight_scale: float64, a number or [outputs] (per channel).
        weight_zero_point: int64, likewise.
        bias: float32 [outputs]; zeros where the layer has none.
        input_scale, input_zero_point: of its inputs.
        scale, zero_point: of its outputs.
        relu: whether ReLU is fused.
    """

    weight: Array
    weight_scale: Array
    weight_zero_point: Array
    bias: Array
    input_scale: float
    input_zero_point: int
    scale: float
    zero_point: int
    relu: bool = False


def supported() -> list[str]:
    """Return the names of the engines that this machine has, the one to prefer first."""
    import torch

    return [name for name in _PREFERRED if name in torch.backends.quantized.supported_engines]


def choose() -> str:
    """Choose the engine that the course prefers on this machine; return its name.

    Raises:
        RuntimeError: this build of PyTorch has none.
    """
    import torch

    found = supported()
    if not found:
        advice = "Install PyTorch's own build: pip install torch."
        raise RuntimeError(f"this build of PyTorch has no engine for 8-bit layers. {advice}")
    torch.backends.quantized.engine = found[0]
    return found[0]


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


def read(network: nn.Module) -> dict[str, Layer]:
    """Read the linear layers of a converted network that is a chain: name -> layer, in order.

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
            layers[name] = _layer(child, scale, zero_point, relu)
            scale, zero_point = layers[name].scale, layers[name].zero_point
        elif type(child).__name__ not in ("Quantize", "Identity", "DeQuantize"):
            raise ValueError(
                f"{name} is a {type(child).__name__}: only int8 Linear and LinearReLU are known."
            )
    return layers


def _layer(child: Any, input_scale: float, input_zero_point: int, relu: bool) -> Layer:
    weight, bias = child.weight(), child.bias()
    if "channel" in str(weight.qscheme()):
        scales, zero_points = weight.q_per_channel_scales(), weight.q_per_channel_zero_points()
    else:
        scales, zero_points = weight.q_scale(), weight.q_zero_point()
    return Layer(
        weight.int_repr().numpy(),
        np.asarray(scales, np.float64),
        np.asarray(zero_points, np.int64),
        np.zeros(len(weight), np.float32) if bias is None else bias.detach().numpy(),
        input_scale,
        input_zero_point,
        float(child.scale),
        int(child.zero_point),
        relu,
    )


def run(inputs: NDArray[np.uint8], layer: Layer, engine: str) -> NDArray[np.uint8]:
    """Run a layer through one of this machine's engines: uint8 [n, inputs] to [n, outputs]."""
    import torch

    weight, bias = torch.from_numpy(layer.weight), torch.from_numpy(layer.bias)
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
    return np.asarray(outputs.int_repr().numpy(), np.uint8)
