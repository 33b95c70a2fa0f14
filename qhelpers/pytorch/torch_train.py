"""A short, repeatable training loop for the course's small PyTorch networks."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from qhelpers.progress import progress
from qhelpers.pytorch import torch_mlp

if TYPE_CHECKING:
    from torch import nn


def fit(
    net: nn.Module,
    images: NDArray[np.uint8],
    labels: NDArray[np.uint8],
    steps: int,
    rate: float,
    *,
    batch: int = 64,
    seed: int = 0,
    momentum: float | None = None,
    each_step: Callable[[int], Any] | None = None,
    label: str = "",
) -> list[float]:
    """Train for a number of steps: cross-entropy, shuffled batches, a rate that falls to zero.

    It computes on one thread, so that one machine gives the same weights each time. Whether the
    network is in training mode is left to the caller: the modes are part of what lessons teach.

    Args:
        net: from float32 [n, 784] to logits [n, classes]; trained in place.
        images: uint8 [n, 28, 28], normalized a batch at a time.
        labels: [n], whole numbers.
        steps: how many batches; the images are shuffled anew whenever they are used up.
        rate: the first step's learning rate; it falls along a line, to zero behind the last step.
        batch: how many images a step takes, at most n.
        seed: of the order of the images.
        momentum: None for Adam; a number for stochastic gradient descent with it.
        each_step: called with 0, 1, ... after each step, to freeze or to record something.
        label: text of a progress bar; "" for none.

    Returns:
        The loss of each step.

    Raises:
        ValueError: `steps`, `rate` or `batch` is out of range, or images and labels do not fit.
    """
    import torch

    count = len(images)
    if not 1 <= batch <= count or steps < 1 or not rate > 0:
        raise ValueError(
            f"fit needs steps >= 1, rate > 0 and a batch of 1 to {count} (the number of images); "
            f"got steps={steps}, rate={rate}, batch={batch}."
        )
    if len(labels) != count:
        raise ValueError(f"each image needs a label; got {count} images and {len(labels)} labels.")
    parameters = [p for p in net.parameters() if p.requires_grad]
    optimizer: Any = (
        torch.optim.Adam(parameters, lr=rate)
        if momentum is None
        else torch.optim.SGD(parameters, lr=rate, momentum=momentum)
    )
    losses: list[float] = []
    bar: Any = progress(steps, label) if label else contextlib.nullcontext()
    with torch_mlp.one_thread(), bar as advance:
        for step, chosen in zip(range(steps), _batches(count, batch, seed), strict=False):
            for group in optimizer.param_groups:
                group["lr"] = rate * (1 - step / steps)
            expected = torch.from_numpy(labels[chosen]).long()
            outputs = net(torch_mlp.to_tensor(images[chosen]))
            loss: Any = torch.nn.functional.cross_entropy(outputs, expected)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
            if each_step is not None:
                each_step(step)
            if label:
                advance(1)
    return losses


def logits(net: Any, images: NDArray[np.uint8], batch: int = 100) -> NDArray[np.float32]:
    """Run a network on images without gradients, in batches small enough to stay in the cache.

    Args:
        net: anything that takes float32 [n, 784], a quantized network too, in whatever mode it is.
        images: uint8 [n, 28, 28].
        batch: how many images at a time.

    Returns:
        float32 [n, classes]; [0, 10] without images.
    """
    parts = [torch_mlp.logits(net, images[i : i + batch]) for i in range(0, len(images), batch)]
    return np.concatenate(parts) if parts else np.zeros((0, 10), np.float32)


def _batches(count: int, batch: int, seed: int) -> Iterator[NDArray[np.int64]]:
    """Yield the indices of one full batch after the other, for ever."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    while True:
        order = torch.randperm(count, generator=generator).numpy()
        for start in range(0, count - batch + 1, batch):
            yield order[start : start + batch]
