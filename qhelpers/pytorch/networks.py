"""The course's two PyTorch networks, untrained; PyTorch is imported when one is built."""

from __future__ import annotations

import functools
import warnings
from typing import TYPE_CHECKING, Any

from qhelpers import paths

if TYPE_CHECKING:
    import torch
    from torch import nn


def mlp(stubs: bool = False) -> nn.Module:
    """Build the network 784-128-10; the same weights each time, whatever ran before.

    Args:
        stubs: with `quant` and `dequant`, between which eager mode quantizes; without, both are
            `nn.Identity`, and the network has the same weights under the same names.

    Returns:
        A module with `fc1`, `relu` and `fc2`, from float32 [n, 784] to logits float32 [n, 10].
    """
    return _build("Mlp", stubs=stubs)


def cnn(batch_norm: bool = True, residual: bool = False, stubs: bool = False) -> nn.Module:
    """Build the CNN: 12 filters, ReLU, max-pool, dense 10; the same weights each time.

    Args:
        batch_norm: batch normalization after each convolution, which then has no bias of its
            own; without, `bn` is `nn.Identity`: what a network with folded normalization needs.
        residual: a second convolution (`conv2`, `bn2`) after the pool, whose result is added to
            its own input.
        stubs: as in `mlp`; the addition is then a module, `add`, since eager mode has to
            observe it.

    Returns:
        A module with `conv`, `bn`, `relu`, `pool` and `fc`, from float32 [n, 784] to logits
        float32 [n, 10]; 20,410 parameters without batch normalization and residual.
    """
    return _build("Cnn", batch_norm=batch_norm, residual=residual, stubs=stubs)


def _build(name: str, **options: bool) -> nn.Module:
    """Build a network and leave PyTorch's random numbers as they were."""
    paths.require("torch", extra="torch")
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        # Convolutions then write their channels side by side: trained and run in less time.
        return _classes()[name](**options).to(memory_format=torch.channels_last)


@functools.cache
def _classes() -> dict[str, type[nn.Module]]:
    """Define the networks' classes when they are first needed: the base class is PyTorch's."""
    from torch import nn

    def eager(name: str, wanted: bool) -> nn.Module:
        """Return one of eager mode's modules, or something that does nothing."""
        if not wanted:
            return nn.Identity()
        with warnings.catch_warnings():  # deprecated, and still the readable way
            warnings.simplefilter("ignore")
            from torch.ao import quantization
            from torch.ao.nn.quantized import FloatFunctional

            kinds = {"quant": quantization.QuantStub, "dequant": quantization.DeQuantStub}
            module: nn.Module = (kinds | {"add": FloatFunctional})[name]()
            return module

    class Mlp(nn.Module):
        """One hidden layer."""

        def __init__(self, stubs: bool) -> None:
            super().__init__()
            self.quant = eager("quant", stubs)
            self.fc1 = nn.Linear(784, 128)
            self.relu = nn.ReLU()
            self.fc2 = nn.Linear(128, 10)
            self.dequant = eager("dequant", stubs)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            """Compute the logits."""
            x = self.quant(x.reshape(-1, 784))
            logits: torch.Tensor = self.dequant(self.fc2(self.relu(self.fc1(x))))
            return logits

    class Cnn(nn.Module):
        """One convolution, or two with a connection around the second, and one dense layer."""

        def __init__(self, batch_norm: bool, residual: bool, stubs: bool) -> None:
            super().__init__()
            self.residual, self.stubs = residual, stubs
            self.quant = eager("quant", stubs)
            self.conv = nn.Conv2d(1, 12, 3, bias=not batch_norm)
            self.bn = nn.BatchNorm2d(12) if batch_norm else nn.Identity()
            self.relu = nn.ReLU()
            self.pool = nn.MaxPool2d(2)
            if residual:
                self.conv2 = nn.Conv2d(12, 12, 3, padding=1, bias=not batch_norm)
                self.bn2 = nn.BatchNorm2d(12) if batch_norm else nn.Identity()
                self.add: Any = eager("add", stubs)
                self.relu2 = nn.ReLU()
            self.fc = nn.Linear(12 * 13 * 13, 10)
            self.dequant = eager("dequant", stubs)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            """Compute the logits."""
            x = self.quant(x.reshape(-1, 1, 28, 28))
            x = self.pool(self.relu(self.bn(self.conv(x))))
            if self.residual:
                change = self.bn2(self.conv2(x))
                x = self.relu2(self.add.add(x, change) if self.stubs else x + change)
            logits: torch.Tensor = self.dequant(self.fc(x.flatten(1)))
            return logits

    return {"Mlp": Mlp, "Cnn": Cnn}
