"""What lesson 12 does with its networks, and without torchao."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

from qhelpers.arithmetic import block_formats
from qhelpers.lessons.lesson12 import networks


def test_without_torchao_nothing_is_compared(monkeypatch, capsys):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert networks.torchao_differs(np.ones((2, 32), np.float32)) is None
    assert capsys.readouterr().out == "torchao: not run here\n"


def test_torchao_differs_counts(monkeypatch):
    pytest.importorskip("torchao")
    x = np.random.default_rng(0).normal(size=(2, 64)).astype(np.float32)
    assert networks.torchao_differs(x) == 0
    honest = block_formats.quantize
    monkeypatch.setattr(block_formats, "quantize", lambda real, form: honest(real[::-1], form))
    assert networks.torchao_differs(x) > 10


def test_the_cnn_in_blocks(few):
    cnn = networks.Cnn(few)
    floats = cnn.content()
    for form, scale in ((block_formats.MXFP4, 0), (block_formats.NVFP4, 4)):
        blocks, logits = cnn.quantized(form)
        assert blocks.codes.shape == (10, 2048)
        assert logits.shape == (len(few.test_images), 10)
        taken = 10 * 2048 * form.bits / 8 + scale
        assert len(cnn.content(blocks)) == len(floats) - cnn.weights.nbytes + taken
    gradients = cnn.gradients(few, 8)
    assert gradients.ndim == 1
    assert (gradients != 0).all()


def test_the_language_model_moves_more_with_fewer_bits():
    found = [networks.divergence(f).value for f in (block_formats.MXINT8, block_formats.MXFP4)]
    assert 0 <= found[0] < found[1] / 10
