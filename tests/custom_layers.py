"""A layer of one's own, for `--custom-objects custom_layers:Swish`."""

import keras


@keras.saving.register_keras_serializable("custom_layers")
class Swish(keras.layers.Layer):
    def call(self, x):
        return x * keras.ops.sigmoid(x)
