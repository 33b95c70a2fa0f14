"""Train the course's PyTorch networks, keep their weights in files, and run them."""

from __future__ import annotations

import contextlib
import io
import math
import pickle
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from qhelpers import paths
from qhelpers.progress import progress
from qhelpers.pytorch import networks

if TYPE_CHECKING:
    import torch
    from torch import nn

    from qhelpers.data import Digits

MEAN, STD = 0.1307, 0.3081  # of MNIST's training pixels, as everybody normalizes them
MLP_RATE, CNN_RATE = 0.01, 4e-3
SEED = 0


def to_tensor(images: NDArray[np.uint8]) -> torch.Tensor:
    """Turn images into what the networks take.

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
            "Pass them as data.load() returns them: normalizing is done here."
        )
    # The steps of ToTensor and Normalize, in their order: the same numbers to the last bit.
    floats = torch.from_numpy(images).flatten(1).float()
    return floats.div_(255).sub_(MEAN).div_(STD)


def fit(
    net: nn.Module,
    images: NDArray[np.uint8],
    labels: NDArray[np.uint8],
    steps: int,
    rate: float,
    *,
    batch: int = 64,
    seed: int = SEED,
    momentum: float | None = None,
    falling: bool = True,
    each_step: Callable[[int], Any] | None = None,
) -> list[float]:
    """Train for a number of steps: cross-entropy on shuffled batches.

    It computes on one thread, so that one machine gives the same weights each time. Whether the
    network is in training mode is left to the caller: the modes are part of what lessons teach.

    Args:
        net: from float32 [n, 784] to logits [n, classes]; trained in place.
        images: uint8 [n, 28, 28], normalized a batch at a time.
        labels: [n], whole numbers.
        steps: how many batches; the images are shuffled anew whenever they are used up.
        rate: the learning rate, of the first step if it falls.
        batch: how many images a step takes, at most n; the last one of a shuffle takes the rest.
        seed: of the order of the images.
        momentum: None for Adam; a number for stochastic gradient descent with it.
        falling: whether the rate falls along a line, to zero behind the last step.
        each_step: called with 0, 1, ... after each step, to freeze, record or show something.

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
    with one_thread():
        for step, chosen in zip(range(steps), _batches(count, batch, seed), strict=False):
            for group in optimizer.param_groups:
                group["lr"] = rate * (1 - step / steps) if falling else rate
            expected = torch.from_numpy(labels[chosen]).long()
            loss: Any = torch.nn.functional.cross_entropy(net(to_tensor(images[chosen])), expected)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
            if each_step is not None:
                each_step(step)
    return losses


def mlp_schedule(count: int) -> tuple[int, int]:
    """Return the steps and the batch size for `count` training images.

    Two epochs in batches of 64, as tutorials train it; with fewer than 10,000 images batches of 16,
    and about as many steps as two epochs of MNIST have.
    """
    if count >= 10_000:
        return 2 * math.ceil(count / 64), 64
    an_epoch = math.ceil(count / 16)
    return round(2 * math.ceil(60_000 / 64) / an_epoch) * an_epoch, 16


def cnn_schedule(count: int) -> tuple[int, int]:
    """Return the steps and the batch size for `count` training images."""
    return (1000, 64) if count >= 10_000 else (600, 32)


def trained_mlp(digits: Digits, show: bool = True) -> nn.Module:
    """Return `networks.mlp()` trained on `digits`, from the cache if it is there.

    Args:
        digits: the images.
        show: draw a progress bar while it trains.

    Returns:
        The network without stubs, in eval mode.
    """
    steps, batch = mlp_schedule(len(digits.train_images))
    sgd: dict[str, Any] = {"momentum": 0, "falling": False}
    return _trained("mlp", networks.mlp(), digits, steps, batch, MLP_RATE, sgd, show)


def trained_cnn(digits: Digits, residual: bool = False, show: bool = True) -> nn.Module:
    """Return `networks.cnn()`, with batch normalization, trained on `digits` or from the cache.

    Args:
        digits: the images.
        residual: see `networks.cnn`.
        show: draw a progress bar while it trains.

    Returns:
        The network without stubs, in eval mode.
    """
    steps, batch = cnn_schedule(len(digits.train_images))
    net, name = networks.cnn(residual=residual), "residual_cnn" if residual else "cnn"
    return _trained(name, net, digits, steps, batch, CNN_RATE, {}, show)


def logits(net: Any, images: NDArray[np.uint8], batch: int = 100) -> NDArray[np.float32]:
    """Run a network on images without gradients, in batches small enough to stay in the cache.

    Args:
        net: anything that takes float32 [n, 784], a quantized network too, in whatever mode it is.
        images: uint8 [n, 28, 28].
        batch: how many images at a time.

    Returns:
        float32 [n, classes]; [0, 10] without images.
    """
    import torch

    with torch.no_grad():
        parts = [
            net(to_tensor(images[start : start + batch])).numpy()
            for start in range(0, len(images), batch)
        ]
    return np.concatenate(parts) if parts else np.zeros((0, 10), np.float32)


def saved(net: nn.Module) -> bytes:
    """Return the file that `torch.save(net.state_dict())` writes."""
    import torch

    stream = io.BytesIO()
    torch.save(net.state_dict(), stream)
    return stream.getvalue()


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


def _batches(count: int, batch: int, seed: int) -> Iterator[NDArray[np.int64]]:
    """Yield the indices of one batch after the other, for ever."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    while True:
        order = torch.randperm(count, generator=generator).numpy()
        for start in range(0, count, batch):
            yield order[start : start + batch]


def _trained(
    name: str,
    net: nn.Module,
    digits: Digits,
    steps: int,
    batch: int,
    rate: float,
    options: dict[str, Any],
    show: bool,
) -> nn.Module:
    """Give a network the weights of its cached file, or train it and write that file."""
    key = f"{digits.key}-{paths.versions('torch')}-{steps}x{batch}"
    path = paths.home() / "models" / f"torch_{name}-{key}.pt"
    if not _restored(net, path):
        net.train()
        what = f"Training the PyTorch {name.replace('_', ' ').replace('nn', 'NN').upper()}"
        with progress(steps, what, show=show) as advance:
            options |= {"batch": batch, "each_step": lambda _: advance(1)}
            fit(net, digits.train_images, digits.train_labels, steps, rate, **options)
        paths.keep(path, saved(net))
    return net.eval()


def _restored(net: nn.Module, path: Path) -> bool:
    """Give a network the weights of a cached file; say whether that was there and whole."""
    import torch

    if not path.exists():
        return False
    try:
        with zipfile.ZipFile(path) as archive:  # PyTorch itself does not look at the checksums
            whole = archive.testzip() is None
        state: Any = torch.load(path, weights_only=True) if whole else None
        if isinstance(state, dict) and _fits(state, net.state_dict()):
            net.load_state_dict(state)
            return True
    except (OSError, RuntimeError, EOFError, zipfile.BadZipFile, pickle.UnpicklingError):
        pass
    print(f"The cached network {path.name} is damaged: training it again.")
    if path.is_dir():  # no file can be written over a folder; what is in it is not ours to delete
        with contextlib.suppress(OSError):
            path.rename(path.with_name(f"{path.name}.folder-{time.time_ns()}"))
    return False


def _fits(state: dict[str, Any], own: dict[str, Any]) -> bool:
    """Tell whether weights are those of such a network: same names and shapes, all finite."""
    import torch

    return state.keys() == own.keys() and all(
        isinstance(values := state[name], torch.Tensor)
        and (values.shape, values.dtype) == (own[name].shape, own[name].dtype)
        and bool(torch.isfinite(values).all())
        for name in own
    )
