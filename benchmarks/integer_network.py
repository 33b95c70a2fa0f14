"""The int8 CNN on all test images: NumPy with each engine's rounding against the engine.

Run as `python -m benchmarks.integer_network`; prints seconds as JSON, all on one thread.
"""

from __future__ import annotations

import json
import os
import statistics
import time

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

from qhelpers import data as digits
from qhelpers import keras_cnn
from qhelpers.tflite import conversion, litert
from qhelpers.tflite.numpy_network import NumpyNetwork


def main() -> None:
    data = digits.load(quiet=True)
    model = keras_cnn.trained(data)
    content = conversion.convert(model, "int8", digits.representative(data.train_images))
    runs = {}
    for engine in ("reference", "xnnpack"):
        runs[engine] = litert.LiteModel(content, engine=engine).run_raw
        runs[f"NumPy, {engine}"] = NumpyNetwork(content, engine).run
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(5):
        for name, run in runs.items():  # in turn, so that a busy moment hits all alike
            started = time.perf_counter()
            run(data.test_images)
            seconds[name].append(time.perf_counter() - started)
    print(json.dumps({name: statistics.median(taken) for name, taken in seconds.items()}))


if __name__ == "__main__":
    main()
