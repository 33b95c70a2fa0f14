"""The pictures of lesson 13: where the cases sit, and what a network is shown."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from qhelpers.data import Bytes, to_float
from qhelpers.notebook import journey, style
from qhelpers.tflite.file import Array
from qhelpers.tflite.litert import LiteModel

_CASES = {
    **{"weights": "weights: case 8", "stored": "stored: case 2", "inputs": "inputs: case 5"},
    **{"quantized": "quantized: case 3", "sum": "summed: 6", "rescaled": "rescaled: 1, 7"},
    "result": "result: 4",
}


def cases(file: LiteModel, image: Bytes) -> None:
    """Draw the path of an image, uint8 [28, 28], to a logit of the course's CNN, with the cases."""
    pixels = np.sort(to_float(image), axis=None)[[0, 640, 700, 783]]
    logits = file.predict(to_float(image[None]))[0]
    dense = next(tensor for tensor in file.constants() if tensor.shape == (10, 2028))
    some = logits.argmax(), slice(1000, 1004)
    stored, real = file.value(dense.index)[some], dense.to_real(file.value(dense.index))[some]
    journey.draw(
        real,
        [f"{a:.3f} | {b}" for a, b in zip(real, stored, strict=True)],
        products="int32",
        rescaled="x scale",
        result=f"{logits.max():.2f}",
        types={},
        active=(),
        title="Where the eight cases sit",
        captions=_CASES,
        inputs=pixels,
        quantized=[f"{a:.3f} | {file.inputs[0].to_raw(a)}" for a in pixels],
    )


def shown(file: LiteModel, inputs: Mapping[str, Array], title: str) -> None:
    """Draw the first of each kind of inputs, bytes [n, 28, 28], as the file understands them."""
    _, axes = style.new(1, len(inputs), title, height=2.4)
    for panel, (name, raw) in zip(axes, inputs.items(), strict=True):
        style.image(panel, file.inputs[0].to_real(raw[0]), name)
    style.finish()
