"""What the eight cases are made of, and the three files of exercise 13.2."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from qhelpers import data, keras_cnn, paths
from qhelpers.data import Digits, Floats
from qhelpers.evaluation.scorecard import text_table
from qhelpers.tflite import conversion, silence
from qhelpers.tflite.litert import LiteModel

TRACKERS = ("TensorFlow", "model-opt.", "ONNX RT", "PyTorch", "torchao")
# Threads with a complaint, by number; a semicolon goes on to the next tracker.
THREADS = {
    "not faster, or slower": "51586 21698 25021 49011 27687 51749 55525;796 810 599;5319 26143 "
    "10559 6732 16009 2969 12854 5865;113019 41865 42113 136094 144434;4365 2102",
    "differs on the phone": "44108 56425 48170 31688 29639 83936 74312 62123;;;48551;",
    "batch norm trouble": "25170 50502 22803 26075;;3873 26584;41231;",
    "floats are left": "38285 40477 42092 41697 40681 56535 63065;;;;",
    "wrong on one processor": ";;5849 6004 5644 6545 12072;;",
    "not smaller, or larger": "24668 35147 58823;;;33433;",
    "always the same answer": "61319 49854 89438 41840;;;;",
    "QAT makes it worse": ";439;;114859;",
    "all scores 0": ";;14233;;",
}
_SHAPES = {"QUANTIZE", "DEQUANTIZE", "SHAPE", "STRIDED_SLICE", "PACK", "RESHAPE"}


def complaints() -> str:
    """Return a table of how many threads there are of each complaint, in each tracker."""
    counts = {what: [len(by.split()) for by in all_.split(";")] for what, all_ in THREADS.items()}
    rows = [[what, *(str(n or "") for n in (sum(by), *by))] for what, by in counts.items()]
    return text_table(("complaint", "all", *TRACKERS), rows)


def left_out(model: LiteModel) -> list[str]:
    """Return the operations that XNNPACK leaves to LiteRT, but QUANTIZE and what concerns shapes.

    Each DELEGATE stands for a part of the graph, found from its outputs back to its inputs.
    """
    module = paths.require("ai_edge_litert.interpreter", extra="litert")
    with silence.quiet():
        interpreter = module.Interpreter(model_content=model.content)
        interpreter.allocate_tensors()
    steps = interpreter._get_ops_details()  # LiteRT has no public way to ask
    whole = [step for step in steps if step["op_name"] != "DELEGATE"]
    makers = {int(made): step for step in whole for made in step["outputs"]}
    taken: set[int] = set()
    for part in (step for step in steps if step["op_name"] == "DELEGATE"):
        todo = {int(i) for i in part["outputs"]}
        while todo:
            maker = makers.get(todo.pop(), {"index": -1, "inputs": ()})
            if maker["index"] not in taken:
                taken.add(maker["index"])
                todo |= {int(i) for i in maker["inputs"]} - {int(i) for i in part["inputs"]}
    left = [step["op_name"] for step in whole if step["index"] not in taken]
    return [name for name in left if name not in _SHAPES]


def detector(model: Any, digits: Digits, size: float) -> Any:
    """Return a Keras model, [n, 28, 28] -> [n, 12]: the digit's place (x, y), then ten scores.

    The place, in a photo of that size, is linear in the pixels: the centre of the ink, learned.
    """
    keras = keras_cnn._keras()
    images = data.to_float(digits.train_images[:3000])
    middles = (np.arange(28) + 0.5) / 28
    centres = np.stack([images.sum(1) @ middles, images.sum(2) @ middles], axis=1)
    pixels = np.c_[images.reshape(-1, 784), np.ones(len(images))]
    wanted = pixels.T @ (size * centres / images.sum((1, 2))[:, None])
    fit = np.linalg.solve(pixels.T @ pixels + np.eye(785), wanted)
    inputs, place = keras.Input((28, 28)), keras.layers.Dense(2)
    both = [place(keras.layers.Flatten()(inputs)), keras.layers.Softmax()(model(inputs))]
    place.set_weights([fit[:-1], fit[-1]])
    return keras.Model(inputs, keras.layers.Concatenate()(both))


def tune(model: Any, digits: Digits, rate: float, rounding: bool, steps: int = 50) -> Any:
    """Return the course's CNN, trained on: Adam, batches of 64, 8-bit weights if `rounding`.

    Rounded weights have a scale for each output channel and pass gradients straight through.
    """
    keras, tf = keras_cnn._keras(), paths.require("tensorflow", extra="tensorflow")
    weights = [tf.Variable(values) for values in model.get_weights()]
    optimizer, rng = keras.optimizers.Adam(rate), np.random.default_rng(0)
    optimizer.build(weights)

    def rounded(real: Any) -> Any:
        scale = tf.reduce_max(tf.abs(real), list(range(len(real.shape) - 1)), keepdims=True) / 127
        return real + tf.stop_gradient(tf.round(real / scale) * scale - real) * float(rounding)

    def step(images: Any, labels: Any) -> None:
        with tf.GradientTape() as tape:
            kernel, offsets, matrix, ends = weights
            maps = tf.nn.conv2d(images[..., None], rounded(kernel), 1, "VALID") + offsets
            pooled = tf.nn.max_pool2d(tf.nn.relu(maps), 2, 2, "VALID")
            logits = tf.reshape(pooled, (-1, 2028)) @ rounded(matrix) + ends
            loss = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
        optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))

    run = tf.function(step)
    for some in rng.integers(0, len(digits.train_labels), (steps, 64)):
        run(data.to_float(digits.train_images[some]), digits.train_labels[some].astype(np.int32))
    tuned = keras_cnn.build()
    tuned.set_weights([values.numpy() for values in weights])
    return tuned


def converted(function: Callable[..., Any], images: Floats, recipe: str) -> LiteModel:
    """Convert a TensorFlow function [n, 28, 28] -> [n, 10]; calibrate on 20 images at a time.

    (On one image all variances are 0, and the converter aborts where it has to quantize them.)
    """
    tf = paths.require("tensorflow", extra="tensorflow")
    with silence.quiet():
        concrete = tf.function(function).get_concrete_function(tf.TensorSpec([None, 28, 28]))
        converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete], tf.Module())
    parts = np.split(images, len(images) // 20)
    return LiteModel(conversion.converted(converter, recipe, lambda: ([i] for i in parts)))


def broken_files(model: Any, digits: Digits, frozen: Callable[..., Any]) -> list[LiteModel]:
    """Return the files of exercise 13.2; `frozen` is case 7's function in the notebook."""
    images, swish = data.representative(digits.train_images), keras_cnn.build()
    # Hard-swish is ReLU but for small numbers: with weights 100 times as large, no answer changes.
    swish.set_weights(
        [w * f for w, f in zip(model.get_weights(), (100, 100, 0.01, 1), strict=True)]
    )
    swish.get_layer("conv").activation = keras_cnn._keras().activations.hard_silu
    one, two = (
        conversion.convert(m, "int8", images) for m in (detector(model, digits, 1280), swish)
    )
    return [LiteModel(one), LiteModel(two), converted(frozen, images, "int8")]
