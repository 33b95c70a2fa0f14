"""The fast forward pass against Keras' own layers: outputs and gradients."""

from __future__ import annotations

import numpy as np
import pytest

from qhelpers import cnn_forward, keras_cnn


@pytest.mark.parametrize("use_bias", [True, False])
def test_outputs_and_gradients_are_those_of_the_layers(use_bias: bool) -> None:
    import tensorflow as tf

    model = keras_cnn.build(use_bias)
    rng = np.random.default_rng(3)
    for variable in model.trainable_variables:
        variable.assign(rng.normal(0, 0.3, variable.shape).astype(np.float32))
    images = tf.constant(rng.random((20, 28, 28)).astype(np.float32))
    weights = tf.constant(rng.normal(size=(20, 10)).astype(np.float32))
    results = []
    for forward in (model, cnn_forward.of(model)):
        with tf.GradientTape() as tape:
            outputs = forward(images)
            loss = tf.reduce_sum(outputs * weights)
        results.append((outputs, tape.gradient(loss, model.trainable_variables)))
    (slow, slow_gradients), (fast, fast_gradients) = results
    np.testing.assert_allclose(fast, slow, rtol=1e-4, atol=1e-4)
    assert len(fast_gradients) == (4 if use_bias else 2)
    for quick, reference in zip(fast_gradients, slow_gradients, strict=True):
        scale = float(np.abs(reference).max())
        np.testing.assert_allclose(quick, reference, atol=1e-4 * scale)


def test_another_model_is_run_as_it_is() -> None:
    import keras

    model = keras.Sequential(
        [keras.Input((28, 28)), keras.layers.Flatten(), keras.layers.Dense(10)]
    )
    images = np.ones((2, 28, 28), np.float32)
    np.testing.assert_allclose(cnn_forward.of(model)(images), model(images))
