"""The quantized networks of lesson 06 as helpers: the same bytes as the lesson's own cells."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nbformat
import numpy as np
import pytest
import torch

from qhelpers import data as digits
from qhelpers.evaluation import scorecard
from qhelpers.lessons.lesson09 import torch_rows
from qhelpers.pytorch import torch_cache, torch_mlp, torch_static

LESSON = Path(__file__).parents[2] / "notebooks" / "06_pytorch_static.ipynb"
# A piece of each cell of lesson 06 that takes a step.
STEPS = [
    "class Net(nn.Module)",
    "float_net = torch_mlp.trained",
    "fused = tq.fuse_modules(net",
    "supported = torch.backends.quantized.supported_engines",
    "prepared = tq.prepare(fused)",
    "calibration = torch_mlp.to_tensor",
    "quantized = tq.convert(prepared)",
    "def saved(network)",
    "dynamic = tq.quantize_dynamic",
    "from torchao.quantization.pt2e.quantize_pt2e import",
]


@pytest.fixture(scope="module")
def data() -> digits.Digits:
    rng = np.random.default_rng(0)
    labels = np.arange(1200, dtype=np.uint8) % 10
    images = rng.integers(0, 60, (1200, 28, 28), np.uint8)
    images[np.arange(1200), 2 * labels + 4] = 255
    return digits.Digits("few", "few", images, labels, images[:90], labels[:90], "0123456789ab")


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch_mlp, "schedule", lambda count: (64, 2))


@pytest.fixture
def lesson(data: digits.Digits) -> dict[str, Any]:
    """Run the cells of lesson 06 that make the networks; figures and claims are left out."""
    cells = [c.source for c in nbformat.read(LESSON, 4).cells if c.cell_type == "code"]
    imports = next(source for source in cells if "from torch.ao import quantization" in source)
    anything = SimpleNamespace(observe=lambda *_: None, observers=lambda *_: None)
    space: dict[str, Any] = {
        "data": data,
        "torch_mlp": torch_mlp,
        "claim": lambda *_: None,
        "figures": SimpleNamespace(lesson06=anything),
        "print": lambda *_, **__: None,
    }
    exec("from qhelpers import evaluate", space)
    exec(imports, space)
    for step in STEPS:
        found = [source for source in cells if step in source]
        assert found, f"lesson 06 has no cell with {step!r} any more"
        exec(found[0], space)
    return space


@pytest.mark.filterwarnings("ignore")
def test_same_files_as_the_lesson(data: digits.Digits, lesson: dict[str, Any]) -> None:
    float_net = torch_mlp.trained(data, show=False)
    pairs = {
        "float32": (lesson["float_net"], float_net),
        "quantized": (lesson["quantized"], torch_static.static(float_net, data)),
        "dynamic": (lesson["dynamic"], torch_static.dynamic(float_net)),
        "exported": (lesson["exported"], torch_static.exported(float_net, data)),
    }
    for name, (theirs, ours) in pairs.items():
        assert torch_cache.saved(ours) == lesson["saved"](theirs), name
        expected = torch_mlp.logits(theirs, data.test_images)
        assert np.array_equal(torch_mlp.logits(ours, data.test_images), expected), name


@pytest.mark.filterwarnings("error")
def test_it_warns_of_nothing_and_is_calibrated(data: digits.Digits) -> None:
    net = torch_static.static(torch_mlp.trained(data, show=False), data)
    assert float(net.quant.scale) != 1
    assert torch_static.engine() in torch.backends.quantized.supported_engines


def test_rows_are_measured_once_and_again_where_stale(
    data: digits.Digits, capsys: pytest.CaptureFixture[str]
) -> None:
    import dataclasses

    first = torch_rows.update(data)
    assert set(first.values()) == {"measured"}
    assert torch_rows.REFERENCE in first
    assert set(torch_rows.update(data).values()) == {"kept"}
    card = scorecard.Scorecard.load(data)
    assert {row.model for row in card.rows} == set(first)
    honest = {row.model: row for row in card.rows}["PyTorch static"]
    net = torch_static.static(torch_mlp.trained(data, show=False), data)
    right = (torch_mlp.logits(net, data.test_images).argmax(1) == data.test_labels).sum()
    assert (honest.correct, honest.n) == (right, 90)
    assert honest.bytes == len(torch_cache.saved(net))
    scorecard.add(dataclasses.replace(honest, file_sha="0" * 12, correct=0))
    again = torch_rows.update(data)
    assert [name for name, what in again.items() if what == "measured"] == ["PyTorch static"]
    card = scorecard.Scorecard.load(data)
    assert {row.model: row.correct for row in card.rows}["PyTorch static"] == right
    assert "static, dynamic" in capsys.readouterr().out


def test_importing_it_does_not_import_pytorch() -> None:
    code = "import qhelpers.lessons.lesson09.torch_rows, qhelpers.pytorch.torch_static, sys, json;"
    code += "print(json.dumps('torch' in sys.modules))"
    command = [sys.executable, "-c", code]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(ended.stdout) is False
