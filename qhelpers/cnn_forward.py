"""The CNN's forward pass for training, as one matrix product: the same function in less time.

TensorFlow's convolution and, above all, the gradient of its pooling are slow on a CPU for a layer
this small. Each pooled pixel depends on a patch of 4x4 pixels, which holds four 3x3 windows, so
convolution and pooling together are: patches times a matrix of 4 x 12 columns, then the largest of
each four. Bias and ReLU come after the maximum, which changes nothing: both keep the order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

_LAYERS = ["reshape", "conv", "pool", "flatten", "logits"]


def applies(model: Any) -> bool:
    """Say whether a model is the course's CNN, told by the names of its layers."""
    return [layer.name for layer in model.layers] == _LAYERS


def of(model: Any) -> Callable[[Any], Any]:
    """Return the function that training differentiates.

    Args:
        model: a Keras model.

    Returns:
        [n, 28, 28] float32 -> [n, 10] logits: the fast form for the course's CNN, the model itself
        for any other.
    """
    if not applies(model):
        return lambda images: model(images, training=True)
    conv, dense = model.get_layer("conv"), model.get_layer("logits")

    def logits(images: Any) -> Any:
        import tensorflow as tf

        sums = tf.reshape(_patches(tf, images), (-1, 16)) @ _columns(tf, conv.kernel)
        filters = conv.kernel.shape[-1]
        largest = _largest(tf, tf.reshape(sums, (-1, 4, filters)))
        if conv.use_bias:
            largest += conv.bias
        features = tf.reshape(tf.nn.relu(largest), (-1, dense.kernel.shape[0]))
        outputs = features @ tf.convert_to_tensor(dense.kernel)
        return outputs + dense.bias if dense.use_bias else outputs

    return logits


def _largest(tf: Any, sums: Any) -> Any:
    """Return the maximum over axis 1, with a gradient that goes to every maximum undivided.

    Equal maxima come from equal windows, in practice black ones, whose gradient is zero anyway.
    """

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def largest(values: Any) -> Any:
        top = tf.reduce_max(values, axis=1, keepdims=True)
        return top[:, 0], lambda upstream: tf.where(values == top, upstream[:, None], 0.0)

    return largest(sums)


def _patches(tf: Any, images: Any) -> Any:
    """Return the 4x4 patch behind each pooled pixel: [n, 13, 13, 16], as 2x2 blocks of 2x2."""
    blocks = tf.nn.space_to_depth(images[..., None], 2)
    rows = (slice(None, -1), slice(1, None))
    return tf.concat([blocks[:, down, right] for down in rows for right in rows], axis=-1)


def _columns(tf: Any, kernel: Any) -> Any:
    """Return the filters at the four places in a patch: [16, 4 * filters], rows as in a patch."""
    kernel = tf.convert_to_tensor(kernel)[:, :, 0, :]
    places = []
    for down in (0, 1):
        for right in (0, 1):
            padded = tf.pad(kernel, [[down, 1 - down], [right, 1 - right], [0, 0]])
            blocks = tf.reshape(padded, (2, 2, 2, 2, -1))
            places.append(tf.reshape(tf.transpose(blocks, (0, 2, 1, 3, 4)), (16, -1)))
    return tf.concat(places, axis=1)
