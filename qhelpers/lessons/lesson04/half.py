"""What lesson 04 needs and does not teach: a sensor's network, a file's mark."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from qhelpers.data import Array, Floats
from qhelpers.tflite.file import TfliteFile
from qhelpers.tflite.litert import LiteModel

if TYPE_CHECKING:
    import keras


def rounded(fraction: int) -> int:
    """Return the first 10 of 23 fraction bits, rounded to the nearest, ties to even."""
    kept, dropped = divmod(fraction, 2**13)
    return kept + (dropped > 2**12 or (dropped == 2**12 and kept % 2 == 1))


def stored(lite: LiteModel, shape: tuple[int, ...]) -> Array:
    """Return the file's first constant of that shape."""
    return lite.value(next(info.index for info in lite.constants() if info.shape == shape))


def mark(content: bytes) -> str:
    """Return what a .tflite file says of reduced precision, such as "fp16accfp32"; "" for none."""
    model = TfliteFile(content).schema
    for entry in model.metadata or []:
        if entry.name == b"reduced_precision_support":
            return bytes(model.buffers[entry.buffer].data).rstrip(b"\0").decode()
    return ""


def soil(count: int) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Make up capacitances of a soil sensor [n, 1], in farads, and whether the soil is dry."""
    picofarads = np.random.default_rng(0).uniform(60, 140, (count, 1))
    return np.asarray(picofarads * 1e-12, np.float32), picofarads < 95


def sensor(values: Floats, dry: npt.NDArray[np.bool_], factor: float = 1e12) -> keras.Model:
    """Train the sensor's network, which multiplies by the factor and says how dry it is."""
    import keras

    keras.utils.set_random_seed(0)
    network = keras.Sequential([keras.Input((1,), name="capacitance")])
    network.add(keras.layers.Rescaling(factor / 20, -5, name="picofarads"))
    network.add(keras.layers.Dense(8, activation="relu", name="hidden"))
    network.add(keras.layers.Dense(1, name="dry"))
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    network.compile(keras.optimizers.Adam(0.03), loss)
    network.fit(values, np.float32(dry), epochs=8, batch_size=50, verbose=0)
    return network


def first_layer(content: bytes) -> Floats:
    """Return the numbers of the sensor's first weights [8], as its file stores them."""
    return stored(LiteModel(content), (8, 1)).ravel().astype(np.float32)


def with_rounded_weights(file: LiteModel) -> bytes:
    """Return the bytes of a float32 file, its weights overwritten by the nearest float16 values."""
    content = file.content
    for info in file.constants():
        if info.dtype == np.float32:
            values = file.value(info.index)
            content = content.replace(values.tobytes(), np.float32(np.float16(values)).tobytes())
    return content
