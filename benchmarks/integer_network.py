"""The course's int8 CNN on all test images, or MobileNetV2 of 96 x 96: NumPy against the engines.

Run as `python -m benchmarks.integer_network cnn|mobilenet`; prints seconds as JSON, all on one
thread, each network of NumPy with that engine's rounding.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from typing import Any

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np
import zoo

from qhelpers import data as digits
from qhelpers import keras_cnn
from qhelpers.tflite import conversion, litert
from qhelpers.tflite.numpy_network import NumpyNetwork


def cnn() -> tuple[bytes, Any]:
    data = digits.load(quiet=True)
    model = keras_cnn.trained(data)
    content = conversion.convert(model, "int8", digits.representative(data.train_images))
    return content, data.test_images


def mobilenet() -> tuple[bytes, Any]:
    """Random weights; time does not depend on them."""
    import keras

    make, rng = keras.applications.MobileNetV2, np.random.default_rng(0)
    model = zoo.with_statistics(lambda: make((96, 96, 3), weights=None, classes=10))
    content = conversion.convert(model, "int8", rng.random((8, 96, 96, 3), np.float32))
    return content, rng.integers(0, 256, (64, 96, 96, 3)).astype(np.uint8)


def main() -> None:
    content, images = {"cnn": cnn, "mobilenet": mobilenet}[sys.argv[1]]()
    runs = {}
    for engine in ("reference", "xnnpack"):
        runs[engine] = litert.LiteModel(content, engine=engine).run_raw
        runs[f"NumPy, {engine}"] = NumpyNetwork(content, engine).run
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(5):
        for name, run in runs.items():  # in turn, so that a busy moment hits all alike
            started = time.perf_counter()
            run(images)
            seconds[name].append(time.perf_counter() - started)
    print(json.dumps({name: statistics.median(taken) for name, taken in seconds.items()}))


if __name__ == "__main__":
    main()
