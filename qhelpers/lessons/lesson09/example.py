"""The networks of lesson 09: one with depthwise convolutions, and two dense layers to time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qhelpers.data import Digits
from qhelpers.tflite import conversion
from qhelpers.tflite.litert import LiteModel

Array = NDArray[Any]


def scaled(images: Array) -> Array:
    """Turn uint8 [n, 28, 28] into what the network takes: float32 [n, 28, 28, 1], -1 to 1."""
    return np.asarray(images[..., None].astype(np.float32) / 127.5 - 1)


def trained(digits: Digits) -> Any:
    """Return a small Keras network with the building block of MobileNet, trained for seconds.

    Depthwise convolutions have one filter for each channel, pointwise ones (1x1) mix the channels;
    batch normalization and ReLU6 stand behind each.

    Source: A. Howard et al., "MobileNets", arXiv:1704.04861, 2017.
    """
    import keras
    from keras import layers

    strided = {"strides": 2, "padding": "same", "use_bias": False}

    def normalized(x: Any, name: str) -> Any:
        x = layers.BatchNormalization(momentum=0.9, name=f"{name}_norm")(x)
        return layers.ReLU(6, name=f"{name}_relu")(x)

    def block(x: Any, filters: int, name: str) -> Any:
        depthwise = layers.DepthwiseConv2D(3, **strided, name=f"{name}_depthwise")
        x = normalized(depthwise(x), f"{name}_depthwise")
        pointwise = layers.Conv2D(filters, 1, use_bias=False, name=f"{name}_pointwise")
        return normalized(pointwise(x), f"{name}_pointwise")

    keras.utils.set_random_seed(0)
    picture = keras.Input((28, 28, 1), name="picture")
    stem = layers.Conv2D(16, 3, **strided, name="stem")
    x = block(block(normalized(stem(picture), "stem"), 64, "first"), 128, "second")
    x = layers.GlobalAveragePooling2D(name="average")(x)
    model = keras.Model(picture, layers.Dense(10, name="scores")(x), name="mobile")

    images, labels = digits.train_images[:6000], digits.train_labels[:6000]
    batch, epochs = (64, 3) if len(images) == 6000 else (32, 12)
    rate = keras.optimizers.schedules.CosineDecay(0.01, epochs * (len(images) // batch))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(rate), loss)
    model.fit(scaled(images), labels, batch_size=batch, epochs=epochs, verbose=0)
    return model


def two_dense_layers(width: int) -> dict[str, Callable[[], None]]:
    """Return "float32" and "int8" -> a call that runs two dense layers of `width` in and out."""
    import keras
    from keras import layers

    start = keras.initializers.GlorotUniform(0)
    dense = [layers.Dense(width, "relu", kernel_initializer=start) for _ in range(2)]
    model = keras.Sequential([keras.Input((width,)), *dense])
    inputs = np.random.default_rng(0).random((20, width), dtype=np.float32)
    files = {name: conversion.convert(model, name, inputs) for name in ("float32", "int8")}
    return {name: LiteModel(content).single(inputs[0]) for name, content in files.items()}
