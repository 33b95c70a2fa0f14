"""What lesson 11 does to the layers of the language model."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from qhelpers.arithmetic import groups
from qhelpers.lessons.lesson11 import layers
from qhelpers.pytorch import language_model, text


@pytest.fixture(scope="module")
def model():
    return language_model.load()


@pytest.fixture(scope="module")
def windows():
    return text.calibration(3)[:, :40]


def test_what_enters_a_layer_is_what_it_multiplies(model, windows):
    inputs = layers.entering(model, windows)
    assert inputs.keys() == language_model.linear(model).keys()
    assert {x.shape for x in inputs.values()} == {(120, 128), (120, 384)}
    x = model.blocks[0].norm1(model.embed(windows)).flatten(0, 1)
    np.testing.assert_allclose(inputs["blocks.0.qkv"], x, atol=1e-5)


def test_other_weights_go_into_a_copy(model, windows):
    before = language_model.logits(model, windows)
    same = layers.rebuilt(model, lambda name, weight: weight)
    np.testing.assert_array_equal(language_model.logits(same, windows), before)
    none = layers.rebuilt(model, lambda name, weight: 0 * weight)
    alone = model.head(model.norm(model.embed(windows)))  # no block adds anything
    np.testing.assert_allclose(language_model.logits(none, windows), alone, atol=1e-5)
    np.testing.assert_array_equal(language_model.logits(model, windows), before)


def test_what_enters_can_be_changed(model, windows):
    before = language_model.logits(model, windows)
    twice = layers.fed(layers.rebuilt(model, lambda n, w: w / 2), lambda n, x: x * 2)
    np.testing.assert_allclose(language_model.logits(twice, windows), before, atol=1e-3)
    nothing = layers.fed(model, lambda n, x: torch.zeros_like(x))
    assert np.abs(language_model.logits(nothing, windows) - before).max() > 1


def test_size_counts_each_weight(model):
    assert layers.size(model, lambda columns: 4.0) == 4
    wide = sum(
        w.weight.numel() for w in language_model.linear(model).values() if w.in_features == 384
    )
    every = sum(w.weight.numel() for w in language_model.linear(model).values())
    assert layers.size(model, lambda columns: float(columns == 384)) == pytest.approx(wide / every)


@pytest.mark.parametrize("bits", [2, 3, 8])
def test_a_searched_range_is_never_worse(bits):
    weight = np.random.default_rng(bits).standard_t(4, (6, 64)).astype(np.float32)
    how = bits, 32, "asymmetric", "float16"
    plain, searched = groups.choose(weight, *how), layers.searched(weight, *how)
    errors = [
        np.square(groups.dequantize(groups.quantize(weight, p), p) - weight)
        .reshape(6, 2, 32)
        .sum(axis=2)
        for p in (plain, searched)
    ]
    assert (errors[1] <= errors[0] * (1 + 1e-6)).all()
    assert bits == 8 or (errors[1] < errors[0]).any()


def test_the_file_of_the_exercise_has_its_groups_down_the_outputs():
    weight = np.random.default_rng(0).normal(size=(64, 64)).astype(np.float32)
    found = layers.mystery(weight)
    assert max(len(np.unique(part)) for column in found.T for part in column.reshape(2, 32)) <= 16
    assert max(len(np.unique(row[:32])) for row in found) > 16
