"""The article's PyTorch network, 784-128-10, trained once and cached."""

from __future__ import annotations

import contextlib
import functools
import math
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from qhelpers import paths
from qhelpers.progress import progress
from qhelpers.pytorch import torch_cache

if TYPE_CHECKING:
    import torch
    from torch import nn

    from qhelpers.data import Digits

MEAN, STD = 0.1307, 0.3081  # of MNIST's training pixels, as everybody normalizes them
LEARNING_RATE = 0.01
SEED = 0

_STEPS = 2 * math.ceil(60_000 / 64)  # in two epochs of MNIST; fewer are too few to learn from


def build(with_stubs: bool = False) -> nn.Module:
    """Build the untrained network; the same weights each time, whatever ran before.

    Args:
        with_stubs: with `quant` and `dequant`, between which eager quantization uses integers.

    Returns:
        A module with `fc1`, `relu` and `fc2`, from float32 [n, 784] to logits float32 [n, 10].

    Raises:
        ImportError: PyTorch is not installed.
    """
    paths.require("torch", extra="torch")
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        return _network_class()(with_stubs)


def to_tensor(images: NDArray[np.uint8]) -> torch.Tensor:
    """Turn images into what the network takes.

    Args:
        images: uint8 [n, 28, 28]; anything else is a ValueError.

    Returns:
        float32 [n, 784], (images / 255 - 0.1307) / 0.3081.
    """
    import torch

    images = np.array(images)  # a copy: PyTorch warns about read-only arrays
    if images.dtype != np.uint8 or images.shape[1:] != (28, 28):
        raise ValueError(
            f"images must be uint8 [n, 28, 28]; got {images.dtype} {list(images.shape)}. "
            "Pass them as digits.load() gives them: normalizing is done here."
        )
    # The steps of ToTensor and Normalize, in their order: the same numbers to the last bit.
    floats = torch.from_numpy(images).flatten(1).float()
    return floats.div_(255).sub_(MEAN).div_(STD)


def schedule(count: int) -> tuple[int, int]:
    """Return the batch size and the number of epochs for `count` training images.

    They are (64, 2) as in the article; with fewer than 10,000 images batches of 16, and as many
    epochs as make about as many steps as two epochs of MNIST.
    """
    return (64, 2) if count >= 10_000 else (16, round(_STEPS / math.ceil(count / 16)))


def train(
    net: nn.Module, digits: Digits, epochs: int | None = None, show: bool = True
) -> dict[str, list[float]]:
    """Train as the article does, but normalize a batch at a time: SGD, shuffled batches.

    Args:
        net: from `build`; trained in place, and left in training mode.
        digits: the images.
        epochs: passes over the images; None for what `schedule` says.
        show: draw a progress bar.

    Returns:
        {"loss": the mean of each epoch, "accuracy": the same, measured while it trains}.
    """
    import torch

    count = len(digits.train_images)
    batch, planned = schedule(count)
    epochs = planned if epochs is None else epochs
    optimizer = torch.optim.SGD(net.parameters(), lr=LEARNING_RATE)
    generator = torch.Generator().manual_seed(SEED)
    history: dict[str, list[float]] = {"loss": [], "accuracy": []}
    net.train()
    label = "Training the PyTorch network"
    bar: Any = progress(epochs, label) if show else contextlib.nullcontext()
    with one_thread(), bar as advance:
        for _ in range(epochs):
            loss_sum, correct = 0.0, 0
            order = torch.randperm(count, generator=generator).numpy()
            for start in range(0, count, batch):
                chosen = order[start : start + batch]
                expected = torch.from_numpy(digits.train_labels[chosen]).long()
                outputs = net(to_tensor(digits.train_images[chosen]))
                loss: Any = torch.nn.functional.cross_entropy(outputs, expected)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                loss_sum += loss.item() * len(chosen)
                correct += int((outputs.argmax(1) == expected).sum())
            history["loss"].append(loss_sum / count)
            history["accuracy"].append(correct / count)
            if show:
                advance(1, f"loss {history['loss'][-1]:.3f}")
    return history


def trained(digits: Digits, show: bool = True) -> nn.Module:
    """Return the network trained on `digits`, from the cache if it is there.

    Args:
        digits: the images.
        show: draw a progress bar while it trains.

    Returns:
        The network without stubs, in eval mode.
    """
    net = build()
    batch, epochs = schedule(len(digits.train_images))
    name = f"torch_mlp-{digits.key}-{paths.versions('torch')}-{epochs}x{batch}.pt"
    return torch_cache.trained(net, name, lambda: train(net, digits, show=show))


def logits(net: Any, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Run a network on images, 1,000 at a time and without gradients.

    Args:
        net: anything that takes float32 [n, 784], a quantized network too.
        images: uint8 [n, 28, 28].

    Returns:
        float32 [n, 10].
    """
    import torch

    with torch.no_grad():
        parts = [
            net(to_tensor(images[start : start + 1000])).numpy()
            for start in range(0, len(images), 1000)
        ]
    return np.concatenate(parts) if parts else np.zeros((0, 10), np.float32)


def state_bytes(net: nn.Module) -> int:
    """Return how many bytes `torch.save(net.state_dict())` writes."""
    return len(torch_cache.saved(net))


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one thread for a while.

    On small batches several threads mostly wait for each other, for minutes where other programs
    keep the cores busy. And one thread gives the same weights whatever the number of cores.
    """
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@functools.cache
def _network_class() -> type[nn.Module]:
    """Define the network's class when it is first needed: the base class is PyTorch's."""
    from torch import nn

    class Net(nn.Module):
        """One hidden layer."""

        def __init__(self, with_stubs: bool) -> None:
            super().__init__()
            self.fc1 = nn.Linear(784, 128)
            self.relu = nn.ReLU()
            self.fc2 = nn.Linear(128, 10)
            self.with_stubs = with_stubs
            if with_stubs:
                with warnings.catch_warnings():  # deprecated, and still the readable way
                    warnings.simplefilter("ignore", DeprecationWarning)
                    from torch.ao.quantization import DeQuantStub, QuantStub

                    self.quant, self.dequant = QuantStub(), DeQuantStub()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            """Compute the logits."""
            x = x.reshape(-1, 784)
            if self.with_stubs:
                x = self.quant(x)
            x = self.fc2(self.relu(self.fc1(x)))
            return self.dequant(x) if self.with_stubs else x

    return Net
