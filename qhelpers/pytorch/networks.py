"""The course's two PyTorch networks, untrained."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator

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
    with _same_weights():
        return _Mlp(stubs)


def cnn(batch_norm: bool = True, residual: bool = False, stubs: bool = False) -> nn.Module:
    """Build the CNN: 12 filters, ReLU, max-pool, dense 10; the same weights each time.

    Args:
        batch_norm: batch normalization after each convolution, which then has no bias of its
            own; without, `bn` is `nn.Identity`: what a network with folded normalization needs.
        residual: a second convolution (`conv2`, `bn2`) after the pool, whose result is added to
            its own input: an addition that eager mode would not observe.
        stubs: as in `mlp`.

    Returns:
        A module with `conv`, `bn`, `relu`, `pool` and `fc`, from float32 [n, 784] to logits
        float32 [n, 10]; 20,410 parameters without batch normalization and residual.
    """
    with _same_weights():
        # Convolutions then write their channels side by side: trained and run in less time.
        return _Cnn(batch_norm, residual, stubs).to(memory_format=torch.channels_last)


@contextlib.contextmanager
def _same_weights() -> Iterator[None]:
    """Seed PyTorch's random numbers for a while, and leave them as they were."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def _stubs(wanted: bool) -> tuple[nn.Module, nn.Module]:
    """Return eager mode's stubs for input and output, or two modules that do nothing."""
    if not wanted:
        return nn.Identity(), nn.Identity()
    with warnings.catch_warnings():  # deprecated, and still the readable way
        warnings.simplefilter("ignore")
        from torch.ao import quantization

        return quantization.QuantStub(), quantization.DeQuantStub()


class _Mlp(nn.Module):
    """One hidden layer."""

    def __init__(self, stubs: bool) -> None:
        super().__init__()
        self.quant, dequant = _stubs(stubs)
        self.fc1 = nn.Linear(784, 128)
        self.relu = nn.ReLU()
        self.fc2 = nn.Linear(128, 10)
        self.dequant = dequant

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Compute the logits."""
        x = self.quant(x.reshape(-1, 784))
        logits: torch.Tensor = self.dequant(self.fc2(self.relu(self.fc1(x))))
        return logits


class _Cnn(nn.Module):
    """One convolution, or two with a connection around the second, and one dense layer."""

    def __init__(self, batch_norm: bool, residual: bool, stubs: bool) -> None:
        super().__init__()
        self.residual = residual
        self.quant, dequant = _stubs(stubs)
        self.conv = nn.Conv2d(1, 12, 3, bias=not batch_norm)
        self.bn = nn.BatchNorm2d(12) if batch_norm else nn.Identity()
        self.relu = nn.ReLU()
        self.pool = nn.MaxPool2d(2)
        if residual:
            self.conv2 = nn.Conv2d(12, 12, 3, padding=1, bias=not batch_norm)
            self.bn2 = nn.BatchNorm2d(12) if batch_norm else nn.Identity()
            self.relu2 = nn.ReLU()
        self.fc = nn.Linear(12 * 13 * 13, 10)
        self.dequant = dequant

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Compute the logits."""
        x = self.quant(x.reshape(-1, 1, 28, 28))
        x = self.pool(self.relu(self.bn(self.conv(x))))
        if self.residual:
            x = self.relu2(x + self.bn2(self.conv2(x)))
        logits: torch.Tensor = self.dequant(self.fc(x.flatten(1)))
        return logits
