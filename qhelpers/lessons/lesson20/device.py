"""A made-up device with one fault, for the exercise that asks which; and a file for a real one."""

from __future__ import annotations

import importlib.util

import numpy as np

from qhelpers.data import Array, Bytes, Floats
from qhelpers.tflite import silence

FAULT = "clips the logits"


def outputs(good: Array) -> Bytes:
    """Return what the device makes of images whose right outputs are `good`, uint8 [n, 10]."""
    return np.asarray(np.minimum(good, int(np.percentile(good, 97))), np.uint8)


def small_dense(float32: bytes, images: Floats) -> dict[str, bytes]:
    """Return "int4 dense" -> a file with 4-bit weights in the dense layer, int8 everywhere else.

    The weights have one scale, as LiteRT for Microcontrollers wants them. Empty where LiteRT
    Quantizer is not installed.
    """
    if importlib.util.find_spec("litert_quantizer") is None:
        return {}
    from litert_quantizer import quantizer

    tool = quantizer.Quantizer(bytearray(float32))
    tool.add_static_config(".*", "*", 8, 8)
    tool.add_static_config(".*", "FULLY_CONNECTED", 8, 4, weight_granularity="TENSORWISE")
    shown = {"serving_default": [{"image": image[None]} for image in images]}
    with silence.quiet():
        made = tool.quantize(tool.calibrate(shown), enable_progress_report=False)
    return {"int4 dense": bytes(made.quantized_model)}
