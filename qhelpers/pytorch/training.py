"""Train the course's PyTorch networks, keep their weights in files, and run them."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from qhelpers import paths
from qhelpers.data import Digits
from qhelpers.progress import progress
from qhelpers.pytorch import networks

MEAN, STD = 0.1307, 0.3081  # of MNIST's training pixels, as everybody normalizes them
MLP_RATE, CNN_RATE = 0.01, 4e-3


def to_tensor(images: NDArray[np.uint8]) -> torch.Tensor:
    """Turn images into what the networks take: float32 [n, 784], (image / 255 - 0.1307) / 0.3081.

    They are uint8 [n, 28, 28]; anything else is a ValueError.
    """
    images = np.array(images)  # a copy: PyTorch warns about read-only arrays
    if images.dtype != np.uint8 or images.shape[1:] != (28, 28):
        raise ValueError(
            f"images must be uint8 [n, 28, 28]; got {images.dtype} {list(images.shape)}. "
            "Pass them as data.load() returns them: normalizing is done here."
        )
    # The steps of ToTensor and Normalize, in their order: the same numbers to the last bit.
    return torch.from_numpy(images).flatten(1).float().div_(255).sub_(MEAN).div_(STD)


def fit(
    net: nn.Module,
    images: NDArray[np.uint8],
    labels: NDArray[np.uint8],
    steps: int,
    rate: float,
    *,
    batch: int = 64,
    seed: int = 0,
    sgd: bool = False,
    each_step: Callable[[int], Any] = lambda step: None,
) -> list[float]:
    """Train for a number of steps: Adam, cross-entropy on shuffled batches, a falling rate.

    It computes on one thread: on small batches several mostly wait for each other, and one gives
    the same weights whatever the number of cores. The network stays in its mode, training or eval:
    the modes are part of what lessons teach.

    Args:
        net: from float32 [n, 784] to logits [n, classes]; trained in place.
        images: uint8 [n, 28, 28], normalized a batch at a time.
        labels: [n], whole numbers.
        steps: how many batches; the images are shuffled anew whenever they are used up.
        rate: the learning rate of the first step; it falls along a line, to zero behind the last.
        batch: how many images a step takes; the last one of a shuffle takes the rest.
        seed: of the order of the images.
        sgd: plain stochastic gradient descent in place of Adam, and a rate that does not fall.
        each_step: called with 0, 1, ... after each step, to freeze, record or show something.

    Returns:
        The loss of each step.
    """
    parameters = [p for p in net.parameters() if p.requires_grad]
    optimizer = (torch.optim.SGD if sgd else torch.optim.Adam)(parameters, lr=rate)
    losses: list[float] = []
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for step, chosen in zip(range(steps), _batches(len(images), batch, seed), strict=False):
            if not sgd:
                optimizer.param_groups[0]["lr"] = rate * (1 - step / steps)
            expected = torch.from_numpy(labels[chosen]).long()
            loss: Any = torch.nn.functional.cross_entropy(net(to_tensor(images[chosen])), expected)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
            each_step(step)
    finally:
        torch.set_num_threads(threads)
    return losses


def mlp_schedule(count: int) -> tuple[int, int]:
    """Return the steps and the batch size for `count` training images.

    Two epochs in batches of 64, as tutorials train it; with fewer than 10,000 images batches of 16,
    and about as many steps as two epochs of MNIST have, 1,876, in whole epochs.
    """
    if count >= 10_000:
        return 2 * math.ceil(count / 64), 64
    an_epoch = math.ceil(count / 16)
    return round(1876 / an_epoch) * an_epoch, 16


def cnn_schedule(count: int) -> tuple[int, int]:
    """Return the steps and the batch size for `count` training images."""
    return (1000, 64) if count >= 10_000 else (600, 32)


def trained_mlp(digits: Digits) -> nn.Module:
    """Return `networks.mlp()`, in eval mode, trained on `digits` or from the cache."""
    steps, batch = mlp_schedule(len(digits.train_images))
    return _trained("mlp", networks.mlp(), digits, steps, MLP_RATE, batch=batch, sgd=True)


def trained_cnn(digits: Digits, residual: bool = False) -> nn.Module:
    """Return `networks.cnn(residual=residual)`, in eval mode, trained or from the cache."""
    steps, batch = cnn_schedule(len(digits.train_images))
    name, net = "residual_cnn" if residual else "cnn", networks.cnn(residual=residual)
    return _trained(name, net, digits, steps, CNN_RATE, batch=batch)


def logits(net: Any, images: NDArray[np.uint8], batch: int = 100) -> NDArray[np.float32]:
    """Run a network on images, uint8 [n, 28, 28], without gradients: float32 [n, classes].

    `net` is anything that takes float32 [n, 784], a quantized network too, in whatever mode it is;
    the batches are small enough to stay in the cache.
    """
    with torch.no_grad():
        first = net(to_tensor(images[:batch])).numpy()
        found = np.empty((len(images), *first.shape[1:]), first.dtype)
        found[:batch] = first  # parts kept in a list would pin the memory freed between them
        for start in range(batch, len(images), batch):
            found[start : start + batch] = net(to_tensor(images[start : start + batch])).numpy()
    return found


def saved(net: nn.Module) -> bytes:
    """Return the file that `torch.save(net.state_dict())` writes."""
    stream = io.BytesIO()
    torch.save(net.state_dict(), stream)
    return stream.getvalue()


def _batches(count: int, batch: int, seed: int) -> Iterator[NDArray[np.int64]]:
    """Yield the indices of one batch after the other, for ever."""
    generator = torch.Generator().manual_seed(seed)
    while True:
        order = torch.randperm(count, generator=generator).numpy()
        for start in range(0, count, batch):
            yield order[start : start + batch]


def _trained(
    name: str, net: nn.Module, digits: Digits, steps: int, rate: float, **options: Any
) -> nn.Module:
    """Train a network in place, or give it the weights of its cached file; return it."""

    def learn() -> None:
        net.train()
        what = f"Training the PyTorch {name.replace('_', ' ').replace('nn', 'NN').upper()}"
        with progress(steps, what) as advance:
            options["each_step"] = lambda _: advance()
            fit(net, digits.train_images, digits.train_labels, steps, rate, **options)

    def restore(arrays: list[NDArray[Any]]) -> None:
        net.load_state_dict(dict(zip(net.state_dict(), map(torch.from_numpy, arrays), strict=True)))

    paths.learn_once(
        f"torch_{name}-{digits.key}-{paths.versions('torch')}-{steps}x{options['batch']}",
        lambda: [tensor.numpy() for tensor in net.state_dict().values()],
        restore,
        learn,
    )
    return net.eval()
