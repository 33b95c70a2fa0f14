"""The course's convolutional network: 12 filters, 20,410 parameters, trained once and kept."""

from __future__ import annotations

import hashlib
import inspect
import os
import sys
from collections.abc import Callable, Iterator
from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from qhelpers import paths
from qhelpers.data import Digits, to_float
from qhelpers.progress import progress

if TYPE_CHECKING:
    import keras

_RECIPE = 3  # count it up when training changes: cached models of another recipe are not used


def _keras() -> Any:
    """Import TensorFlow and Keras on it; no bars of their own."""
    if "keras" not in sys.modules:
        os.environ["KERAS_BACKEND"] = "tensorflow"
    paths.require("tensorflow", extra="tensorflow")
    keras = paths.require("keras", extra="tensorflow")
    keras.config.disable_interactive_logging()
    return keras


def build(use_bias: bool = True) -> keras.Model:
    """Build the network, untrained: [n, 28, 28] float32 in, [n, 10] logits out.

    Its layers are "reshape", "conv", "pool", "flatten" and "logits"; its first weights are the same
    each time, whatever ran before. Without biases, an image that is twice as bright gives logits
    twice as large, and the same answer.
    """
    keras = _keras()
    layers, start = keras.layers, keras.initializers.GlorotUniform
    conv = {"activation": "relu", "use_bias": use_bias, "kernel_initializer": start(0)}
    stack = [
        keras.Input((28, 28), name="image"),
        layers.Reshape((28, 28, 1), name="reshape"),
        layers.Conv2D(12, 3, **conv, name="conv"),
        layers.MaxPooling2D(2, name="pool"),
        layers.Flatten(name="flatten"),
        layers.Dense(10, use_bias=use_bias, kernel_initializer=start(1), name="logits"),
    ]
    return keras.Sequential(stack, name="cnn")


def plan(images: int) -> tuple[int, int]:
    """Return how many epochs to train and the batch size for a number of images.

    From 10,000 images on it is five epochs in batches of 256. Fewer are gone through more often,
    in batches of 32, until about 1,200 steps are taken: as many as MNIST gets.
    """
    return (5, 256) if images >= 10_000 else (ceil(1200 / ceil(images / 32)), 32)


def batches(
    images: NDArray[Any], labels: NDArray[np.integer[Any]], epochs: int, batch: int
) -> Iterator[tuple[NDArray[Any], NDArray[np.int32]]]:
    """Hand out full batches, shuffled anew in each epoch and alike in each run.

    Args:
        images: [n, 28, 28], uint8 (divided by 255 here) or float32 in [0, 1] (as they are).
        labels: [n] integers.
        epochs: how often to go through the images; what is left over differs from epoch to epoch.
        batch: images in a batch, at most n.
    """
    order, steps = np.random.default_rng(0), len(images) // batch
    for _ in range(epochs):
        for chosen in np.split(order.permutation(len(images))[: steps * batch], steps):
            some: NDArray[Any] = images[chosen]
            some = to_float(some) if some.dtype == np.uint8 else some
            yield some, labels[chosen].astype(np.int32)


def train(
    model: keras.Model,
    images: NDArray[np.uint8] | NDArray[np.float32],
    labels: NDArray[np.integer[Any]],
    how: tuple[int, int] | None = None,
) -> None:
    """Train a model in place: Adam, cross-entropy from logits, a rate that falls like a cosine.

    The images are gone through in full batches, as `plan` says; those of one byte stay so until
    their batch is due: that saves memory. Keras' random seed is set to 0 first, so the result
    depends on nothing that ran before.

    Args:
        model: takes [n, 28, 28] float32 and gives [n, 10] logits.
        images: [n, 28, 28], uint8 (divided by 255 here) or float32 in [0, 1] (as they are).
        labels: [n] integers, 0 to 9.
        how: epochs and batch size, if not as `plan` says.
    """
    import tensorflow as tf

    keras = _keras()
    epochs, batch = how or plan(len(images))
    steps = len(images) // batch
    keras.utils.set_random_seed(0)
    # Adam's steps are about as long as the rate, and a larger batch makes for surer steps.
    start = 8e-3 * (batch / 256) ** 0.5
    rate = keras.optimizers.schedules.CosineDecay(start, epochs * steps)
    optimizer = keras.optimizers.Adam(rate)
    optimizer.build(model.trainable_variables)

    @tf.function  # type: ignore[untyped-decorator]
    def step(some: Any, answers: Any) -> Any:
        with tf.GradientTape() as tape:
            logits = model(some, training=True)
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(answers, logits)
            loss = tf.reduce_mean(losses)
        optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
        return loss  # else TensorFlow prunes it, and the last bits change

    with progress(epochs * steps, "Training the CNN") as advance:
        for done, (some, answers) in enumerate(batches(images, labels, epochs, batch)):
            step(some, answers)
            advance(text=f"epoch {done // steps + 1} of {epochs}")


def trained(
    digits: Digits, use_bias: bool = True, fit: Callable[[keras.Model], object] | None = None
) -> keras.Model:
    """Return the network trained on some digits, with weights from the cache if they are there.

    Args:
        digits: what to train on.
        use_bias: False for the network without biases.
        fit: trains the model in place, instead of `train`. Its result is kept under its own source
            text: nothing else starts from it, and a changed one is run again.
    """
    made_by = paths.versions("tensorflow", "tensorflow-cpu", "keras")
    recipe = hashlib.sha256(f"{made_by} {_RECIPE}".encode()).hexdigest()[:8]
    kind, model = "plain" if use_bias else "unbiased", build(use_bias)

    def learn() -> None:
        if fit is not None:
            compiled = build(use_bias)
            fit(compiled)
            model.set_weights(compiled.get_weights())
        else:
            train(model, digits.train_images, digits.train_labels)

    if fit is not None:
        try:
            text = inspect.getsource(fit)
        except (OSError, TypeError):  # typed at a prompt: run each time, never kept
            learn()
            return model
        kind = f"fit-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
    name = f"cnn-{kind}-{digits.key}-{recipe}"
    paths.learn_once(name, model.get_weights, model.set_weights, learn)
    return model


def weights(model: keras.Model) -> dict[str, NDArray[np.float32]]:
    """Return the weights of any Keras model by name, float32.

    For `build()`: "conv/kernel" [3, 3, 1, 12], "conv/bias" [12], "logits/kernel" [2028, 10] and
    "logits/bias" [10].
    """
    return {
        f"{layer.name}/{variable.name}": np.array(variable.value.numpy())
        for layer in model.layers
        for variable in layer.weights
    }
