"""The network of the challenge, what came with it, and the images that nobody has labels of."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from qhelpers import data, keras_cnn, paths
from qhelpers.data import Bytes, Digits, Floats

_RECIPE = 1  # count it up when the network or its training changes
_MOST = 2000  # images in the hidden half, and in the open one
BLOCKS = ("first", "second")


def build() -> Any:
    """Return the network, untrained: a convolution and two inverted residual blocks.

    A block widens, filters each channel and narrows (M. Sandler et al., arXiv:1801.04381, 2018).
    """
    keras = keras_cnn._keras()
    layers, plain = keras.layers, {"padding": "same", "use_bias": False}
    keras.utils.set_random_seed(0)

    def normalized(layer: Any, x: Any, relu: bool = True) -> Any:
        x = layers.BatchNormalization(momentum=0.9, name=f"{layer.name}_norm")(layer(x))
        return layers.ReLU(name=f"{layer.name}_relu")(x) if relu else x

    def block(x: Any, wide: int, strides: int, name: str) -> Any:
        y = normalized(layers.Conv2D(wide, 1, name=f"{name}_expand", **plain), x)
        y = normalized(layers.DepthwiseConv2D(3, strides, name=f"{name}_depthwise", **plain), y)
        y = normalized(layers.Conv2D(24, 1, name=f"{name}_project", **plain), y, relu=False)
        return layers.Add(name=f"{name}_add")([x, y]) if x.shape == y.shape else y

    picture = keras.Input((28, 28), name="picture")
    x = layers.Reshape((28, 28, 1), name="reshape")(picture)
    x = normalized(layers.Conv2D(12, 3, 2, name="stem", **plain), x)
    x = block(block(x, 32, 2, BLOCKS[0]), 64, 1, BLOCKS[1])
    x = layers.GlobalAveragePooling2D(name="average")(x)
    return keras.Model(picture, layers.Dense(10, name="scores")(x), name="challenge")


def trained(digits: Digits) -> Any:
    """Return the network, trained on some digits; its weights are kept in the cache."""
    model, made_by = build(), paths.versions("tensorflow", "tensorflow-cpu", "keras")
    recipe = hashlib.sha256(f"{made_by} {_RECIPE}".encode()).hexdigest()[:8]

    def learn() -> None:
        images, labels = digits.train_images[:20_000], digits.train_labels[:20_000]
        keras_cnn.train(model, images, labels, (2, 64) if len(images) == 20_000 else None)
        spoil(model)

    name = f"challenge-{digits.key}-{recipe}"
    paths.learn_once(name, model.get_weights, model.set_weights, learn)
    return model


def spoil(model: Any) -> None:
    """Make seven of eight channels of each block 256 times as small; no answer changes.

    What leaves a batch norm is divided by a power of two, and the depthwise filters that read it
    are multiplied by the same; ReLU lets such a factor through (Nagel et al., arXiv:1906.04721).
    """
    for name in BLOCKS:
        norm, reader = (model.get_layer(f"{name}_{part}") for part in ("expand_norm", "depthwise"))
        gamma, beta, *moments = norm.get_weights()
        factor = np.where(np.arange(gamma.size) % 8 == 4, 1, 2.0**-8).astype(np.float32)
        norm.set_weights([gamma * factor, beta * factor, *moments])
        reader.set_weights([reader.get_weights()[0] / factor[:, None]])


def recorded(digits: Digits) -> Floats:
    """Return the images that came with the network, [200, 28, 28]."""
    return np.asarray(data.representative(digits.train_images, 200) / 4)


def half(digits: Digits, hidden: bool) -> tuple[Floats, Bytes]:
    """Return half of the test images, at most 2,000, [n, 28, 28] from 0 to 1, and their labels.

    Which half an image is in depends on its own bytes: a shuffled data set has the same two.
    """
    images, labels = digits.test_images, digits.test_labels
    keys = [hashlib.sha256(b"hidden" + image.tobytes()).digest() for image in images]
    order = sorted(range(len(keys)), key=keys.__getitem__)
    part = order[hidden::2][:_MOST]
    return data.to_float(images[part]), labels[part]
