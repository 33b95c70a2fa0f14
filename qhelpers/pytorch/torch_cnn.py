"""The course's CNN in PyTorch: 12 filters, ReLU, max-pool, dense 10; trained once and cached."""

from __future__ import annotations

import functools
import warnings
from typing import TYPE_CHECKING

from qhelpers import paths
from qhelpers.pytorch import torch_cache, torch_train

if TYPE_CHECKING:
    import torch
    from torch import nn

    from qhelpers.data import Digits

SEED = 0
RATE = 4e-3


def build(batch_norm: bool = False, with_stubs: bool = False) -> nn.Module:
    """Build the untrained network; the same weights each time, whatever ran before.

    Args:
        batch_norm: with batch normalization between convolution and ReLU; the convolution then
            has no bias, since batch normalization adds one.
        with_stubs: with `quant` and `dequant`, between which eager quantization uses integers.

    Returns:
        A module with `conv`, `bn` (if wanted), `relu`, `pool` and `fc`, from float32 [n, 784] to
        logits float32 [n, 10]; 20,410 parameters without batch normalization.

    Raises:
        ImportError: PyTorch is not installed.
    """
    paths.require("torch", extra="torch")
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        return _network_class()(batch_norm, with_stubs)


def schedule(count: int) -> tuple[int, int]:
    """Return the number of steps and the batch size for `count` training images."""
    return (1000, 64) if count >= 10_000 else (600, 32)


def trained(digits: Digits, show: bool = True) -> nn.Module:
    """Return the network with batch normalization trained on `digits`, from the cache if there.

    Args:
        digits: the images.
        show: draw a progress bar while it trains.

    Returns:
        The network without stubs, in eval mode.
    """
    net = build(batch_norm=True)
    images, labels = digits.train_images, digits.train_labels
    steps, batch = schedule(len(images))
    name = f"torch_cnn-{digits.key}-{paths.versions('torch')}-{steps}x{batch}.pt"
    label = "Training the PyTorch CNN" if show else ""

    def train() -> None:
        net.train()
        torch_train.fit(net, images, labels, steps, RATE, batch=batch, seed=SEED, label=label)

    return torch_cache.trained(net, name, train)


@functools.cache
def _network_class() -> type[nn.Module]:
    """Define the network's class when it is first needed: the base class is PyTorch's."""
    import torch
    from torch import nn

    class Net(nn.Module):
        """One convolution and one dense layer."""

        def __init__(self, batch_norm: bool, with_stubs: bool) -> None:
            super().__init__()
            self.conv = nn.Conv2d(1, 12, 3, bias=not batch_norm)
            self.bn = nn.BatchNorm2d(12) if batch_norm else nn.Identity()
            self.relu = nn.ReLU()
            self.pool = nn.MaxPool2d(2)
            self.fc = nn.Linear(12 * 13 * 13, 10)
            self.quant: nn.Module = nn.Identity()
            self.dequant: nn.Module = nn.Identity()
            if with_stubs:
                with warnings.catch_warnings():  # deprecated, and still the readable way
                    warnings.simplefilter("ignore", DeprecationWarning)
                    from torch.ao.quantization import DeQuantStub, QuantStub

                    self.quant, self.dequant = QuantStub(), DeQuantStub()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            """Compute the logits."""
            x = self.quant(x.reshape(-1, 1, 28, 28))
            x = self.relu(self.bn(self.conv(x)))
            # Channels last: max-pooling then works on all twelve channels at once.
            x = self.pool(x.contiguous(memory_format=torch.channels_last))
            logits: torch.Tensor = self.dequant(self.fc(x.flatten(1)))
            return logits

    return Net
