"""Two .tflite files of one model, tensor by tensor: where the noise of quantization comes in."""

from __future__ import annotations

import difflib
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from qhelpers.evaluation import metrics
from qhelpers.tflite.file import Array, Operation, TfliteFile
from qhelpers.tflite.litert import LiteModel

_MOVES = ("QUANTIZE", "DEQUANTIZE")
_WEIGHTED = ("CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV", "FULLY_CONNECTED")


@dataclass(frozen=True)
class TensorError:
    """How far one tensor of a quantized file is from the same tensor of the float32 file.

    Attributes:
        name: the layer that makes it; "input" for what goes in.
        operation: the operation that makes it, such as "CONV_2D"; "" for the input.
        sqnr_db: signal-to-quantization-noise ratio; infinite where both are equal.
        added: how much noise came in here: the energy of the error over that of the signal, less
            the same share for the noisiest tensor that the operation reads. Below 0 where errors
            average out.
        weights_db: SQNR of the operation's weights alone; None if it has none.
    """

    name: str
    operation: str
    sqnr_db: float
    added: float
    weights_db: float | None

    @property
    def noise(self) -> float:
        """The energy of the error over that of the signal, as a share of 1."""
        return _noise(self.sqnr_db)


def tensor_errors(float32: bytes, other: bytes, inputs: Array) -> list[TensorError]:
    """Compare every activation and weight of two files of one model, in running order.

    Both run on LiteRT's reference kernels, which keep all activations of the inputs, float32
    [n, *input shape], in memory. The converter renames tensors and puts QUANTIZE and DEQUANTIZE
    between them, so operations are matched, by their kind and the shape of their results, in the
    order in which they run.
    """
    left, right = (LiteModel(c, engine="reference", keep_tensors=True) for c in (float32, other))
    left.predict(inputs)
    right.predict(inputs)
    seen = {left.inputs[0].index: metrics.sqnr_db(inputs, _restored(right, right.inputs[0].index))}
    at_input = seen[left.inputs[0].index]
    errors = [TensorError("input", "", at_input, _noise(at_input), None)]
    for mine, theirs in matched(left, right):
        place = mine.outputs[0]
        seen[place] = metrics.sqnr_db(left.value(place), _restored(right, theirs.outputs[0]))
        before = min((seen[i] for i in mine.inputs if i in seen), default=math.inf)
        # All-zero signals have infinite noise: not infinity less itself.
        added = 0.0 if before == seen[place] else _noise(seen[place]) - _noise(before)
        weights = None
        if mine.name in _WEIGHTED:
            weights = metrics.sqnr_db(
                left.value(mine.inputs[1]), _restored(right, theirs.inputs[1])
            )
        name = short(left.tensors[place].name)
        errors.append(TensorError(name, mine.name, seen[place], added, weights))
    return errors


def worst(errors: Sequence[TensorError]) -> TensorError:
    """Return the tensor at which most noise came in, up to the first that drowns in noise.

    Behind a tensor whose error has more than half of the signal's energy, nothing can be told.
    """
    drowned = next((i for i, error in enumerate(errors) if error.noise > 0.5), len(errors))
    return max(errors[: drowned + 1], key=lambda error: error.added)


def _noise(sqnr_db: float) -> float:
    """Return the error's energy over the signal's."""
    return float(10 ** (-sqnr_db / 10))


def matched(left: TfliteFile, right: TfliteFile) -> list[tuple[Operation, Operation]]:
    """Return the pairs of operations that do the same in both files and give real numbers."""
    mine, theirs = ([o for o in f.operations if o.name not in _MOVES] for f in (left, right))
    my_keys = [(o.name, left.tensors[o.outputs[0]].shape) for o in mine]
    their_keys = [(o.name, right.tensors[o.outputs[0]].shape) for o in theirs]
    matcher = difflib.SequenceMatcher(None, my_keys, their_keys, autojunk=False)
    blocks = matcher.get_matching_blocks()
    pairs = [(mine[b.a + i], theirs[b.b + i]) for b in blocks for i in range(b.size)]
    return [pair for pair in pairs if left.tensors[pair[0].outputs[0]].dtype.kind == "f"]


def _restored(model: TfliteFile, place: int) -> Array:
    """Return a tensor's values as real numbers, whatever the file stores."""
    for step in model.operations:
        if step.name == "DEQUANTIZE" and place in step.outputs:
            return _restored(model, step.inputs[0])
    info, values = model.tensors[place], model.value(place)
    if not info.scales.size:
        return np.asarray(values, np.float32)
    shape = [1] * values.ndim
    if info.axis is not None:
        shape[info.axis] = -1
    scales = info.scales.astype(np.float64).reshape(shape)
    return np.asarray(scales * (values.astype(np.float64) - info.zero_points.reshape(shape)))


def short(name: str) -> str:
    """Return the layer in a tensor's name: "net/conv_1/Relu;net/..." becomes "conv_1"."""
    parts = name.split(";")[0].split("/")
    if parts[0].startswith("StatefulPartitionedCall"):
        return "output"
    return parts[1] if len(parts) > 2 else parts[-1]
