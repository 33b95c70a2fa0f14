"""The small network of lesson 00 and its training, in NumPy alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from qhelpers import data
from qhelpers.data import Array, Floats
from qhelpers.evaluation import metrics

Net = dict[str, Floats]

_STEPS, _BATCH, _RATE, _MOMENTUM = 600, 100, 0.1, 0.9


def forward(net: Net, images: Array) -> tuple[Array, Array]:
    """Run the network: the activations between its layers [n, 32], none below 0, and the logits.

    Args:
        net: "kernel1" [784, 32], "bias1" [32], "kernel2" [32, 10], "bias2" [10], float32.
        images: [n, 28, 28] float32 in [0, 1].
    """
    hidden = np.maximum(images.reshape(len(images), 784) @ net["kernel1"] + net["bias1"], 0)
    return hidden, hidden @ net["kernel2"] + net["bias2"]


def train(digits: data.Digits, rounding: Callable[[Net], Net] | None = None) -> Net:
    """Train on random batches with momentum: 600 steps of 100 images, the same each time.

    With `rounding` it is quantization-aware training: the weights as rounded by this function
    compute the outputs and the gradients; the update goes to those that are not rounded. Returned
    are these, as `forward` takes them.
    """
    rng = np.random.default_rng(0)
    net: Net = {
        "kernel1": rng.normal(0, 784**-0.5, (784, 32)).astype(np.float32),
        "bias1": np.zeros(32, np.float32),
        "kernel2": rng.normal(0, 32**-0.5, (32, 10)).astype(np.float32),
        "bias2": np.zeros(10, np.float32),
    }
    speed = {name: np.zeros_like(values) for name, values in net.items()}
    with threadpool_limits(1):  # matrices as small as these gain nothing from more
        for _ in range(_STEPS):
            chosen = rng.integers(len(digits.train_images), size=_BATCH)
            images = data.to_float(digits.train_images[chosen])
            used = rounding(net) if rounding else net
            for name, slope in _slopes(used, images, digits.train_labels[chosen]).items():
                speed[name] = _MOMENTUM * speed[name] - _RATE * slope
                net[name] = net[name] + speed[name]
    return net


def wide_enough(kernel: Array) -> float:
    """Return how far three marks may reach over a kernel, for want of a better answer."""
    return 2 * float(kernel.std())


def card(results: Mapping[str, tuple[int, Any]], size: Mapping[int, int], labels: Any) -> str:
    """Return the table of `results`, name -> (bits, logits); `size` maps bits to bytes."""
    reference = next(iter(results.values()))[1]
    lines = [f"{'model':20} {'bytes':>7}  accuracy in % [95 %]  flips"]
    for name, (bits, found) in results.items():
        share, flips = str(metrics.accuracy(found, labels)), metrics.flips(reference, found)
        lines.append(f"{name:20} {size[bits]:7,}  {share:20} {flips:6,}")
    return "\n".join(lines)


def _slopes(net: Net, images: Array, labels: Array) -> Net:
    """Return how the cross-entropy changes with each parameter."""
    hidden, outputs = forward(net, images)
    likely = np.exp(outputs - outputs.max(axis=1, keepdims=True))
    likely /= likely.sum(axis=1, keepdims=True)
    error = (likely - np.eye(10, dtype=np.float32)[labels]) / len(labels)
    back = (error @ net["kernel2"].T) * (hidden > 0)
    kernels = {"kernel1": images.reshape(len(images), 784).T @ back, "kernel2": hidden.T @ error}
    return kernels | {"bias1": back.sum(axis=0), "bias2": error.sum(axis=0)}
