"""What lesson 04 needs and does not teach: a sensor's network, a file's mark, the other tool."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from qhelpers.tflite import silence
from qhelpers.tflite.litert import LiteModel

if TYPE_CHECKING:
    import keras

Floats = npt.NDArray[np.float32]


def rounded(fraction: int) -> int:
    """Return the first 10 of 23 fraction bits, rounded to the nearest, ties to even."""
    kept, dropped = divmod(fraction, 2**13)
    return kept + (dropped > 2**12 or (dropped == 2**12 and kept % 2 == 1))


def show(numbers: Floats) -> None:
    """Print numbers [n] as float32, float16 and bfloat16."""
    import ml_dtypes

    print(f"{'float32':>9} {'float16':>11} {'bfloat16':>11}")
    with np.errstate(over="ignore"):
        narrow = numbers.astype(np.float16), numbers.astype(ml_dtypes.bfloat16)
    for row in zip(numbers, *narrow, strict=True):
        print("{:9.5g} {:11.5g} {:11.5g}".format(*map(float, row)))


def stored(lite: LiteModel, shape: tuple[int, ...]) -> npt.NDArray[np.float16]:
    """Return the file's float16 constant of that shape."""
    found = [t for t in lite.constants() if t.shape == shape and t.dtype == np.float16]
    return np.asarray(lite.value(found[0].index), np.float16)


def mark(content: bytes) -> str:
    """Return what a .tflite file says of reduced precision, such as "fp16accfp32"; "" for none."""
    from ai_edge_litert.tools import flatbuffer_utils

    model = flatbuffer_utils.read_model_from_bytearray(bytearray(content))
    for entry in model.metadata or []:
        if entry.name == b"reduced_precision_support":
            return bytes(model.buffers[entry.buffer].data).rstrip(b"\0").decode()
    return ""


def with_litert_quantizer(content: bytes) -> bytes:
    """Return a float32 .tflite file cast to float16 by litert-quantizer."""
    from litert_quantizer import qtyping, quantizer
    from litert_quantizer.algorithm_manager import AlgorithmName

    half = qtyping.TensorQuantizationConfig(num_bits=16, dtype=qtyping.TensorDataType.FLOAT)
    config = qtyping.OpQuantizationConfig(
        weight_tensor_config=half, compute_precision=qtyping.ComputePrecision.FLOAT
    )
    everything = qtyping.TFLOperationName.ALL_SUPPORTED
    with silence.quiet():
        tool = quantizer.Quantizer(content)
        tool.update_quantization_recipe(".*", everything, config, AlgorithmName.FLOAT_CASTING)
        return bytes(tool.quantize().quantized_model)


def pooled(images: Floats, weights: Mapping[str, Floats]) -> Floats:
    """Return what enters the CNN's dense layer: [n, 28, 28] -> [n, 2028], in float32."""
    patches = np.lib.stride_tricks.sliding_window_view(images, (3, 3), (1, 2))  # type: ignore[call-overload]
    sums = np.tensordot(patches, weights["conv/kernel"][:, :, 0, :], 2) + weights["conv/bias"]
    blocks = np.maximum(sums, 0).reshape(-1, 13, 2, 13, 2, 12)
    return np.asarray(blocks.max(axis=(2, 4)).reshape(-1, 2028), np.float32)


def products(images: Floats, weights: Mapping[str, Floats]) -> npt.NDArray[np.float16]:
    """Return the dense layer's float16 products: [n, 28, 28] -> [n, 2028, 10]."""
    entering = pooled(images, weights).astype(np.float16)
    return entering[:, :, None] * weights["logits/kernel"].astype(np.float16)


def soil(count: int) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Make up capacitances of a soil sensor [n, 1], in farads, and whether the soil is dry."""
    picofarads = np.random.default_rng(0).uniform(60, 140, (count, 1))
    return np.asarray(picofarads * 1e-12, np.float32), picofarads < 95


def sensor(values: Floats, dry: npt.NDArray[np.bool_], factor: float = 1e12) -> keras.Model:
    """Train the sensor's network: capacitances in, [n, 1], a logit of "dry" out.

    The network multiplies by the factor, which turns the values into picofarads.
    """
    import keras

    keras.utils.set_random_seed(0)
    network = keras.Sequential(
        [
            keras.Input((1,), name="capacitance"),
            keras.layers.Rescaling(factor / 20, -5, name="picofarads"),
            keras.layers.Dense(8, activation="relu", name="hidden"),
            keras.layers.Dense(1, name="dry"),
        ]
    )
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    network.compile(keras.optimizers.Adam(0.03), loss)
    network.fit(values, np.float32(dry), epochs=8, batch_size=50, verbose=0)
    return network


def first_layer(content: bytes) -> Floats:
    """Return the numbers of the sensor's first weights [8], as its file stores them."""
    lite = LiteModel(content)
    found = [lite.value(t.index) for t in lite.constants() if t.shape == (8, 1)]
    return np.asarray(found[0].ravel(), np.float32)


def stages(image: Floats, weights: Mapping[str, Floats], digit: int) -> dict[str, Any]:
    """Return the four largest weights of a digit's logit, its sum of products and its bias."""
    kernel = weights["logits/kernel"][:, digit].astype(np.float16)
    some = kernel[np.abs(kernel).argsort()[[-1, -400, -900, -1500]]]
    total = float(pooled(image[None], weights)[0] @ kernel.astype(np.float32))
    return {"weights": some, "sum": total, "bias": float(np.float16(weights["logits/bias"][digit]))}
