"""Whole files in NumPy against the engines that run them, and layers against plain sums."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from qhelpers.tflite import hybrid, litert, replay

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
    return {recipe: litert.convert(model, recipe) for recipe in RECIPES}


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
    path = replay.path_here(opened, images[:100], theirs[:100])
    print(f"{engine}: {path.name if path else 'a path of its own'}")
    ours = replay.network(opened, images, path)
    assert (ours.shape, ours.dtype) == (theirs.shape, F32)
    if path:
        np.testing.assert_array_equal(ours, theirs)
    else:
        assert np.median(np.abs(ours - theirs)) < 1e-5 * np.ptp(theirs)


def test_another_path_gives_other_bits_but_the_same_numbers(
    files: dict[str, bytes], images: np.ndarray
) -> None:
    for path in hybrid.PATHS[:2]:
        opened = litert.LiteModel(files["float32"], path.engine)
        other = replace(path, fused_sums=not path.fused_sums)
        ours, others = (replay.network(opened, images[:50], p) for p in (path, other))
        assert (ours != others).any()
        np.testing.assert_allclose(ours, others, atol=1e-5 * float(np.ptp(ours)))


def test_no_path_is_found_for_outputs_of_another_engine(
    files: dict[str, bytes], images: np.ndarray
) -> None:
    opened = litert.LiteModel(files["float32"])
    wrong = np.nextafter(opened.predict(images[:100]), F32(np.inf))
    assert replay.path_here(opened, images[:100], wrong) is None


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
    for path in hybrid.PATHS:
        got = replay.convolution(images, kernel, bias, path)
        np.testing.assert_allclose(got, exact, atol=3e-6)
        np.testing.assert_allclose(
            replay.float_dense(flat, weights, bias, path), by_hand, atol=2e-5
        )


@pytest.mark.parametrize("first", [True, False])
def test_where_the_bias_is_added_shows(first: bool) -> None:
    path = hybrid.usual("xnnpack" if first else "reference")
    path = replace(path, fused_sums=False)
    ones = np.ones((1, 1, 1, 3), F32)
    kernel = np.array([[[[2.0**-24, 2.0**-24, 2.0**-24]]]], F32)
    # Onto 1, each 2^-24 is a tie and lost; added up before, they reach the next float32.
    expected = 1.0 if first else 1 + 2.0**-22
    assert replay.convolution(ones, kernel, np.ones(1, F32), path).item() == expected
    assert replay.float_dense(ones[0, 0], kernel[0, 0], np.ones(1, F32), path).item() == expected


def refused(model: Any) -> litert.LiteModel:
    return litert.LiteModel(litert.convert(model, "float32"))


def test_what_is_not_known_is_named() -> None:
    from keras import layers

    image = np.ones((1, 12, 13, 2), F32)
    cases = [
        (layers.Conv2D(3, 3, padding="same", name="wide"), r"CONV_2D \(to tensor .*wide.*padding"),
        (layers.Conv2D(3, 3, strides=2, name="far"), r"CONV_2D .*far.*stride. is 2"),
        (layers.Conv2D(3, 3, dilation_rate=2, name="holes"), "dilation.* is 2|SPACE_TO_BATCH_ND"),
        (layers.Conv2D(3, 3, activation="relu6", name="six"), "CONV_2D .*fusedActivation.* is 3"),
        (layers.MaxPooling2D(3, name="third"), "MAX_POOL_2D .*third.*(stride|filter). is 3"),
        (layers.AveragePooling2D(2, name="mean"), "AVERAGE_POOL_2D .*mean.*not known here"),
    ]
    for layer, message in cases:
        with pytest.raises(ValueError, match=message):
            replay.network(refused(build(layer, layers.Flatten(), layers.Dense(2))), image)


def test_branches_are_refused() -> None:
    import keras

    image = keras.Input((8, 8, 1), name="image")
    one = keras.layers.Conv2D(2, 3, name="one")(image)
    two = keras.layers.Conv2D(2, 3, name="two")(image)
    model = keras.Model(image, keras.layers.Add()([one, two]))
    with pytest.raises(ValueError, match="reads another tensor than the step before it made"):
        replay.network(refused(model), np.ones((1, 8, 8, 1), F32))


def test_a_hybrid_convolution_is_refused() -> None:
    from keras import layers

    model = build(layers.Conv2D(64, 3, name="large"), layers.Flatten(), layers.Dense(2))
    opened = litert.LiteModel(litert.convert(model, "dynamic_range"))
    with pytest.raises(ValueError, match=r"CONV_2D .*large.*computes with int8, not in float32"):
        replay.network(opened, np.ones((1, 12, 13, 2), F32))


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("engine", ENGINES)
def test_without_biases(recipe: str, engine: str, images: np.ndarray) -> None:
    from keras import layers

    first = layers.Conv2D(9, 3, use_bias=False)
    model = build(first, layers.Flatten(), layers.Dense(7, use_bias=False))
    opened = litert.LiteModel(litert.convert(model, recipe), engine)
    theirs = opened.predict(images[:100])
    path = replay.path_here(opened, images[:100], theirs)
    ours = replay.network(opened, images[:100], path)
    assert np.median(np.abs(ours - theirs)) <= (0 if path else 1e-5 * np.ptp(theirs))


def test_integers_are_refused(images: np.ndarray) -> None:
    from keras import layers

    model = build(layers.Conv2D(2, 3, name="conv"), layers.Flatten(), layers.Dense(3))
    content = litert.convert(model, "int8", np.clip(images[:20], 0, 1))
    with pytest.raises(ValueError, match=r"QUANTIZE .*not known here"):
        replay.network(litert.LiteModel(content), images[:1])
