"""Two .tflite files of one model, layer by layer: where the noise of quantization comes in."""

from __future__ import annotations

import contextlib
import copy
import difflib
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from qhelpers.evaluation import metrics
from qhelpers.progress import progress
from qhelpers.tflite.file import MOVES, Array, Operation, TfliteFile, written
from qhelpers.tflite.litert import LiteModel

_WEIGHTED = ("CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV", "FULLY_CONNECTED")


@dataclass(frozen=True)
class TensorError:
    """How far one tensor of a quantized file is from the same tensor of the float32 file.

    `added` says how much noise came in here: the energy of the error over that of the signal, less
    the same share for the noisiest tensor that the operation reads. It is below 0 where errors
    average out, and tells nothing behind a tensor that has half as much noise as signal.

    `alone` has the SQNR of the operation run alone on the float network's inputs: "own" as it is in
    the quantized file, "weights" with only the weights rounded, "inputs" with only the inputs
    rounded. What was not or cannot be measured is not there.
    """

    name: str  # the layer that makes it; "input" for what goes in
    operation: str  # that makes it, such as "CONV_2D"; "" for the input
    sqnr_db: float  # signal-to-quantization-noise ratio; infinite where both are equal
    added: float
    weights_db: float | None  # SQNR of the operation's weights alone; None if it has none
    tensor: str  # its name in the float32 file
    alone: Mapping[str, float]
    saturated: float  # share of the values that lie outside the range of the quantized tensor
    offset: float  # share of the error's energy that is the same for all samples
    shift: Array  # the mean error by channel, of the operation alone where that could be measured

    @property
    def noise(self) -> float:
        """The energy of the error over that of the signal, as a share of 1."""
        return share(self.sqnr_db)


def tensor_errors(
    float32: bytes, other: bytes, inputs: Array | Mapping[str, Array], alone: bool = False
) -> list[TensorError]:
    """Compare every activation and weight of two files of one model, in running order.

    The converter renames tensors and puts QUANTIZE and DEQUANTIZE between them, so operations are
    matched, by their kind and the shape of their results, in the order in which they run.

    Args:
        float32: content of the float32 file.
        other: content of the quantized file.
        inputs: real values [n, *input shape], or by the inputs' names; all activations of at least
            one batch are kept in memory at once.
        alone: run each operation on its own as well; all of it on LiteRT's "optimized" kernels,
            which are fast and have more operations, else on the "reference" ones.
    """
    engine = "optimized" if alone else "reference"
    left, right = (LiteModel(c, engine, keep_tensors=True) for c in (float32, other))
    if not isinstance(inputs, Mapping):
        inputs = {next(iter(left.ins)): inputs}
    values = [inputs[name] for name in left.ins]
    runs = [dict(zip(file.ins, values, strict=True)) for file in (left, right)]
    pairs = matched(left, right)
    found = [_Sums(left, right), *(_Sums(left, right, pair, alone) for pair in pairs)]
    count, size = len(values[0]), 8 if alone else len(values[0])  # alone, they take much memory
    with progress(count, "Layers") as advance:
        for done, _ in zip(left.batches(runs[0], size), right.batches(runs[1], size), strict=True):
            for sums in found:
                sums.add()
            advance(done)
    seen: dict[int, float] = {}
    return [sums.error(seen) for sums in found]


def share(sqnr_db: float) -> float:
    """Return the error's energy over the signal's."""
    return float(10 ** (-sqnr_db / 10))


def matched(left: TfliteFile, right: TfliteFile) -> list[tuple[Operation, Operation]]:
    """Return the pairs of operations that do the same in both files and give real numbers."""
    mine, theirs = ([o for o in f.operations if o.name not in MOVES] for f in (left, right))
    my_keys = [(o.name, left.tensors[o.outputs[0]].shape) for o in mine]
    their_keys = [(o.name, right.tensors[o.outputs[0]].shape) for o in theirs]
    matcher = difflib.SequenceMatcher(None, my_keys, their_keys, autojunk=False)
    blocks = matcher.get_matching_blocks()
    pairs = [(mine[b.a + i], theirs[b.b + i]) for b in blocks for i in range(b.size)]
    return [pair for pair in pairs if left.tensors[pair[0].outputs[0]].dtype.kind == "f"]


def short(name: str) -> str:
    """Return the layer in a tensor's name: "net/conv_1/Relu;net/..." becomes "conv_1"."""
    parts = name.split(";")[0].split("/")
    if parts[0].startswith("StatefulPartitionedCall"):
        return "output"
    return parts[1] if len(parts) > 2 else parts[-1]


class _Sums:
    """One tensor of both files, made by a pair of operations, or the input: its errors' energy."""

    def __init__(
        self,
        left: LiteModel,
        right: LiteModel,
        pair: tuple[Operation, Operation] | None = None,
        alone: bool = False,
    ) -> None:
        self.left, self.right, self.step = left, right, pair[0] if pair else None
        self.mine, self.theirs = left.inputs[0], right.inputs[0]
        self.weights_db: float | None = None
        self.alone: dict[str, LiteModel] = {}
        if pair:
            step, other = pair
            self.mine, self.theirs = left.tensors[step.outputs[0]], right.tensors[other.outputs[0]]
            if step.name in _WEIGHTED:
                weights = left.value(step.inputs[1]), _stored(right, other.inputs[1])
                self.weights_db = metrics.sqnr_db(*weights)
            if alone:
                self.alone = _alone(left, right, step, other)
        self.signal, self.count, self.cut = 0.0, 0, 0
        self.energy: dict[str, float] = defaultdict(float)
        self.sums: dict[str, Any] = defaultdict(float)

    def add(self) -> None:
        """Count the batch that both files have just run."""
        real = self.left.value(self.mine.index).astype(np.float64)
        channels = real.shape[-1] if real.ndim > 1 else 1
        self.signal += float(np.square(real).sum())
        self.count += real.size // channels
        info = self.theirs
        if info.scales.size:
            limits = np.iinfo(info.dtype)
            steps = real / float(info.scales[0]) + info.zero_points[0]
            self.cut += int(((steps < limits.min - 0.5) | (steps > limits.max + 0.5)).sum())
        results = {"arrived": info.to_real(self.right.value(info.index))}
        for name in list(self.alone):
            try:
                results[name] = self._run_alone(name)
            except ValueError:  # it cannot run on its own
                del self.alone[name]
        for name, result in results.items():
            error = (result - real).reshape(-1, channels)
            self.energy[name] += float(np.square(error).sum())
            self.sums[name] = self.sums[name] + error.sum(0)

    def _run_alone(self, name: str) -> Array:
        """Return the operation's result for the float network's inputs."""
        file = self.alone[name]
        values = [self.left.value(i) for i in _computed(self.left, self.step)]
        if name == "inputs":
            values = list(map(_rounded, values))
        pairs = zip(file.ins.items(), values, strict=True)
        file.invoke({port: info.to_raw(some) for (port, info), some in pairs})
        return file.outputs[0].to_real(file.value(file.outputs[0].index))

    def error(self, seen: dict[int, float]) -> TensorError:
        """Return what the sums say; `seen` has earlier tensors' noise, and gets this one's."""
        ratios = {n: metrics.ratio_db(self.signal, noise) for n, noise in self.energy.items()}
        at, name, operation, before = ratios.pop("arrived"), "input", "", 0.0
        if self.step:
            name, operation = short(self.mine.name), self.step.name
            before = max((seen[i] for i in self.step.inputs if i in seen), default=0.0)
        noise = seen[self.mine.index] = share(at)
        mean = self.sums["arrived"] / self.count
        total = self.energy["arrived"]
        return TensorError(
            name,
            operation,
            at,
            0.0 if before == noise else noise - before,  # infinite noise: not less itself
            self.weights_db,
            self.mine.name,
            {which: ratios[which] for which in self.alone},
            self.cut / (self.count * np.size(mean)),
            float(np.square(mean).sum() * self.count / total) if total else 0.0,
            np.atleast_1d(self.sums["own"] / self.count if "own" in self.alone else mean),
        )


def _stored(file: TfliteFile, place: int) -> Array:
    """Return the weights at `place` as real numbers, also those behind a DEQUANTIZE."""
    info = file.undequantized(place)
    return info.to_real(file.value(info.index))


def _computed(file: TfliteFile, step: Operation | None) -> list[int]:
    """Return the inputs of an operation that are no constants, each once."""
    places = dict.fromkeys(step.inputs if step else ())
    return [i for i in places if i >= 0 and not file.is_stored(i)]


def _rounded(values: Array) -> Array:
    """Return values rounded to 256 steps between their extremes."""
    scale = (max(0.0, float(values.max())) - min(0.0, float(values.min()))) / 255 or 1.0
    return (np.rint(values / scale) * scale).astype(np.float32)


def _alone(
    left: TfliteFile, right: TfliteFile, mine: Operation, theirs: Operation
) -> dict[str, LiteModel]:
    """Return an operation as files of its own: as quantized, and with float weights or inputs."""
    found = {}
    with contextlib.suppress(ValueError):  # not every operation can run alone
        found["own"] = _single(right, theirs, {})
        if mine.name in _WEIGHTED and left.is_stored(mine.inputs[1]):
            found["inputs"] = _single(left, mine, {})
            weights = _stored(right, theirs.inputs[1])
            found["weights"] = _single(left, mine, {mine.inputs[1]: weights})
    return found


def _single(file: TfliteFile, step: Operation, constants: Mapping[int, Array]) -> LiteModel:
    """Open one operation as a file of its own, with some of its constants replaced."""
    model = copy.copy(file.schema)
    graph = copy.copy(model.subgraphs[0])
    stored = copy.copy(graph.operators[file.operations.index(step)])
    used = [i for i in dict.fromkeys((*step.inputs, *step.outputs)) if i >= 0]
    places = {old: new for new, old in enumerate(used)} | {-1: -1}
    graph.tensors, buffers = [copy.copy(graph.tensors[i]) for i in used], [model.buffers[0]]
    for old, tensor in zip(used, graph.tensors, strict=True):
        buffer = copy.copy(model.buffers[tensor.buffer])
        if old in constants:
            buffer.data = np.frombuffer(constants[old].astype("<f4").tobytes(), np.uint8)
        tensor.buffer = len(buffers)
        buffers.append(buffer)
    stored.inputs, stored.outputs = ([places[i] for i in s] for s in (step.inputs, step.outputs))
    graph.inputs, graph.outputs = [places[i] for i in _computed(file, step)], stored.outputs
    graph.operators = [stored]
    model.subgraphs, model.buffers = [graph], buffers
    model.signatureDefs, model.metadata, model.metadataBuffer = [], [], []
    return LiteModel(written(model), engine="optimized")
