"""Training the CNN for five epochs: the usual `fit` on float arrays against qhelpers.

Run as `python -m benchmarks.keras_training usual|course`; prints seconds and test accuracy as JSON.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import numpy as np

from qhelpers import data as digits
from qhelpers import keras_cnn


def usual(model: Any, data: digits.Digits) -> None:
    import keras

    train = (data.train_images / 255.0).astype(np.float32)
    test = (data.test_images / 255.0).astype(np.float32)
    model.compile(
        optimizer="adam",
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    model.fit(
        train, data.train_labels, epochs=5, validation_data=(test, data.test_labels), verbose=0
    )


def main(which: str) -> None:
    import keras

    data = digits.load(quiet=True)
    keras.utils.set_random_seed(0)
    model = keras_cnn.build()
    started = time.perf_counter()
    if which == "usual":
        usual(model, data)
    else:
        keras_cnn.train(model, data.train_images, data.train_labels)
    seconds = time.perf_counter() - started
    outputs = [
        model.predict_on_batch(digits.to_float(data.test_images[i : i + 500]))
        for i in range(0, len(data.test_images), 500)
    ]
    correct = np.concatenate(outputs).argmax(axis=1) == data.test_labels
    print(json.dumps({"seconds": seconds, "accuracy": float(correct.mean())}))


if __name__ == "__main__":
    main(sys.argv[1])
