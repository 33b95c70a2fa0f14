"""Where a quantized file loses: layer by layer on unseen samples, and each layer on its own."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from qhelpers import paths
from qhelpers.evaluation import layer_errors
from qhelpers.progress import progress
from qhelpers.quantizer.running import Runner, quantized, restored
from qhelpers.tflite import silence
from qhelpers.tflite.file import Array, Operation, TfliteFile

PROBES = 32
"""At most so many samples are compared layer by layer."""

_WEIGHTED = ("CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV", "FULLY_CONNECTED")


@dataclass
class LayerError:
    """How far one operation's result is from the same in the float32 file.

    Attributes:
        name: the layer; operation: its kind, such as "CONV_2D".
        tensor: the name of its result in the float32 file.
        weights: bytes of its weights in the float32 file.
        errors: energies of the errors, over that of the signal: "arrived" with inputs as they
            arrive, "own" with the float network's inputs, "weights" with only the weights rounded,
            "activations" with only the inputs rounded. What could not be measured is not there.
        saturated: share of values that the range cut off.
        offset: share of the error's energy that is the same in all samples, channel by channel.
        shift: that offset, float64, by channel; less what came in with the inputs.
    """

    name: str
    operation: str
    tensor: str
    weights: int
    errors: dict[str, float] = field(default_factory=dict)
    saturated: float = 0.0
    offset: float = 0.0
    shift: Array = field(default_factory=lambda: np.zeros(0))

    def decibels(self, which: str) -> float | None:
        """Return one of `errors` as a signal-to-noise ratio; infinite where there is none."""
        share = self.errors.get(which)
        if share is None:
            return None
        return -10 * math.log10(share) if share else math.inf


def compare(float32: bytes, other: bytes, samples: Mapping[str, Array]) -> list[LayerError]:
    """Compare a quantized file with the float32 file, operation by operation, in running order.

    Args:
        float32: the float32 file's content.
        other: the quantized file's content.
        samples: by input; the first PROBES are used.

    Raises:
        ValueError: a file cannot be run with all its activations kept.
    """
    few = {name: values[:PROBES] for name, values in samples.items()}
    left, right = (Runner(content, keep_tensors=True) for content in (float32, other))
    pairs = layer_errors.matched(left, right)
    tools = paths.require("ai_edge_litert.tools.flatbuffer_utils", extra="litert")
    stored = tuple(tools.read_model_from_bytearray(bytearray(f.content)) for f in (left, right))
    found = [_Sums(left, right, (stored[0], stored[1]), mine, theirs) for mine, theirs in pairs]
    with progress(max(1, math.ceil(len(next(iter(few.values()))) / left.batch)), "Layers") as go:
        for _ in zip(left.batches(few), right.batches(few), strict=False):
            for sums in found:
                sums.add()
            go(1)
    return [sums.result() for sums in found]


class _Sums:
    """Energies of one operation, summed over batches."""

    def __init__(
        self,
        left: Runner,
        right: Runner,
        stored: tuple[Any, Any],
        mine: Operation,
        theirs: Operation,
    ) -> None:
        self.left, self.right, self.mine, self.theirs = left, right, mine, theirs
        self.signal, self.count, self.cut = 0.0, 0, 0
        self.energy: dict[str, float] = {}
        self.means: dict[str, Any] = {"arrived": 0.0, "own": 0.0}
        self.alone = {
            "own": _Single(right, stored[1], theirs),
            "activations": _Single(left, stored[0], mine),
            "weights": _Single(left, stored[0], mine, _rounded(left, right, mine, theirs)),
        }
        if mine.name not in _WEIGHTED:
            del self.alone["weights"], self.alone["activations"]

    def add(self) -> None:
        """Count the batch that both files have just run."""
        place = self.mine.outputs[0]
        real = self.left.tensor(place).astype(np.float64)
        info = self.right.tensors[self.theirs.outputs[0]]
        raw = self.right.tensor(info.index)
        if raw.shape != real.shape:
            return
        channels = real.shape[-1] if real.ndim > 1 else 1
        self.signal += float(np.square(real).sum())
        self.count += real.size // channels
        if info.scales.size and info.axis is None:
            limits = np.iinfo(info.dtype)
            steps = real / float(info.scales[0]) + info.zero_points[0]
            self.cut += int(((steps < limits.min - 0.5) | (steps > limits.max + 0.5)).sum())
        inputs = [i for i in self.mine.inputs if i >= 0]
        values = {"arrived": restored(raw, info)}
        for which, single in self.alone.items():
            result = single.run(self.left, inputs, which)
            if result is not None and result.shape == real.shape:
                values[which] = result
        for which, value in values.items():
            error = value - real
            self.energy[which] = self.energy.get(which, 0.0) + float(np.square(error).sum())
            if which in self.means:
                self.means[which] = self.means[which] + error.reshape(-1, channels).sum(0)

    def result(self) -> LayerError:
        """Return what the sums say."""
        tensor = self.left.tensors[self.mine.outputs[0]].name
        weights = 0
        if self.mine.name in _WEIGHTED:
            weights = 4 * math.prod(self.left.tensors[self.mine.inputs[1]].shape)
        made = LayerError(layer_errors.short(tensor), self.mine.name, tensor, weights)
        if not self.count:
            return made
        made.errors = {n: e / self.signal if self.signal else 0.0 for n, e in self.energy.items()}
        shift = np.asarray(self.means["own" if "own" in self.energy else "arrived"]) / self.count
        everything = self.energy["arrived"]
        mean = np.asarray(self.means["arrived"]) / self.count
        made.offset = float(np.square(mean).sum() * self.count / everything) if everything else 0.0
        made.saturated = self.cut / max(1, self.count * np.size(mean))
        made.shift = np.atleast_1d(shift)
        return made


class _Single:
    """One operation as a file of its own, so that it can be fed with any inputs."""

    def __init__(
        self,
        file: Runner,
        stored: Any,
        step: Operation,
        constants: Mapping[int, Array] | None = None,
    ) -> None:
        self.file, self.stored, self.step = file, stored, step
        self.changed = dict(constants or {})
        self.opened: Any = None
        self.failed = False

    def run(self, left: Runner, inputs: list[int], which: str) -> Array | None:
        """Return the result for the float network's inputs; None where it cannot run alone.

        Args:
            left: the float32 file, just run.
            inputs: indices of the operation's inputs in it.
            which: "own" and "activations" take the inputs rounded, "weights" as they are.
        """
        if self.failed:
            return None
        try:
            if self.opened is None:
                self._open()
            details = self.opened.get_input_details()
            real = [left.tensor(i) for i in inputs if left.value_is_computed(i)]
            if len(real) != len(details):
                raise ValueError("other inputs")
            for detail, values, info in zip(details, real, self._infos(), strict=True):
                if which == "activations":
                    values = self._rounded_like(values)
                values = quantized(values, info)
                if tuple(detail["shape"]) != values.shape:
                    self.opened.resize_tensor_input(detail["index"], values.shape)
            with silence.quiet():
                self.opened.allocate_tensors()
            for detail, values, info in zip(details, real, self._infos(), strict=True):
                if which == "activations":
                    values = self._rounded_like(values)
                self.opened.set_tensor(detail["index"], quantized(values, info))
            self.opened.invoke()
            made = self.file.tensors[self.step.outputs[0]]
            output = self.opened.get_output_details()[0]["index"]
            return restored(np.array(self.opened.get_tensor(output)), made)
        except (ValueError, RuntimeError, TypeError):
            self.failed = True
            return None

    def _infos(self) -> list[Any]:
        """Return what the file says about the operation's computed inputs."""
        places = [i for i in self.step.inputs if i >= 0 and self.file.value_is_computed(i)]
        return [self.file.tensors[i] for i in places]

    def _rounded_like(self, values: Array) -> Array:
        """Return float inputs rounded to 256 steps between their extremes."""
        low, high = min(0.0, float(values.min())), max(0.0, float(values.max()))
        scale = (high - low) / 255 or 1.0
        return (np.rint(values / scale) * scale).astype(np.float32)

    def _open(self) -> None:
        """Write the operation into a file of its own and open it."""
        tools = paths.require("ai_edge_litert.tools.flatbuffer_utils", extra="litert")
        module = paths.require("ai_edge_litert.interpreter", extra="litert")
        model = copy.copy(self.stored)
        graph = copy.copy(model.subgraphs[0])
        step = next(o for o in graph.operators if tuple(map(int, o.outputs)) == self.step.outputs)
        step = copy.copy(step)
        used = list(dict.fromkeys(int(i) for i in (*step.inputs, *step.outputs) if i >= 0))
        places = {old: new for new, old in enumerate(used)}
        buffers = [copy.copy(model.buffers[0])]
        tensors = []
        for old in used:
            tensor = copy.copy(graph.tensors[old])
            data = model.buffers[tensor.buffer].data
            if old in self.changed:
                data = np.frombuffer(self.changed[old].astype(np.float32).tobytes(), np.uint8)
            tensor.buffer = 0
            if data is not None and len(data):
                buffer = copy.copy(model.buffers[0])
                buffer.data = data
                tensor.buffer = len(buffers)
                buffers.append(buffer)
            tensors.append(tensor)
        outputs = [places[int(i)] for i in step.outputs]
        inputs = [
            places[int(i)] for i in step.inputs if i >= 0 and self.file.value_is_computed(int(i))
        ]
        step.inputs = [places[int(i)] if i >= 0 else -1 for i in step.inputs]
        step.outputs = outputs
        graph.tensors, graph.operators = tensors, [step]
        graph.inputs, graph.outputs = list(dict.fromkeys(inputs)), outputs
        model.subgraphs, model.buffers = [graph], buffers
        model.signatureDefs, model.metadata, model.metadataBuffer = [], [], []
        content = bytes(tools.convert_object_to_bytearray(model))
        with silence.quiet():
            kinds = module.OpResolverType
            self.opened = module.Interpreter(
                model_content=content,
                num_threads=1,
                experimental_op_resolver_type=kinds.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
            )


def _rounded(
    left: TfliteFile, right: TfliteFile, mine: Operation, theirs: Operation
) -> dict[int, Array]:
    """Return the float file's weights as the quantized file has them, by index."""
    if mine.name not in _WEIGHTED:
        return {}
    place = theirs.inputs[1]
    for step in right.operations:
        if step.name == "DEQUANTIZE" and place in step.outputs:
            place = step.inputs[0]
    try:
        values = restored(right.value(place), right.tensors[place])
    except ValueError:  # computed, not stored
        return {}
    return {mine.inputs[1]: values}


def worst(errors: list[LayerError]) -> LayerError | None:
    """Return the layer that makes most noise of its own; None where nothing was measured."""
    known = [error for error in errors if "own" in error.errors]
    return max(known, key=lambda error: error.errors["own"], default=None)


def guilty(errors: list[LayerError]) -> str:
    """Say whether weights or activations cost more, over all layers with weights."""
    both = [e.errors for e in errors if {"weights", "activations"} <= e.errors.keys()]
    if not both:
        return ""
    weights, activations = (sum(e[n] for e in both) for n in ("weights", "activations"))
    if max(weights, activations) < 3 * min(weights, activations):
        return "Rounding the weights and rounding the activations cost about the same."
    which = "weights" if weights > activations else "activations"
    return f"Rounding the {which} costs most of it."
