"""The linear layers of the language model: what enters them, and other weights in their place."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from qhelpers.arithmetic import groups
from qhelpers.pytorch import language_model

Array = NDArray[Any]


def entering(model: nn.Module, windows: torch.Tensor) -> dict[str, Array]:
    """Return name -> what enters each linear layer, float32 [characters, columns]."""
    found: dict[str, list[torch.Tensor]] = {name: [] for name in language_model.linear(model)}

    def keep(name: str, x: torch.Tensor) -> torch.Tensor:
        found[name].append(x.flatten(0, 1))
        return x

    language_model.logits(fed(model, keep), windows)
    return {name: torch.cat(found.pop(name)).numpy() for name in [*found]}


def rebuilt(model: nn.Module, weight: Callable[[str, Array], Array]) -> Any:
    """Return a copy whose linear layers have the weights `weight(name, weight as it was)`."""
    copied = copy.deepcopy(model)
    for name, layer in language_model.linear(copied).items():
        new = np.ascontiguousarray(weight(name, layer.weight.numpy()), np.float32)
        layer.weight.copy_(torch.from_numpy(new))
    return copied


def fed(model: nn.Module, change: Callable[[str, torch.Tensor], torch.Tensor]) -> Any:
    """Return a copy in which each linear layer gets `change(name, what would have entered)`."""
    copied = copy.deepcopy(model)
    for name, layer in language_model.linear(copied).items():
        layer.register_forward_pre_hook(lambda _, given, name=name: (change(name, given[0]),))
    return copied


def size(model: nn.Module, bits: Callable[[int], float]) -> float:
    """Return the bits per weight of all linear layers, given those of a layer by its columns."""
    weights = [layer.weight for layer in language_model.linear(model).values()]
    total = sum(weight.numel() * bits(weight.shape[1]) for weight in weights)
    return total / sum(weight.numel() for weight in weights)


def searched(block: Array, *how: Any) -> groups.GroupParams:
    """Choose as `groups.choose(block, *how)`, asymmetric in float16; then shorten the ranges.

    Of 11 shares from half of the range to all of it, each group takes that of the smallest error.
    """
    params = groups.choose(block, *how)
    ways = []
    for share in np.linspace(0.5, 1, 11):
        scales = (params.scales * share).astype(np.float16).astype(np.float32)
        way = dataclasses.replace(params, scales=scales)
        off = groups.dequantize(groups.quantize(block, way), way) - block
        ways.append((np.square(off).reshape(*scales.shape, -1).sum(axis=-1), scales))
    best = np.argmin([error for error, _ in ways], axis=0)
    chosen = np.take_along_axis(np.array([scales for _, scales in ways]), best[None], 0)[0]
    return dataclasses.replace(params, scales=chosen)


def mystery(weight: Array) -> Array:
    """Return a weight as the file of exercise 11.2 has it."""
    params = groups.choose(weight.T, 4, 32, "asymmetric", "float16")
    return groups.dequantize(groups.quantize(weight.T, params), params).T
