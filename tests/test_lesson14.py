"""Lesson 14: the network, the hidden half, and what the check says to good and bad files."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import keras
import numpy as np
import pytest

from qhelpers import data
from qhelpers.cli.main import main
from qhelpers.lessons.lesson14 import challenge, network
from qhelpers.quantizer import inspection, recipes
from qhelpers.tflite import conversion, microcontroller
from qhelpers.tflite.file import TfliteFile

pytestmark = pytest.mark.framework


@pytest.fixture(scope="module")
def digits():
    return data._builtin()


@pytest.fixture(scope="module")
def model():
    return network.build()  # its weights are random, and the same each time


@pytest.fixture(scope="module", autouse=True)
def _untrained(model):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(network, "trained", lambda digits: model)
        challenge._hidden.cache_clear()
        yield
    challenge._hidden.cache_clear()


def images(digits):
    return data.representative(digits.train_images, 20)


def test_to_spoil_changes_no_answer_and_makes_seven_of_eight_channels_small(digits):
    model = network.build()
    rng = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            gamma, *others = layer.get_weights()
            layer.set_weights([rng.uniform(0.5, 1.5, gamma.shape), *others])
    some = images(digits)
    before = model.predict(some, verbose=0)
    inside = keras.Model(model.inputs, model.get_layer("first_expand_relu").output)
    wide = inside.predict(some, verbose=0).max((0, 1, 2))
    network.spoil(model)
    assert np.array_equal(model.predict(some, verbose=0), before)
    ratio = inside.predict(some, verbose=0).max((0, 1, 2))[wide > 0] / wide[wide > 0]
    assert set(ratio.tolist()) == {1.0, 2.0**-8}
    assert (ratio == 1).mean() < 0.25


def test_the_halves_share_no_image_and_do_not_depend_on_the_order(digits):
    (shown, labels), (hidden, others) = (network.half(digits, which) for which in (False, True))
    assert len(shown) == len(labels) == len(hidden) == len(others) == 250
    both = {image.tobytes() for image in shown} & {image.tobytes() for image in hidden}
    assert not both
    order = np.random.default_rng(0).permutation(len(digits.test_images))
    mixed = dataclasses.replace(
        digits, test_images=digits.test_images[order], test_labels=digits.test_labels[order]
    )
    again, same = network.half(mixed, hidden=True)
    assert np.array_equal(again, hidden)
    assert np.array_equal(same, others)


def test_the_recorded_images_are_training_images(digits):
    found = network.recorded(digits)
    assert found.dtype == np.float32
    assert found.shape == (200, 28, 28)
    assert np.allclose(found * 4 * 255, digits.train_images[:200], atol=1e-3)


def card(**changes):
    found = dict.fromkeys(challenge.BUDGET, 0.0)
    found |= {name.replace("_", " "): value for name, value in changes.items()}
    hints = {name: f"about {name}" for name in challenge.BUDGET}
    return challenge.Card(found, hints, ("a footer",))


def test_a_level_is_reached_where_all_its_requirements_are_kept():
    assert card().levels == ["bronze", "silver", "gold"]
    assert card().hint == ""
    assert card(bytes_of_the_file=18_000).levels == ["bronze", "silver", "gold"]
    assert card(bytes_of_the_file=18_001).levels == ["bronze", "silver"]
    assert card(bytes_of_activations=10_001).levels == ["bronze"]
    assert card(uses_of_floats=1).levels == []
    assert card(bytes_of_activations=10_001).hint == "For silver: about bytes of activations"
    both = card(bytes_of_activations=99_999, bytes_of_the_file=99_999, uses_of_floats=2)
    assert both.hint == "For bronze: about uses of floats"
    assert "Level: none yet." in repr(both)
    assert "Level: silver." in repr(card(bytes_of_the_file=18_001))
    assert max(map(len, repr(both).splitlines())) <= 78


def test_each_level_allows_less_than_the_one_before():
    for bronze, silver, gold in challenge.BUDGET.values():
        assert bronze >= silver >= gold


def test_an_int8_file_of_the_network_is_measured(model, digits):
    content = conversion.convert(model, "int8", images(digits))
    found = challenge.check(content, digits)
    assert found.found["bytes of the file"] == len(content)
    assert found.found["uses of floats"] == 0
    # Reshaped, the widest two tensors: 14 x 14 x 32 between two layers, and 14 x 14 x 12 before.
    assert found.found["bytes of activations"] == 14 * 14 * (12 + 32)
    # An untrained network reads hardly any image, before and after: nothing is lost.
    assert abs(found.found["answers lost, %"]) < 20
    assert "250 hidden images" in repr(found)


def test_what_was_not_asked_gets_no_mark(model, digits, monkeypatch):
    content = conversion.convert(model, "float16", images(digits))  # LiteRT Micro refuses it
    name = "refusals by LiteRT Micro"
    if microcontroller.available():
        asked = challenge.check(content, digits)
        assert asked.found[name] == 1
        assert f"{name}" in repr(asked)
        assert ".." not in repr(asked)
    monkeypatch.setattr(microcontroller, "available", lambda: False)
    inspection.microcontrollers.cache_clear()
    not_asked = challenge.check(content, digits)
    assert name not in repr(not_asked)
    assert "not asked" in repr(not_asked)
    assert not_asked.missed("bronze") == ["uses of floats", "bytes of activations"]


def test_floats_at_the_ends_are_floats(model, digits):
    found = challenge.check(conversion.convert(model, "int16x8", images(digits)), digits)
    assert found.found["uses of floats"] == 2
    assert "go" in found.hint
    assert not found.levels


def test_a_float_whose_shape_alone_is_asked_does_not_count(model, digits):
    pytest.importorskip("litert_quantizer")
    float32 = conversion.convert(model, "float32")
    content = recipes.requantized(float32, "int8", {"picture": images(digits)}, "uint8")
    kinds = [tensor.kind for tensor in TfliteFile(content).tensors]
    assert "float32" in kinds, "LiteRT Quantizer leaves one, for SHAPE"
    assert challenge.check(content, digits).found["uses of floats"] == 0


def test_a_range_that_cuts_the_images_off_has_a_hint_of_its_own(model, digits):
    for factor, said in ((1, "the input is in order"), (0.25, "the largest number")):
        content = conversion.convert(model, "int8", images(digits) * np.float32(factor))
        hints = challenge.check(content, digits).hints
        assert said in hints["answers lost, %"]


def network_of(inputs, *layers):
    return keras.Sequential([keras.Input(inputs), *layers])


def test_bad_files_are_told_what_to_do(model, digits, tmp_path):
    flat, dense = keras.layers.Flatten(), keras.layers.Dense
    wrong = {
        "images .28, 28. in": network_of((20, 20), flat, dense(10)),
        "scores .1, 10. out": network_of((28, 28), flat, dense(3)),
        "depthwise layers": network_of((28, 28), flat, dense(10)),
    }
    for said, other in wrong.items():
        with pytest.raises(ValueError, match=said.replace(".28", r".*28")):
            challenge.check(conversion.convert(other, "float32"), digits)
    with pytest.raises(ValueError, match="tflite"):
        challenge.check(b"no file at all", digits)
    with pytest.raises(ValueError, match="truncated"):
        challenge.check(conversion.convert(model, "float32")[:5000], digits)
    with pytest.raises(FileNotFoundError, match="write_bytes"):
        challenge.check(tmp_path / "none.tflite", digits)


def test_scores_that_are_no_numbers_are_an_error(digits):
    broken = network.build()
    kernel, bias = broken.get_layer("scores").get_weights()
    broken.get_layer("scores").set_weights([kernel, np.full_like(bias, np.nan)])
    with pytest.raises(ValueError, match="NaN"):
        challenge.check(conversion.convert(broken, "float32"), digits)


def test_the_command_prints_the_card(model, digits, tmp_path: Path, monkeypatch, capsys):
    monkeypatch.setattr(data, "load", lambda quiet=False: digits)
    path = tmp_path / "mine.tflite"
    path.write_bytes(conversion.convert(model, "float32"))
    assert main(["challenge", str(path)]) == 1
    said = capsys.readouterr().out
    assert "✗" in said
    assert "Level: none yet." in said
    assert main(["challenge", str(tmp_path / "none")]) == 1
    assert "there is no file" in capsys.readouterr().err
