"""The networks of lesson 09, a file that is broken, and what a file takes on a microcontroller."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from qhelpers import keras_cnn
from qhelpers.arithmetic import block_formats, groups, packing
from qhelpers.data import Array, Digits, representative, to_float
from qhelpers.evaluation import scorecard
from qhelpers.tflite import conversion, microcontroller
from qhelpers.tflite.litert import LiteModel


def scaled(images: Array) -> Array:
    """Turn uint8 [n, 28, 28] into what the network takes: float32 [n, 28, 28, 1], -1 to 1."""
    return np.asarray(images[..., None].astype(np.float32) / 127.5 - 1)


def trained(digits: Digits) -> Any:
    """Return a small Keras network with the building block of MobileNet, trained for seconds.

    Depthwise convolutions have one filter for each channel, pointwise ones (1x1) mix the channels;
    batch normalization and ReLU stand behind each.

    Source: A. Howard et al., "MobileNets", arXiv:1704.04861, 2017.
    """
    import keras
    from keras import layers

    strided = {"strides": 2, "padding": "same", "use_bias": False}

    def normalized(x: Any, name: str) -> Any:
        x = layers.BatchNormalization(momentum=0.9, name=f"{name}_norm")(x)
        return layers.ReLU(name=f"{name}_relu")(x)

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


def uneven(model: Any) -> Any:
    """Return a copy of `trained` that answers the same, with channels up to 128 times as small.

    What leaves a batch normalization is multiplied by a power of two for each channel, and the
    weights that read it are divided by the same; ReLU lets such a factor through.

    Source: M. Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias
    Correction", arXiv:1906.04721, 2019.
    """
    import keras

    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    random = np.random.default_rng(0)
    for before, after in (("stem", "first"), ("first_pointwise", "second")):
        norm = copy.get_layer(f"{before}_norm")
        gamma, beta, *moments = norm.get_weights()
        factor = 2.0 ** random.integers(-7, 1, gamma.size).astype(np.float32)
        norm.set_weights([gamma * factor, beta * factor, *moments])
        reader = copy.get_layer(f"{after}_depthwise")
        reader.set_weights([reader.get_weights()[0] / factor[:, None]])
    return copy


def with_ten_large_weights(model: Any) -> Any:
    """Return a copy of the course's network in which one weight of each output has become 60.

    They belong to the corner of the picture, which is always black, and to the filter with the
    smallest bias, which is silent there.
    """
    import keras

    copy = keras.models.clone_model(model)
    kernel, bias, matrix, last = map(np.array, model.get_weights())
    matrix[bias.argmin()] = 60
    copy.set_weights([kernel, bias, matrix, last])
    return copy


def broken(model: Any, digits: Digits) -> bytes:
    """Return the int8 file of exercise 09.2: calibrated on pixels from 0 to 1, not from -1."""
    gray = representative(digits.train_images, 200)[..., None]
    return conversion.convert(model, "int8", gray)


def arena(content: bytes) -> str:
    """Say how much working memory LiteRT for Microcontrollers takes for a file, if it takes it."""
    if not microcontroller.available():
        return "arena: not run here"
    try:
        return f"arena {microcontroller.smallest_arena(content):7,} bytes"
    except microcontroller.RefusedError:
        return "refused by LiteRT Micro"


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


def of_later_lessons(float32: bytes, model: Any, digits: Digits) -> list[scorecard.Row]:
    """Return a row each for weights as in lessons 11 and 12, which no engine here computes with.

    The dense weights of the course's network are rounded; all else stays float32. Bytes are those
    of its `float32` file with the rounded weights in the place of the floats.
    """
    matrix = keras_cnn.weights(model)["logits/kernel"].T
    columns = np.pad(matrix, ((0, 0), (0, 20)))  # [10, 2048]: blocks of 32
    params = groups.choose(columns, 4, 32, "unclipped", "float16")
    integers = groups.quantize(columns, params)
    small = packing.pack(integers, 4), np.float16(params.scales)
    blocks = block_formats.quantize(columns, block_formats.MXFP8_E4M3)
    made = {
        "int4 groups (11)": (*small, groups.dequantize(integers, params)),
        "MXFP8 (12)": (blocks.pack(), blocks.scales, blocks.decode()),
    }
    images, before, rows = to_float(digits.test_images), matrix.tobytes(), []
    logits = LiteModel(float32).predict(images)
    for name, (codes, scales, found) in made.items():
        rounded = LiteModel(float32.replace(before, found[:, :-20].tobytes()))
        content = float32.replace(before, codes.tobytes() + scales.tobytes())
        parts = name, digits, content, rounded.predict(images), logits
        rows.append(scorecard.row(*parts, lesson=9, reference_content=float32))
    return rows
