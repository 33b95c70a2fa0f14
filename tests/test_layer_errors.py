"""Two files of one model, tensor by tensor: which one is at fault."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from qhelpers.evaluation import layer_errors, metrics
from qhelpers.tflite import conversion, litert

SHAPE = (9, 7, 3)


def build(disturbed: str = "", outputs: int = 4) -> Any:
    """Depthwise convolutions, batch norm with statistics of its own, a shortcut."""
    import keras

    layers, rng = keras.layers, np.random.default_rng(0)
    keras.utils.set_random_seed(0)
    start = keras.Input(SHAPE, name="picture")
    x = layers.Conv2D(8, 3, padding="same", use_bias=False, name="stem")(start)
    x = layers.ReLU(6, name="stem_relu")(layers.BatchNormalization(name="norm")(x))
    y = layers.DepthwiseConv2D(3, padding="same", name="depthwise")(x)
    y = layers.Conv2D(8, 1, name="pointwise")(y)
    x = layers.Add(name="shortcut")([x, y])
    x = layers.GlobalAveragePooling2D(name="average")(x)
    model = keras.Model(start, layers.Dense(outputs, name="scores")(x), name="net")
    norm = model.get_layer("norm")
    norm.set_weights([rng.uniform(0.5, 2, w.shape) for w in norm.get_weights()])
    if disturbed:
        layer = model.get_layer(disturbed)
        layer.set_weights([w + rng.normal(0, 0.3, w.shape) for w in layer.get_weights()])
    return model


@pytest.fixture(scope="module")
def inputs() -> np.ndarray:
    return np.random.default_rng(1).uniform(-1, 1, (60, *SHAPE)).astype(np.float32)


@pytest.fixture(scope="module")
def model() -> Any:
    return build()


@pytest.fixture(scope="module")
def files(model: Any, inputs: np.ndarray) -> dict[str, bytes]:
    return {n: conversion.convert(model, n, inputs, (-1, 1)) for n in conversion.RECIPES}


def test_five_files_that_agree_with_keras(
    files: dict[str, bytes], model: Any, inputs: np.ndarray
) -> None:
    assert tuple(files) == conversion.RECIPES
    expected = np.asarray(model(inputs))
    for name, content in files.items():
        found = litert.LiteModel(content).predict(inputs)
        assert np.abs(found - expected).max() < 0.1 * np.ptp(expected), name


def test_the_range_has_to_be_named(model: Any, inputs: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"in \[0, 1\].*got values from -0.99"):
        conversion.convert(model, "int8", inputs)
    with pytest.raises(ValueError, match=r"in \[-1, 1\].*got values from -3"):
        conversion.convert(model, "int8", 3 * np.sign(inputs), (-1, 1))
    anything = (-math.inf, math.inf)
    assert conversion.checked(9 * inputs, SHAPE, "int8", anything).min() < -8
    with pytest.raises(ValueError, match="got 2 NaN or infinities"):
        conversion.checked(np.float32([[1, np.inf], [np.nan, 0]]), (2,), "int8", anything)


def test_what_cannot_be_converted_says_so(inputs: np.ndarray) -> None:
    import keras

    two = [keras.Input((3,)), keras.Input((3,))]
    several = keras.Model(two, keras.layers.Add()(two))
    with pytest.raises(ValueError, match="must have one input; this one has 2"):
        conversion.convert(several, "int8", inputs)
    free = keras.Input((None, 3))
    sequence = keras.Model(free, keras.layers.Dense(2)(free))
    with pytest.raises(ValueError, match=r"fixed size; this one has \[None, 3\]"):
        conversion.convert(sequence, "int8", inputs)


def test_a_file_against_itself_has_no_error(files: dict[str, bytes], inputs: np.ndarray) -> None:
    for error in layer_errors.tensor_errors(files["float32"], files["float32"], inputs):
        assert error.sqnr_db == math.inf
        assert error.added == error.noise == 0
        assert error.weights_db in (None, math.inf)


def test_errors_are_in_running_order_and_named(files: dict[str, bytes], inputs: np.ndarray) -> None:
    errors = layer_errors.tensor_errors(files["float32"], files["int8"], inputs)
    kinds = [error.operation for error in errors]
    assert kinds[:2] == ["", "CONV_2D"]
    assert kinds[-2:] == ["MEAN", "FULLY_CONNECTED"]
    assert {"DEPTHWISE_CONV_2D", "ADD"} <= set(kinds)
    assert errors[0].name == "input"
    assert errors[1].name.startswith("stem")
    assert errors[-1].name == "output"
    assert all(15 < error.sqnr_db < 60 for error in errors)
    assert all((e.weights_db is None) == (e.operation in ("", "ADD", "MEAN")) for e in errors)


def test_errors_agree_with_the_outputs(files: dict[str, bytes], inputs: np.ndarray) -> None:
    errors = layer_errors.tensor_errors(files["float32"], files["int8"], inputs)
    first, second = (
        litert.LiteModel(files[n], engine="reference").predict(inputs) for n in ("float32", "int8")
    )
    assert errors[-1].sqnr_db == pytest.approx(metrics.sqnr_db(first, second), abs=1e-4)
    lite = litert.LiteModel(files["int8"])
    back = lite.inputs[0].scales[0] * (
        lite.inputs[0].to_raw(inputs).astype(np.float64) - lite.inputs[0].zero_points[0]
    )
    assert errors[0].sqnr_db == pytest.approx(metrics.sqnr_db(inputs, back), abs=1e-4)


@pytest.mark.parametrize("name", ["dynamic_range", "float16", "int16x8"])
def test_every_recipe_can_be_compared(
    name: str, files: dict[str, bytes], inputs: np.ndarray
) -> None:
    eight = layer_errors.tensor_errors(files["float32"], files["int8"], inputs)
    errors = layer_errors.tensor_errors(files["float32"], files[name], inputs)
    assert [error.name for error in errors] == [error.name for error in eight]
    assert errors[1].sqnr_db > eight[1].sqnr_db
    weights = [error.weights_db for error in errors if error.weights_db is not None]
    assert len(weights) == 4
    assert min(weights) > 30


@pytest.mark.parametrize("layer", ["stem", "depthwise", "pointwise", "scores"])
def test_the_layer_at_fault_is_found(
    layer: str, files: dict[str, bytes], inputs: np.ndarray
) -> None:
    other = conversion.convert(build(disturbed=layer), "float32")
    errors = layer_errors.tensor_errors(files["float32"], other, inputs)
    drowned = next((i for i, error in enumerate(errors) if error.noise > 0.5), len(errors))
    guilty = max(errors[: drowned + 1], key=lambda error: error.added)
    wanted = {"scores": "output", "stem": "stem_relu"}.get(layer, layer)
    assert guilty.name.startswith(wanted)
    assert guilty.weights_db is not None
    assert guilty.weights_db < 20
    before = errors[: errors.index(guilty)]
    assert all(error.sqnr_db > 100 for error in before), "what comes earlier is untouched"
