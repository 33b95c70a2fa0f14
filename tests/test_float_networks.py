"""Whole float networks in NumPy against the engines that run them, layers against plain sums."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from float_rules import float_rules_here

from qhelpers.arithmetic import float_order, integer_ops
from qhelpers.arithmetic.float_order import FLOAT_RULES
from qhelpers.tflite import conversion, litert
from qhelpers.tflite.numpy_network import NumpyNetwork, UnknownStepError

ENGINES = ("xnnpack", "reference")
RECIPES = ("float32", "float16", "dynamic_range")
F32 = np.float32


def build(*layers: Any, shape: tuple[int, ...] = (12, 13, 2), seed: int = 0) -> Any:
    import keras

    keras.utils.set_random_seed(seed)
    return keras.Sequential([keras.Input(shape, name="image"), *layers])


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    """A network with everything that is known: two channels, odd sizes, ReLU with and without."""
    from keras import layers

    model = build(
        layers.Conv2D(5, (3, 2), activation="relu", bias_initializer="uniform"),
        layers.MaxPooling2D(2),
        layers.Conv2D(6, 2, bias_initializer="uniform"),
        layers.Flatten(),
        layers.Dense(16, "relu", bias_initializer="uniform"),
        layers.Dense(7, bias_initializer="uniform"),
    )
    return {recipe: conversion.convert(model, recipe) for recipe in RECIPES}


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(230, 12, 13, 2)).astype(F32)


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("engine", ENGINES)
def test_every_output_bit_for_bit(
    recipe: str, engine: str, files: dict[str, bytes], images: np.ndarray
) -> None:
    opened = litert.LiteModel(files[recipe], engine)
    assert ("int8" in opened.stored()) == (recipe == "dynamic_range")
    theirs = opened.predict(images)
    threaded = litert.LiteModel(files[recipe], engine, threads=2).predict(images)
    np.testing.assert_array_equal(threaded, theirs)
    rules = float_rules_here(files[recipe], engine, images[:100], theirs[:100])
    print(f"{engine}: {rules.name if rules else 'rules of its own'}")
    ours = NumpyNetwork(files[recipe], engine, rules).run(images)
    assert (ours.shape, ours.dtype) == (theirs.shape, F32)
    if rules:
        np.testing.assert_array_equal(ours, theirs)
    else:
        assert np.median(np.abs(ours - theirs)) < 1e-5 * np.ptp(theirs)


def test_another_order_gives_other_bits_but_the_same_numbers(
    files: dict[str, bytes], images: np.ndarray
) -> None:
    for rules in FLOAT_RULES[:2]:
        other = replace(rules, fused_sums=not rules.fused_sums)
        ours, others = (
            NumpyNetwork(files["float32"], rules.engine, r).run(images[:50]) for r in (rules, other)
        )
        assert (ours != others).any()
        np.testing.assert_allclose(ours, others, atol=1e-5 * float(np.ptp(ours)))


def test_no_rules_are_found_for_outputs_of_another_engine(
    files: dict[str, bytes], images: np.ndarray
) -> None:
    outputs = litert.LiteModel(files["float32"]).predict(images[:100])
    wrong = np.nextafter(outputs, F32(np.inf))
    assert float_rules_here(files["float32"], "xnnpack", images[:100], wrong) is None


def test_convolution_and_dense_are_the_exact_sums_but_for_rounding() -> None:
    rng = np.random.default_rng(1)
    images = rng.normal(size=(2, 5, 6, 3)).astype(F32)
    kernel, bias = rng.normal(size=(4, 2, 3, 3)).astype(F32), rng.normal(size=4).astype(F32)
    exact = np.empty((2, 4, 4, 4))
    for n, y, x, f in np.ndindex(exact.shape):
        products = images[n, y : y + 2, x : x + 3].astype(float) * kernel[f]
        exact[n, y, x, f] = math.fsum([*products.ravel(), bias[f]])
    flat, weights = images.reshape(2, -1), rng.normal(size=(4, 90)).astype(F32)
    by_hand = flat.astype(float) @ weights.T + bias
    columns, shape = integer_ops.patches(images, (2, 3), (1, 1), "VALID", (1, 1))
    for rules in FLOAT_RULES:
        sums = float_order.sums_in_order(columns, kernel.reshape(4, -1), bias, rules)
        np.testing.assert_allclose(np.moveaxis(sums.reshape(4, *shape), 0, -1), exact, atol=3e-6)
        sums = float_order.sums_in_order(flat.T, weights, bias, rules)
        np.testing.assert_allclose(sums.T, by_hand, atol=2e-5)


@pytest.mark.parametrize("first", [True, False])
def test_where_the_bias_is_added_shows(first: bool) -> None:
    rules = replace(FLOAT_RULES[0], bias_first=first, fused_sums=False)
    weights = np.full((1, 3), 2.0**-24, F32)
    # Onto 1, each 2^-24 is a tie and lost; added up before, they reach the next float32.
    expected = 1.0 if first else 1 + 2.0**-22
    got = float_order.sums_in_order(np.ones((3, 1), F32), weights, np.ones(1, F32), rules)
    assert got.item() == expected


def agree(model: Any, recipe: str, engine: str, images: np.ndarray) -> None:
    """Hold NumPy against the engine: bit for bit, or close where the processor's order is new."""
    content = conversion.convert(model, recipe)
    theirs = litert.LiteModel(content, engine).predict(images)
    rules = float_rules_here(content, engine, images, theirs)
    ours = NumpyNetwork(content, engine, rules).run(images)
    assert np.median(np.abs(ours - theirs)) <= (0 if rules else 1e-5 * np.ptp(theirs))


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    "changes",
    [{"padding": "same"}, {"strides": 2}, {"strides": (2, 3), "padding": "same"}],
)
def test_windows_of_every_kind(engine: str, changes: dict[str, Any], images: np.ndarray) -> None:
    from keras import layers

    model = build(
        layers.Conv2D(3, 3, bias_initializer="uniform", **changes),
        layers.MaxPooling2D(3, strides=1, padding="same"),
        layers.Flatten(),
        layers.Dense(2),
    )
    agree(model, "float32", engine, images[:40])


def test_what_is_not_known_is_named() -> None:
    from keras import layers

    cases = [
        (layers.Conv2D(3, 3, activation="tanh", name="bent"), "TANH, .*bent.*float32 in, float32"),
        (layers.AveragePooling2D(2, name="mean"), "AVERAGE_POOL_2D, .*mean.*float32 out is not"),
    ]
    for layer, message in cases:
        model = build(layer, layers.Flatten(), layers.Dense(2))
        with pytest.raises(UnknownStepError, match=message):
            NumpyNetwork(conversion.convert(model, "float32"), "xnnpack")


@pytest.mark.parametrize("recipe", ["float32", "float16"])
@pytest.mark.parametrize("engine", ENGINES)
def test_branches(recipe: str, engine: str) -> None:
    import keras

    keras.utils.set_random_seed(0)
    image = keras.Input((8, 8, 1), name="image")
    one = keras.layers.Conv2D(2, 3, name="one", bias_initializer="uniform")(image)
    two = keras.layers.Conv2D(2, 3, name="two", padding="same")(one)
    both = keras.layers.ReLU()(keras.layers.Add()([one, two]))
    model = keras.Model(image, keras.layers.Dense(3)(keras.layers.Flatten()(both)))
    agree(model, recipe, engine, np.random.default_rng(0).normal(size=(20, 8, 8, 1)).astype(F32))


def test_a_dynamic_range_convolution_is_refused() -> None:
    from keras import layers

    model = build(layers.Conv2D(64, 3, name="large"), layers.Flatten(), layers.Dense(2))
    with pytest.raises(UnknownStepError, match=r"CONV_2D, .*large.*float32 times weights of int8"):
        NumpyNetwork(conversion.convert(model, "dynamic_range"), "xnnpack")


@pytest.mark.parametrize("engine", ["optimized", "micro"])
def test_engines_whose_float_order_is_not_known(engine: str, files: dict[str, bytes]) -> None:
    with pytest.raises(UnknownStepError, match="this engine has no rule for float32"):
        NumpyNetwork(files["float32"], engine)


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("engine", ENGINES)
def test_without_biases(recipe: str, engine: str, images: np.ndarray) -> None:
    from keras import layers

    first = layers.Conv2D(9, 3, use_bias=False)
    model = build(first, layers.Flatten(), layers.Dense(7, use_bias=False))
    agree(model, recipe, engine, images[:100])
