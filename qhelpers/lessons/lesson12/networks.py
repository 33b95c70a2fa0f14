"""The networks of lesson 12 with other weights."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import torch
from torch import nn

from qhelpers.arithmetic import block_formats
from qhelpers.arithmetic.block_formats import BlockFormat, Blocks
from qhelpers.data import Array, Digits, Floats
from qhelpers.evaluation import next_character
from qhelpers.pytorch import language_model, text, training


class Cnn:
    """The trained CNN before its dense layer, and that layer's `weights` [10, 2028] and `bias`."""

    def __init__(self, digits: Digits) -> None:
        net: Any = training.trained_cnn(digits)
        layers = nn.Unflatten(1, (1, 28, 28)), net.conv, net.bn, net.relu, net.pool, nn.Flatten()
        self._front, self._dense = nn.Sequential(*layers), net.fc
        self.weights, self.bias = (part.detach().numpy() for part in net.fc.parameters())
        self.features = training.logits(self._front, digits.test_images)  # [n, 2028]
        parts = [part.numpy() for name, part in net.state_dict().items() if name != "fc.weight"]
        self._rest = b"".join(part.tobytes() for part in parts)

    def logits(self, weights: Array) -> Floats:
        """Return the logits of the test images, [n, 10], with other dense weights."""
        return np.asarray(self.features @ np.float32(weights.T) + self.bias, np.float32)

    def quantized(self, form: BlockFormat) -> tuple[Blocks, Floats]:
        """Return the dense weights in blocks, rows ending in 20 zeros, and their logits."""
        blocks = block_formats.quantize(np.pad(self.weights, ((0, 0), (0, 20))), form)
        return blocks, self.logits(blocks.decode()[:, : self.weights.shape[1]])

    def content(self, blocks: Blocks | None = None) -> bytes:
        """Return all parameters as bytes: the dense weights as floats, or as blocks."""
        parts = [self.weights]
        if blocks is not None:
            whole = [np.array(blocks.tensor_scale, np.float32)] * (blocks.tensor_scale != 1)
            parts = [blocks.pack(), blocks.scales, *whole]
        return b"".join(part.tobytes() for part in parts) + self._rest

    def gradients(self, digits: Digits, count: int = 64) -> Floats:
        """Return the loss's gradients by the features of `count` images, [n], zeros left out."""
        features = self._front(training.to_tensor(digits.train_images[:count]))
        labels = torch.from_numpy(digits.train_labels[:count].astype(np.int64))
        loss = nn.functional.cross_entropy(self._dense(features), labels)
        found = torch.autograd.grad(loss, features)[0].numpy().ravel()
        return np.asarray(found[found != 0])


@functools.cache
def _reference() -> Floats:
    """Return the float language model's logits of the text held out: the same for all formats."""
    return language_model.logits(language_model.load(), text.held_out()[..., :-1])


def divergence(form: BlockFormat) -> next_character.Mean:
    """Return how far the language model moves with its linear weights, head apart, in form: KL."""
    model, windows, reference = language_model.load(), text.held_out(), _reference()
    for layer in language_model.linear(model).values():
        rounded = block_formats.quantize(layer.weight.numpy(), form).decode()
        layer.weight.copy_(torch.from_numpy(rounded))
    outputs = language_model.logits(model, windows[..., :-1])
    return next_character.judge(outputs, reference, windows[..., 1:].numpy()).kl
