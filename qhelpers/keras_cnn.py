"""The course's convolutional network: 12 filters, 20,410 parameters, trained once and kept."""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
from collections.abc import Callable
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from qhelpers import paths
from qhelpers.data import Digits, darken, to_float
from qhelpers.progress import progress

if TYPE_CHECKING:
    import keras

VARIANTS = ("plain", "dark")

_RECIPE = 3  # count it up when training changes: cached models of another recipe are not used
_EPOCHS, _BATCH = 5, 256
_FEW_IMAGES, _SMALL_BATCH, _SMALL_STEPS = 10_000, 32, 1200
_LEARNING_RATE = 8e-3
_DARK_IMAGES = 12_000


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

    Its first weights are the same each time, whatever ran before.

    Args:
        use_bias: give the convolution and the dense layer a bias. Without one, an image that is
            twice as bright gives logits twice as large, and the same answer.

    Returns:
        A model with the layers "reshape", "conv", "pool", "flatten" and "logits".
    """
    keras = _keras()
    layers, start = keras.layers, keras.initializers.GlorotUniform
    return keras.Sequential(
        [
            keras.Input((28, 28), name="image"),
            layers.Reshape((28, 28, 1), name="reshape"),
            layers.Conv2D(
                *(12, 3),
                activation="relu",
                use_bias=use_bias,
                kernel_initializer=start(0),
                name="conv",
            ),
            layers.MaxPooling2D(2, name="pool"),
            layers.Flatten(name="flatten"),
            layers.Dense(10, use_bias=use_bias, kernel_initializer=start(1), name="logits"),
        ],
        name="cnn",
    )


def plan(images: int) -> tuple[int, int]:
    """Return how many epochs to train and the batch size for a number of images.

    From 10,000 images on it is five epochs in batches of 256. Fewer are gone through more often,
    in batches of 32, until about 1,200 steps are taken: as many as MNIST gets.
    """
    if images >= _FEW_IMAGES:
        return _EPOCHS, _BATCH
    return ceil(_SMALL_STEPS / ceil(images / _SMALL_BATCH)), _SMALL_BATCH


def train(
    model: keras.Model,
    images: NDArray[np.uint8] | NDArray[np.float32],
    labels: NDArray[np.integer[Any]],
    epochs: int | None = None,
    batch: int | None = None,
    show: bool = True,
) -> dict[str, list[float]]:
    """Train a model in place: Adam, cross-entropy from logits, a rate that falls like a cosine.

    Images of one byte stay so until their batch is due: that saves memory. Keras' random seed is
    set to 0 first, so the result depends on nothing that ran before.

    Args:
        model: takes [n, 28, 28] float32 and gives [n, 10] logits.
        images: [n, 28, 28], uint8 (divided by 255 here) or float32 in [0, 1] (as they are).
        labels: [n] integers, 0 to 9.
        epochs: how often the images are gone through, full batches only; None: see `plan`.
        batch: images per step; None: see `plan`.
        show: show a progress bar.

    Returns:
        "loss" and "accuracy": for each epoch, the mean over its images during training.

    Raises:
        ValueError: images or labels have another shape, type or range.
    """
    _check(images, labels)
    keras = _keras()
    count = len(images)
    epochs, batch = epochs or plan(count)[0], batch or plan(count)[1]
    batch = min(batch, count)
    steps = count // batch  # what is left over differs from epoch to epoch
    keras.utils.set_random_seed(0)
    step = _make_step(keras, model, epochs * steps, batch)
    order = np.random.default_rng(0)
    targets = labels.astype(np.int32)
    history: dict[str, list[float]] = {"loss": [], "accuracy": []}
    with progress(epochs * steps, "Training the CNN", show) as advance:
        for epoch in range(epochs):
            shuffled = order.permutation(count)
            loss = right = 0.0
            for chosen in np.split(shuffled[: steps * batch], steps):
                some: NDArray[Any] = images[chosen]
                real = to_float(some) if some.dtype == np.uint8 else some
                batch_loss, batch_right = step(real, targets[chosen])
                loss, right = loss + float(batch_loss), right + float(batch_right)
                advance(text=f"epoch {epoch + 1} of {epochs}")
            history["loss"].append(loss / (steps * batch))
            history["accuracy"].append(right / (steps * batch))
    return history


def _make_step(keras: Any, model: Any, steps: int, batch: int) -> Any:
    """Compile one training step: (images, labels) -> (sum of losses, number right)."""
    import tensorflow as tf

    # Adam's steps are about as long as the rate, and a larger batch makes for surer steps.
    rate = keras.optimizers.schedules.CosineDecay(_LEARNING_RATE * (batch / _BATCH) ** 0.5, steps)
    optimizer = keras.optimizers.Adam(rate)
    optimizer.build(model.trainable_variables)

    def step(images: Any, labels: Any) -> tuple[Any, Any]:
        with tf.GradientTape() as tape:
            logits = model(images, training=True)
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
            loss = tf.reduce_mean(losses)
        optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
        right = tf.argmax(logits, axis=1, output_type=tf.int32) == labels
        return tf.reduce_sum(losses), tf.math.count_nonzero(right)

    return tf.function(step)


def trained(
    digits: Digits,
    variant: str = "plain",
    show: bool = True,
    fit: Callable[[keras.Model], object] | None = None,
) -> keras.Model:
    """Return the network trained on some digits, from the cache if it was trained before.

    Args:
        digits: what to train on.
        variant: "plain"; or "dark" for the network without biases, trained on `darken`ed images
            (the first 12,000).
        show: show a progress bar while it trains.
        fit: trains the model in place, in place of `train`; what it does has to come to the same
            weights (lesson 01 shows `model.fit` that does). Not called if the cache has the model.

    Returns:
        The model, as read from its file; where no file can be kept, as trained, and one line says
        so.

    Raises:
        ValueError: there is no such variant.
    """
    if variant not in VARIANTS:
        raise ValueError(f"variant must be one of {', '.join(VARIANTS)}; got {variant!r}.")
    keras = _keras()
    made_by = paths.versions("tensorflow", "tensorflow-cpu", "keras")
    recipe = hashlib.sha256(f"{made_by} {_RECIPE}".encode()).hexdigest()[:8]
    path = paths.home() / "models" / f"cnn-{variant}-{digits.key}-{recipe}.keras"
    if path.exists() and (path.is_dir() or paths.read_if_there(path) is not None):
        try:
            return _read(keras, path, variant)
        except Exception as error:  # whatever a damaged file makes Keras raise
            print(f"The cached model {path.name} is damaged ({type(error).__name__}): retraining.")
    model = build(use_bias=variant == "plain")
    if fit is not None:
        fit(model)
    elif variant == "plain":
        train(model, digits.train_images, digits.train_labels, show=show)
    else:
        images = darken(digits.train_images[:_DARK_IMAGES])
        train(model, images, digits.train_labels[: len(images)], show=show)
    return _read(keras, path, variant) if _keep(model, path) else model


def _keep(model: Any, path: Path) -> bool:
    """Write a model to the cache; say whether it is there. A full disk loses no training."""
    try:
        with tempfile.TemporaryDirectory(prefix="qhelpers-") as folder:
            model.save(Path(folder) / path.name)
            content = (Path(folder) / path.name).read_bytes()
    except OSError as error:
        reason = error.strerror or error
        print(f"{path.name} could not be kept in {path.parent} ({reason}). The lesson goes on.")
        return False
    return paths.keep(path, content)


def _read(keras: Any, path: Path, variant: str) -> Any:
    """Load a cached model, and check that it is the network that it should be."""
    model = keras.models.load_model(path, compile=False, safe_mode=True)
    found, wanted = weights(model), weights(build(use_bias=variant == "plain"))
    if {name: array.shape for name, array in found.items()} != {
        name: array.shape for name, array in wanted.items()
    }:
        raise ValueError("it holds another network")
    if not all(np.isfinite(array).all() for array in found.values()):
        raise ValueError("it holds weights that are not numbers")
    return model


def weights(model: keras.Model) -> dict[str, NDArray[np.float32]]:
    """Return a model's weights by name.

    Args:
        model: any Keras model whose layers have names of their own.

    Returns:
        For `build()`: "conv/kernel" [3, 3, 1, 12], "conv/bias" [12], "logits/kernel" [2028, 10]
        and "logits/bias" [10], all float32.
    """
    return {
        f"{layer.name}/{variable.name}": np.array(variable.value.numpy())
        for layer in model.layers
        for variable in layer.weights
    }


def _check(images: NDArray[Any], labels: NDArray[Any]) -> None:
    """Refuse images and labels that cannot be trained on, and say why."""
    if images.ndim != 3 or images.shape[1:] != (28, 28) or not len(images):
        raise ValueError(f"images must have the shape [n, 28, 28]; got {list(images.shape)}.")
    if images.dtype not in (np.uint8, np.float32):
        raise ValueError(f"images must be uint8 or float32; got {images.dtype}.")
    if images.dtype == np.float32 and not (images.min() >= 0 and images.max() <= 1):
        raise ValueError(
            f"float32 images must be in [0, 1]; got {images.min()} to {images.max()}. "
            "Divide by 255 first, or pass the uint8 images."
        )
    if labels.shape != (len(images),) or not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(
            f"labels must be {len(images)} integers, one for each image; "
            f"got {labels.dtype} of shape {list(labels.shape)}."
        )
    if labels.min() < 0 or labels.max() > 9:
        raise ValueError(f"labels must be 0 to 9; got {labels.min()} to {labels.max()}.")
