"""Recipes that quantize a trained PyTorch network: eager static, dynamic, and PT2E."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from typing import TYPE_CHECKING, Any

from qhelpers import paths
from qhelpers.data import Digits
from qhelpers.pytorch import engines, networks, training

if TYPE_CHECKING:
    from torch import nn

CALIBRATION = 1000  # training images
# The newest torchao whose Python part runs beside a version of PyTorch, from torchao's own table
# (https://github.com/pytorch/ao/issues/2919); above the last line any newer one does.
_TORCHAO = {(2, 8): "torchao==0.13.0", (2, 9): "torchao==0.14.1", (2, 10): "torchao==0.16.0"}


def torchao_for(torch_version: str | None = None) -> str:
    """Return what to give `pip install`, so that torchao fits the PyTorch that is there.

    Args:
        torch_version: such as "2.9.1+cu126"; None for the one that is installed.

    Raises:
        ValueError: that is no version.
    """
    version = metadata.version("torch") if torch_version is None else torch_version
    found = re.match(r"(\d+)\.(\d+)", version)
    if found is None:
        raise ValueError(f"{version!r} is no version of PyTorch, such as '2.9.1'.")
    at_hand = (int(found[1]), int(found[2]))
    return next((name for newest, name in _TORCHAO.items() if at_hand <= newest), "torchao>=0.17")


def eager(net: nn.Module, digits: Digits) -> nn.Module:
    """Quantize `networks.mlp` statically: stubs, fuse, qconfig, prepare, calibrate, convert.

    Args:
        net: the trained float32 network, with stubs or without.
        digits: the first 1,000 training images calibrate.

    Returns:
        A network with int8 layers for this machine's engine, which is chosen.
    """
    with _quietly():
        tq: Any = paths.require("torch.ao.quantization", extra="torch")
        marked = networks.mlp(stubs=True)
        marked.load_state_dict(net.state_dict())
        fused = tq.fuse_modules(marked.eval(), [["fc1", "relu"]])
        fused.qconfig = tq.get_default_qconfig(engines.choose())
        prepared = tq.prepare(fused)
        training.logits(prepared, digits.train_images[:CALIBRATION])
        quantized: nn.Module = tq.convert(prepared)
    return quantized


def dynamic(net: nn.Module) -> nn.Module:
    """Quantize dynamically: int8 weights now, each batch of activations as it comes."""
    with _quietly():
        tq: Any = paths.require("torch.ao.quantization", extra="torch")
        import torch

        engines.choose()
        quantized: nn.Module = tq.quantize_dynamic(net, {torch.nn.Linear}, dtype=torch.qint8)
    return quantized


def pt2e(net: nn.Module, digits: Digits) -> Any:
    """Quantize any of the course's networks with torchao's PT2E; the result is not compiled.

    Args:
        net: the trained float32 network, without stubs, in eval mode.
        digits: the first 1,000 training images calibrate.

    Returns:
        A graph module that takes any number of images.

    Raises:
        ImportError: torchao is not installed.
        RuntimeError: see `integer_weights`.
    """
    paths.require("torchao", extra="torchao")
    with _quietly():
        import torch
        from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e
        from torchao.quantization.pt2e.quantizer import x86_inductor_quantizer as x86

        quantizer = x86.X86InductorQuantizer()
        quantizer.set_global(x86.get_default_x86_inductor_quantization_config())
        example = (training.to_tensor(digits.train_images[:2]),)
        any_number = ({0: torch.export.Dim("images")},)
        # strict: before PyTorch 2.12 the quantizer finds no layer in a graph exported without it.
        program = torch.export.export(net, example, dynamic_shapes=any_number, strict=True)
        prepared = prepare_pt2e(program.module(), quantizer)
        training.logits(prepared, digits.train_images[:CALIBRATION])
        converted = convert_pt2e(prepared)
    integer_weights(converted)
    return converted


def integer_weights(converted: nn.Module) -> int:
    """Count the 8-bit weights of a network that PT2E converted.

    Raises:
        RuntimeError: there are none: nothing was quantized, and PT2E does not say so.
    """
    import torch

    tensors = converted.state_dict().values()
    count: int = sum(t.numel() for t in tensors if t.dtype == torch.int8)
    if not count:
        raise RuntimeError(
            "PT2E quantized nothing: the converted network has no int8 weights. Export it with "
            "torch.export.export(..., strict=True), and install a torchao that fits PyTorch "
            f"{torch.__version__}: pip install '{torchao_for(torch.__version__)}'."
        )
    return count


@contextmanager
def _quietly() -> Iterator[None]:
    """Keep announcements of deprecation away; lesson 06 speaks of them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
