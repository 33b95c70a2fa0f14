"""The networks that people bring, as small as they can be: what `quantize` is held against."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Data = dict[str, np.ndarray]


def _net(inputs: Any, outputs: Any) -> Any:
    import keras

    return keras.Model(inputs, outputs, name="net")


def mobilenet_v2() -> Any:
    import keras

    return keras.applications.MobileNetV2((32, 32, 3), alpha=0.35, weights=None, classes=10)


def mobilenet_v3() -> Any:
    import keras

    make = keras.applications.MobileNetV3Small
    return make((32, 32, 3), alpha=0.35, minimalistic=False, weights=None, classes=10)


def efficientnet() -> Any:
    import keras

    return keras.applications.EfficientNetB0(input_shape=(32, 32, 3), weights=None, classes=10)


def resnet() -> Any:
    from keras import Input, layers

    start = Input((16, 16, 3), name="picture")
    x = layers.Conv2D(8, 3, padding="same", activation="relu")(start)
    for _ in range(2):
        y = layers.Conv2D(8, 3, padding="same", use_bias=False)(x)
        y = layers.ReLU()(layers.BatchNormalization()(y))
        y = layers.BatchNormalization()(layers.Conv2D(8, 3, padding="same", use_bias=False)(y))
        x = layers.ReLU()(layers.Add()([x, y]))
    return _net(start, layers.Dense(4)(layers.GlobalAveragePooling2D()(x)))


def audio() -> Any:
    from keras import Input, layers

    start = Input((128, 1), name="sound")
    x = layers.Conv1D(8, 9, strides=2, activation="relu")(start)
    x = layers.MaxPooling1D(2)(layers.Conv1D(16, 5, activation="relu")(x))
    return _net(start, layers.Dense(4, activation="softmax")(layers.GlobalAveragePooling1D()(x)))


def lstm() -> Any:
    from keras import Input, layers

    start = Input((12, 4), name="series")
    return _net(start, layers.Dense(3, activation="softmax")(layers.LSTM(8)(start)))


def gru() -> Any:
    from keras import Input, layers

    start = Input((12, 4), name="series")
    x = layers.GRU(8, return_sequences=True)(start)
    return _net(start, layers.Dense(3)(layers.GRU(8)(x)))


def transformer() -> Any:
    from keras import Input, layers

    start = Input((8, 16), name="tokens")
    x = layers.Add()([start, layers.MultiHeadAttention(2, 8)(start, start)])
    x = layers.LayerNormalization()(x)
    y = layers.Dense(16)(layers.Dense(32, activation="gelu")(x))
    x = layers.LayerNormalization()(layers.Add()([x, y]))
    return _net(start, layers.Dense(3)(layers.GlobalAveragePooling1D()(x)))


def embedding() -> Any:
    from keras import Input, layers

    start = Input((10,), dtype="int32", name="words")
    x = layers.GlobalAveragePooling1D()(layers.Embedding(50, 8)(start))
    return _net(start, layers.Dense(1, activation="sigmoid")(x))


def two_inputs() -> Any:
    from keras import Input, layers

    picture, facts = Input((8, 8, 1), name="picture"), Input((3,), name="facts")
    x = layers.Flatten()(layers.Conv2D(4, 3, activation="relu")(picture))
    x = layers.Concatenate()([x, layers.Dense(8, activation="relu")(facts)])
    return _net([picture, facts], layers.Dense(3)(x))


def two_outputs() -> Any:
    from keras import Input, layers

    start = Input((8, 8, 1), name="picture")
    x = layers.Flatten()(layers.Conv2D(4, 3, activation="relu")(start))
    return _net(
        start, {"kind": layers.Dense(3, name="kind")(x), "size": layers.Dense(1, name="size")(x)}
    )


def dynamic_size() -> Any:
    from keras import Input, layers

    start = Input((None, None, 1), name="picture")
    x = layers.Conv2D(4, 3, activation="relu")(start)
    return _net(start, layers.Dense(3)(layers.GlobalAveragePooling2D()(x)))


def regression() -> Any:
    from keras import Input, layers

    start = Input((5,), name="facts")
    x = layers.Dense(16, activation="relu")(start)
    return _net(start, layers.Dense(1)(layers.Dense(16, activation="relu")(x)))


def autoencoder() -> Any:
    from keras import Input, layers

    start = Input((16,), name="signal")
    x = layers.Dense(4, activation="relu")(layers.Dense(8, activation="relu")(start))
    return _net(start, layers.Dense(16)(layers.Dense(8, activation="relu")(x)))


def unet() -> Any:
    from keras import Input, layers

    start = Input((16, 16, 1), name="picture")
    a = layers.Conv2D(4, 3, padding="same", activation="relu")(start)
    b = layers.Conv2D(8, 3, padding="same", activation="relu")(layers.MaxPooling2D()(a))
    c = layers.Conv2DTranspose(4, 2, strides=2)(b)
    c = layers.Concatenate()([a, c])
    return _net(start, layers.Conv2D(3, 1, activation="softmax")(c))


def sigmoid() -> Any:
    from keras import Input, layers

    start = Input((5,), name="facts")
    return _net(
        start, layers.Dense(1, activation="sigmoid")(layers.Dense(8, activation="tanh")(start))
    )


def several_labels() -> Any:
    from keras import Input, layers

    start = Input((5,), name="facts")
    return _net(
        start, layers.Dense(4, activation="sigmoid")(layers.Dense(8, activation="relu")(start))
    )


def rescaling() -> Any:
    from keras import Input, layers

    start = Input((8, 8, 1), name="picture")
    x = layers.Conv2D(4, 3, activation="relu")(layers.Rescaling(1 / 255)(start))
    return _net(start, layers.Dense(3)(layers.Flatten()(x)))


def uint8_input() -> Any:
    from keras import Input, layers

    start = Input((8, 8, 1), dtype="uint8", name="picture")
    x = layers.Conv2D(4, 3, activation="relu")(layers.Rescaling(1 / 255)(start))
    return _net(start, layers.Dense(3)(layers.Flatten()(x)))


def mixed_precision() -> Any:
    import keras
    from keras import layers

    keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        start = keras.Input((8, 8, 1), name="picture")
        x = layers.Flatten()(layers.Conv2D(4, 3, activation="relu")(start))
        return _net(start, layers.Dense(3, dtype="float32")(x))
    finally:
        keras.mixed_precision.set_global_policy("float32")


def custom() -> Any:
    from custom_layers import Swish
    from keras import Input, layers

    start = Input((5,), name="facts")
    return _net(start, layers.Dense(3)(Swish()(layers.Dense(8)(start))))


def siamese() -> Any:
    from keras import Input, layers

    left, right = Input((8, 8, 1), name="left"), Input((8, 8, 1), name="right")
    start = Input((8, 8, 1))
    x = layers.Conv2D(8, 3, activation="relu")(layers.Conv2D(4, 3, activation="relu")(start))
    tower = _net(start, layers.Dense(8)(layers.GlobalAveragePooling2D()(x)))
    apart = layers.Subtract()([tower(left), tower(right)])
    x = layers.Multiply()([apart, apart])
    return _net([left, right], layers.Dense(1, activation="sigmoid")(x))


def generator() -> Any:
    from keras import Input, layers

    start = Input((16,), name="noise")
    x = layers.Reshape((8, 8))(layers.Dense(64, activation="relu")(start))
    x = layers.LeakyReLU(0.2)(layers.Conv1DTranspose(4, 4, strides=2, padding="same")(x))
    return _net(start, layers.Conv1D(1, 5, padding="same", activation="tanh")(x))


def video() -> Any:
    from keras import Input, layers

    start = Input((4, 8, 8, 1), name="frames")
    x = layers.TimeDistributed(layers.Conv2D(4, 3, padding="same", activation="relu"))(start)
    x = layers.GlobalAveragePooling2D()(layers.ConvLSTM2D(4, 3, padding="same")(x))
    return _net(start, layers.Dense(3, activation="softmax")(x))


def group_norm() -> Any:
    from keras import Input, layers

    start = Input((16, 16, 3), name="picture")
    x = layers.Conv2D(8, 3, padding="same")(start)
    y = layers.Conv2D(8, 3, padding="same", activation="swish")(layers.GroupNormalization(4)(x))
    return _net(start, layers.Dense(4)(layers.GlobalAveragePooling2D()(layers.Add()([x, y]))))


def tiny() -> Any:
    from keras import Input, layers

    start = Input((2,), name="x")
    return _net(start, layers.Dense(2)(start))


MODELS: dict[str, Callable[[], Any]] = {
    f.__name__: f
    for f in (
        mobilenet_v2, mobilenet_v3, efficientnet, resnet, audio, lstm, gru, transformer, embedding,
        two_inputs, two_outputs, dynamic_size, regression, autoencoder, unet, sigmoid,
        several_labels, rescaling, uint8_input, mixed_precision, custom, tiny, siamese, generator,
        video, group_norm,
    )
}  # fmt: skip


def build(name: str) -> Any:
    """Return one of MODELS, with the same weights each time."""
    import keras

    keras.utils.set_random_seed(0)
    return MODELS[name]()


def with_statistics(build: Callable[[], Any]) -> Any:
    """Return a network with random weights, the same each time, whose batch norm has seen data."""
    import keras

    keras.utils.set_random_seed(0)
    model = build()
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0
    batch, *shape = model.inputs[0].shape
    model(np.random.default_rng(1).random((batch or 32, *shape)), training=True)
    return model


def data(model: Any, n: int = 24) -> Data:
    """Return made-up inputs by name."""
    rng, made = np.random.default_rng(0), {}
    for tensor in model.inputs:
        shape = [n, *(side or 12 for side in tensor.shape[1:])]
        if tensor.dtype == "float32":
            top = 255 if any("rescaling" in layer.name for layer in model.layers) else 1
            made[tensor.name] = rng.uniform(0, top, shape).astype(np.float32)
        else:
            made[tensor.name] = rng.integers(0, 50, shape).astype(tensor.dtype)
    return made
