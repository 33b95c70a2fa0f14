"""The recipes that quantize the course's PyTorch networks, and lesson 09's rows of them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from qhelpers import data as digits
from qhelpers.evaluation import metrics
from qhelpers.pytorch import engines, networks, static, training


@pytest.fixture(scope="module")
def data() -> digits.Digits:
    rng = np.random.default_rng(0)
    labels = np.arange(1200, dtype=np.uint8) % 10
    images = rng.integers(0, 60, (1200, 28, 28), np.uint8)
    images[np.arange(1200), 2 * labels + 4] = 255
    return digits.Digits("few", "few", images, labels, images[:90], labels[:90], "0123456789ab")


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("QHELPERS_HOME", str(tmp_path))
    monkeypatch.setattr(training, "mlp_schedule", lambda count: (38, 64))
    monkeypatch.setattr(training, "cnn_schedule", lambda count: (38, 64))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("recipe", [static.eager, static.dynamic, static.pt2e])
def test_recipes_warn_of_nothing_and_keep_the_answers(data: digits.Digits, recipe: Any) -> None:
    net = training.trained_mlp(data, show=False)
    quantized = recipe(net) if recipe is static.dynamic else recipe(net, data)
    before, after = (training.logits(n, data.test_images) for n in (net, quantized))
    assert metrics.sqnr_db(before, after) > 20
    assert not np.array_equal(before, after)
    assert net.fc1.weight.dtype == torch.float32
    if recipe is static.eager:
        assert torch.backends.quantized.engine == engines.supported()[0]
        assert float(quantized.quant.scale) != 1


@pytest.mark.parametrize("residual", [False, True])
def test_pt2e_quantizes_every_weight_of_a_cnn(data: digits.Digits, residual: bool) -> None:
    net = training.trained_cnn(data, residual=residual, show=False)
    quantized = static.pt2e(net, data)
    layers = [m for m in net.modules() if isinstance(m, torch.nn.Conv2d | torch.nn.Linear)]
    assert len(layers) == 2 + residual
    assert static.integer_weights(quantized) == sum(m.weight.numel() for m in layers)
    before, after = (training.logits(n, data.test_images) for n in (net, quantized))
    assert metrics.sqnr_db(before, after) > 20


def test_a_network_that_stayed_float_is_refused() -> None:
    with pytest.raises(RuntimeError, match=r"PT2E quantized nothing.*strict=True.*torchao"):
        static.integer_weights(networks.mlp())


@pytest.mark.parametrize(
    ("torch_version", "expected"),
    [
        ("2.6.0", "torchao==0.13.0"),
        ("2.8.0+cu126", "torchao==0.13.0"),
        ("2.9.1+cpu", "torchao==0.14.1"),
        ("2.10.0", "torchao==0.16.0"),
        ("2.11.0", "torchao>=0.17"),
        ("2.14.1+cpu", "torchao>=0.17"),
        ("3.0.0a0+git1234", "torchao>=0.17"),
    ],
)
def test_torchao_for(torch_version: str, expected: str) -> None:
    assert static.torchao_for(torch_version) == expected


def test_torchao_for_the_installed_pytorch() -> None:
    assert re.fullmatch(r"torchao[=>]=0\.\d+(\.\d+)?", static.torchao_for())
    with pytest.raises(ValueError, match="'new' is no version"):
        static.torchao_for("new")
