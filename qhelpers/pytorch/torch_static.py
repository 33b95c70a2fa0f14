"""The quantized PyTorch networks of lesson 06: static, dynamic, and PT2E."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from qhelpers import paths
from qhelpers.data import Digits
from qhelpers.pytorch import torch_mlp

if TYPE_CHECKING:
    import torch
    from torch import nn

_ENGINES = ("x86", "qnnpack", "onednn", "fbgemm")
_CALIBRATION, _BATCH = 1000, 100


def engine() -> str:
    """Return the engine for 8-bit layers that lesson 06 takes on this machine, and choose it."""
    import torch

    supported = torch.backends.quantized.supported_engines
    chosen = next(name for name in _ENGINES if name in supported)
    torch.backends.quantized.engine = chosen
    return chosen


def static(net: nn.Module, digits: Digits) -> nn.Module:
    """Quantize statically: stubs, fuse, qconfig, prepare, calibrate, convert.

    Args:
        net: the trained float32 network, from `torch_mlp.trained`.
        digits: the first 1,000 training images calibrate.

    Returns:
        A network with int8 layers for this machine's engine.
    """
    with _quietly():
        tq: Any = paths.require("torch.ao.quantization", extra="torch")
        with_doors = _network_class()()
        with_doors.load_state_dict(net.state_dict())
        fused = tq.fuse_modules(with_doors.eval(), [["fc1", "relu"]])
        fused.qconfig = tq.get_default_qconfig(engine())
        prepared = tq.prepare(fused)
        _run(prepared, digits)
        quantized: nn.Module = tq.convert(prepared)
    return quantized


def dynamic(net: nn.Module) -> nn.Module:
    """Quantize dynamically: int8 weights now, each batch of activations as it comes."""
    with _quietly():
        import torch

        tq: Any = paths.require("torch.ao.quantization", extra="torch")
        engine()
        quantized: nn.Module = tq.quantize_dynamic(net, {torch.nn.Linear}, dtype=torch.qint8)
    return quantized


def exported(net: nn.Module, digits: Digits) -> Any:
    """Quantize by torchao's PT2E: export, prepare, calibrate, convert; not compiled.

    Args:
        net: the trained float32 network.
        digits: the first 1,000 training images calibrate.

    Returns:
        A graph module.

    Raises:
        ImportError: torchao is not installed.
    """
    paths.require("torchao", extra="torchao")
    with _quietly():
        import torch
        from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e
        from torchao.quantization.pt2e.quantizer import x86_inductor_quantizer as x86

        quantizer = x86.X86InductorQuantizer()
        quantizer.set_global(x86.get_default_x86_inductor_quantization_config())
        example = torch_mlp.to_tensor(digits.train_images[:2])
        any_number = ({0: torch.export.Dim("images")},)
        program = torch.export.export(net, (example,), dynamic_shapes=any_number)
        prepared = prepare_pt2e(program.module(), quantizer)
        _run(prepared, digits)
        return convert_pt2e(prepared)


def _run(prepared: Any, digits: Digits) -> None:
    """Show a prepared network the calibration images."""
    import torch

    images: Any = torch_mlp.to_tensor(digits.train_images[:_CALIBRATION])
    with torch.no_grad():
        for batch in images.split(_BATCH):
            prepared(batch)


@contextmanager
def _quietly() -> Iterator[None]:
    """Keep the announcements of deprecation away that lesson 06 speaks of."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@functools.cache
def _network_class() -> type[nn.Module]:
    """Define lesson 06's network: its modules in that order, so that files have the same bytes."""
    from torch import nn
    from torch.ao.quantization import DeQuantStub, QuantStub

    class Net(nn.Module):
        """One hidden layer between two doors."""

        def __init__(self) -> None:
            super().__init__()
            self.quant = QuantStub()
            self.fc1 = nn.Linear(784, 128)
            self.relu = nn.ReLU()
            self.fc2 = nn.Linear(128, 10)
            self.dequant = DeQuantStub()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            """Compute the logits."""
            x = self.quant(x.reshape(-1, 784))
            x = self.relu(self.fc1(x))
            logits: torch.Tensor = self.dequant(self.fc2(x))
            return logits

    return Net
