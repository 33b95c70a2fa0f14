"""GPTQ of all linear layers of the course's language model; prints seconds as JSON."""

from __future__ import annotations

import json
import os
import time
from typing import Any

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import torch

from qhelpers.arithmetic import gptq, groups
from qhelpers.lessons.lesson11 import layers
from qhelpers.pytorch import language_model, text


def three_bits(part: Any) -> groups.GroupParams:
    return groups.choose(part, 3, None, "asymmetric", "float16")


def main() -> None:
    torch.set_num_threads(1)
    model, windows = language_model.load(), text.calibration(16)
    started = time.perf_counter()
    inputs = layers.entering(model, windows)
    for name, layer in language_model.linear(model).items():
        hessian = gptq.hessian(inputs[name])
        gptq.quantize(layer.weight.numpy(), hessian, three_bits, 32)
    print(json.dumps({"seconds": time.perf_counter() - started}))


if __name__ == "__main__":
    main()
