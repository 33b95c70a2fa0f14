"""PT2E on the course's networks, as lessons 06 and 07 use it, and the torchao that it needs."""

from __future__ import annotations

import re
import warnings

import pytest
import torch

from qhelpers import data, paths
from qhelpers.evaluation import metrics
from qhelpers.pytorch import networks, training


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
@pytest.mark.parametrize("net", ["mlp", "cnn", "residual"])
def test_pt2e_quantizes_every_weight(few: data.Digits, net: str) -> None:
    network = networks.mlp() if net == "mlp" else networks.cnn(residual=net == "residual")
    training.fit(network.train(), few.train_images, few.train_labels, 60, 4e-3, batch=32)
    network.eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e
        from torchao.quantization.pt2e.quantizer import x86_inductor_quantizer as x86

    quantizer = x86.X86InductorQuantizer()
    quantizer.set_global(x86.get_default_x86_inductor_quantization_config())
    example = (training.to_tensor(few.train_images[:2]),)
    any_number = ({0: torch.export.Dim("images")},)
    # strict: before PyTorch 2.12 the quantizer finds no layer in a graph exported without it.
    program = torch.export.export(network, example, dynamic_shapes=any_number, strict=True)
    prepared = prepare_pt2e(program.module(), quantizer)
    training.logits(prepared, few.train_images)
    plan = convert_pt2e(prepared)
    layers = [m for m in network.modules() if isinstance(m, torch.nn.Conv2d | torch.nn.Linear)]
    assert len(layers) == 2 + (net == "residual")
    stored = [t for t in plan.state_dict().values() if t.dtype == torch.int8]
    assert sum(t.numel() for t in stored) == sum(m.weight.numel() for m in layers)
    before, after = (training.logits(n, few.test_images) for n in (network, plan))
    assert metrics.sqnr_db(before, after) > 20


@pytest.mark.parametrize(
    ("torch_version", "expected"),
    [
        ("2.9.1+cpu", "torchao==0.14.1"),
        ("2.10.0", "torchao==0.16.0"),
        ("2.11.0", "torchao>=0.17"),
        ("2.14.1+cpu", "torchao>=0.17"),
        ("3.0.0a0+git1234", "torchao>=0.17"),
    ],
)
def test_torchao_for(torch_version: str, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths.metadata, "version", lambda _: torch_version)
    assert paths.torchao_for() == expected


def test_torchao_for_the_installed_pytorch() -> None:
    assert re.fullmatch(r"torchao[=>]=0\.\d+(\.\d+)?", paths.torchao_for())
