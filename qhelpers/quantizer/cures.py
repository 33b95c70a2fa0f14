"""Where int8 loses: better ranges, equalized channels, mended biases, some layers in float32."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from qhelpers import paths
from qhelpers.progress import progress
from qhelpers.quantizer import layers, recipes, tasks
from qhelpers.quantizer.recipes import Made
from qhelpers.quantizer.running import Data, Runner
from qhelpers.quantizer.tasks import Score, Task
from qhelpers.tflite.file import Array

Ranges = dict[str, tuple[float, float]]

_KEPT = 2000  # values of a tensor that are kept of one batch
_WEIGHTED = {"CONV_2D": (0, 3), "DEPTHWISE_CONV_2D": (3, 3), "FULLY_CONNECTED": (0, 1)}
# Axes of the output and of the input channels in an operation's weights.


@dataclass(frozen=True)
class Cured:
    """What the cures gave.

    Attributes:
        made: the files that are better than int8, at most two: in integers, and with some layers
            in float32.
        lines: what was tried, and what each gave, in words.
    """

    made: tuple[Made, ...]
    lines: tuple[str, ...]


def cure(
    float32: bytes,
    calibration: Data,
    evaluation: Data,
    judged: list[Task],
    reference: Data,
    start: Score | None,
    tolerance: float,
    io: str,
) -> Cured:
    """Try every cure, measure each on unseen samples, and keep what helps.

    Args:
        float32: the float32 file's content.
        calibration: by input, the samples that give the ranges.
        evaluation: by input, the samples that files are judged on.
        judged: what is measured.
        reference: float32's outputs on `evaluation`.
        start: the int8 file's score; None where there is no int8 file.
        tolerance: the loss that is accepted.
        io: "float32" keeps float inputs and outputs.
    """
    if not recipes.available():
        how = paths.install_command("quantizer")
        return Cured((), (f"Cures need LiteRT Quantizer, which is not installed: {how}",))
    lines, files = [], {}
    scores: dict[str, Score] = {}

    def attempt(name: str, make: Callable[[], bytes]) -> bytes | None:
        try:
            content = make()
            score = tasks.score(judged, reference, Runner(content).run(evaluation))
        except Exception as error:  # a cure that cannot be had is one line, not the end
            lines.append(f"{name}: could not be had: {recipes.reason(error)}")
            return None
        files[name], scores[name] = content, score
        lines.append(_line(name, score, len(content)))
        return content

    def int8(source: bytes, ranges: Ranges, keep: tuple[str, ...] = ()) -> bytes:
        return recipes.requantized(source, "int8", calibration, io, keep, ranges)

    with progress(7, "Curing int8") as advance:
        advance(1, "ranges")
        seen = _values(float32, calibration)
        choices = {
            "smallest to largest": {n: (float(v.min()), float(v.max())) for n, v in seen.items()},
            "99.99 % of the values": {n: _percentile(v) for n, v in seen.items()},
            "least squared error": {n: _least_error(v) for n, v in seen.items()},
        }
        choices["smallest to largest"].update(recipes.extremes(float32, calibration))
        for name, ranges in choices.items():
            advance(1, name)
            attempt(f"ranges: {name}", lambda r=ranges: int8(float32, r))  # type: ignore[misc]
        if not scores:
            return Cured((), tuple(lines))
        best = min(scores, key=lambda n: _rank(scores[n]))
        ranges = choices[best.removeprefix("ranges: ")]
        advance(1, "equalizing")
        source = float32
        equalized = attempt("channels equalized", lambda: _equalized_int8(float32, calibration, io))
        if equalized is not None and _rank(scores["channels equalized"]) < _rank(scores[best]):
            best, source = "channels equalized", _equalized(float32, calibration)
            ranges = recipes.extremes(source, calibration)
        advance(1, "biases")
        current = files[best]
        attempt(
            f"biases corrected ({best})",
            lambda: int8(_unbiased(source, current, calibration), ranges),
        )
        best = min(scores, key=lambda n: _rank(scores[n]))
        made = []
        if start is None or _rank(scores[best]) < _rank(start):
            made.append(Made("int8_cured", files[best], notes=(f"Cure: {best}.",)))
        least = min(scores[best].loss, start.loss if start else np.inf)
        if least > tolerance:
            advance(1, "layers in float32")
            errors = [
                e for e in layers.compare(float32, files[best], calibration)
                if e.weights and "own" in e.errors
            ]  # fmt: skip
            errors.sort(key=lambda e: -e.errors["own"])
            kept, name = 1, ""
            while errors:
                some = tuple(e.tensor for e in errors[:kept])
                name = f"{len(some)} of {len(errors)} weighted layers in float32"
                attempt(name, lambda k=some: int8(source, ranges, k))  # type: ignore[misc]
                now = scores[name].loss if name in scores else np.inf
                hopeless = kept >= 8 and now >= scores[best].loss
                if now <= tolerance or kept >= len(errors) or hopeless:
                    break
                kept *= 2
            if name in scores and _rank(scores[name]) < _rank(scores[best]):
                listed = ", ".join(e.name for e in errors[:kept][:12])
                cost = len(files[name]) - len(files[best])
                note = f"In float32: {listed}{', ...' if kept > 12 else ''}; {cost:+,} bytes."
                lines.append(note)
                made.append(Made("int8_mixed", files[name], notes=(note,)))
    return Cured(tuple(made), tuple(lines))


def _rank(score: Score) -> tuple[float, float]:
    """Return what orders cures: the loss first, then the noise."""
    return round(score.loss, 6), -score.sqnr_db


def _line(name: str, score: Score, size: int) -> str:
    """Return what a cure gave, in words."""
    return f"{name}: loses {score.loss:.2%}, {score.sqnr_db:.1f} dB, {size:,} bytes."


def _values(float32: bytes, calibration: Mapping[str, Array]) -> dict[str, Array]:
    """Return some values of each activation, by the tensor's name."""
    runner, rng = Runner(float32, keep_tensors=True), np.random.default_rng(0)
    parts: dict[str, list[Array]] = {}
    places = [*runner.inputs, *(runner.tensors[i] for o in runner.operations for i in o.outputs)]
    places = [info for info in places if info.dtype.kind == "f"]
    for _ in runner.batches(calibration):
        for info in places:
            values: Array = runner.tensor(info.index).ravel()
            if len(values) > _KEPT:
                values = values[rng.integers(0, len(values), _KEPT)]
            parts.setdefault(info.name, []).append(values)
    return {name: np.concatenate(some) for name, some in parts.items()}


def _percentile(values: Array) -> tuple[float, float]:
    """Return the range of all but one value in ten thousand."""
    low, high = np.percentile(values, (0.01, 99.99))
    return float(low), float(high)


def _least_error(values: Array) -> tuple[float, float]:
    """Return the range whose 256 steps have the least squared error, of 40 shares of the whole."""
    low, high = min(0.0, float(values.min())), max(0.0, float(values.max()))
    best, least = (low, high), np.inf
    for share in np.linspace(1, 0.2, 40):
        scale = share * (high - low) / 255
        if scale <= 0:
            break
        rounded = np.clip(np.rint(values / scale), np.rint(share * low / scale), None) * scale
        rounded = np.minimum(rounded, share * high)
        error = float(np.square(rounded - values).mean())
        if error < least:
            best, least = (share * low, share * high), error
    return best


class _Edited:
    """A .tflite file whose constants are replaced, one operation's at a time."""

    def __init__(self, content: bytes) -> None:
        self.tools = paths.require("ai_edge_litert.tools.flatbuffer_utils", extra="litert")
        self.model: Any = self.tools.read_model_from_bytearray(bytearray(content))
        self.graph = self.model.subgraphs[0]
        self.file = Runner(content, keep_tensors=True)
        self.values: dict[tuple[int, int], Array] = {}

    def get(self, at: int, slot: int) -> Array:
        """Return the float32 constant that operation `at` reads as input `slot`."""
        if (at, slot) not in self.values:
            self.values[at, slot] = np.array(self.file.value(self.file.operations[at].inputs[slot]))
        return self.values[at, slot]

    def set(self, at: int, slot: int, values: Array) -> None:
        """Replace it for this operation alone: constants may be shared."""
        self.values[at, slot] = values

    def has(self, at: int, slot: int) -> bool:
        """Say whether operation `at` has a float32 constant there."""
        inputs = self.file.operations[at].inputs
        place = inputs[slot] if slot < len(inputs) else -1
        if place < 0 or self.file.value_is_computed(place):
            return False
        return self.file.tensors[place].kind == "float32"

    def content(self) -> bytes:
        """Return the file with the new constants."""
        readers = Counter(i for step in self.file.operations for i in step.inputs)
        for (at, slot), values in self.values.items():
            step, buffer = self.graph.operators[at], copy.copy(self.model.buffers[0])
            buffer.data = np.frombuffer(values.astype("<f4").tobytes(), np.uint8)
            place = int(step.inputs[slot])
            tensor = copy.copy(self.graph.tensors[place])
            tensor.buffer = len(self.model.buffers)
            self.model.buffers.append(buffer)
            if readers[place] == 1:
                self.graph.tensors[place] = tensor
                continue
            tensor.name = f"{tensor.name.decode()};{at}.{slot}".encode()
            inputs = list(map(int, step.inputs))
            inputs[slot] = len(self.graph.tensors)
            self.graph.tensors.append(tensor)
            step.inputs = np.array(inputs, np.int32)
        used = {tensor.buffer for tensor in self.graph.tensors}
        used |= {stored.buffer for stored in self.model.metadata or []}
        for place, buffer in enumerate(self.model.buffers):
            if place not in used:
                buffer.data = None
        return bytes(self.tools.convert_object_to_bytearray(self.model))


def _unbiased(float32: bytes, quantized: bytes, calibration: Data) -> bytes:
    """Return the float32 file with each bias less the offset that the quantized layer adds."""
    edited = _Edited(float32)
    shifts = {e.tensor: e.shift for e in layers.compare(float32, quantized, calibration)}
    for at, step in enumerate(edited.file.operations):
        shift = shifts.get(edited.file.tensors[step.outputs[0]].name)
        if step.name not in _WEIGHTED or shift is None or not edited.has(at, 2):
            continue
        bias = edited.get(at, 2)
        if bias.shape == shift.shape:
            edited.set(at, 2, bias - shift)
    return edited.content()


def _equalized_int8(float32: bytes, calibration: Data, io: str) -> bytes:
    """Return int8 of the equalized file."""
    return recipes.requantized(_equalized(float32, calibration), "int8", calibration, io)


def _equalized(float32: bytes, calibration: Data) -> bytes:
    """Return a float32 file that computes the same, with channels of more even ranges.

    Between two layers with weights and nothing but ReLU, each channel can be divided by any
    positive number that the next layer's weights are multiplied with. It is chosen between what
    evens out the activations and what evens out these weights (half of each, in logarithms).

    Raises:
        ValueError: no two layers follow each other like that.
    """
    edited = _Edited(float32)
    steps = edited.file.operations
    readers: dict[int, list[int]] = {}
    for at, step in enumerate(steps):
        for i in step.inputs:
            readers.setdefault(i, []).append(at)
    outputs = {info.index for info in edited.file.outputs}
    pairs = []
    for at, step in enumerate(steps):
        place = step.outputs[0]
        after = readers.get(place, [])
        plain = step.options.get("fusedActivationFunction", 0) in (0, 1)
        if step.name in _WEIGHTED and plain and len(after) == 1 and place not in outputs:
            following = steps[after[0]]
            if following.name in _WEIGHTED and following.inputs[0] == place:
                pairs.append((at, after[0], place))
    most: dict[int, Array] = {}
    for _ in edited.file.batches(calibration):
        for _, _, place in pairs:
            values = np.abs(edited.file.tensor(place))
            now = values.reshape(-1, values.shape[-1]).max(0)
            most[place] = np.maximum(most.get(place, now), now)
    done = 0
    for one, two, place in pairs:
        out_axis, in_axis = _WEIGHTED[steps[one].name][0], _WEIGHTED[steps[two].name][1]
        if not (edited.has(one, 1) and edited.has(two, 1)):
            continue
        first, second = edited.get(one, 1), edited.get(two, 1)
        channels = len(most[place])
        if first.shape[out_axis] != channels or second.shape[in_axis] != channels:
            continue
        axes = tuple(i for i in range(second.ndim) if i != in_axis)
        reach, weight = np.maximum(most[place], 1e-6), np.maximum(np.abs(second).max(axes), 1e-6)
        factor = np.sqrt(reach / weight)
        factor = np.clip(factor / np.exp(np.log(factor).mean()), 1e-2, 1e2).astype(np.float32)
        edited.set(one, 1, first / _along(factor, first.ndim, out_axis))
        if edited.has(one, 2):
            edited.set(one, 2, edited.get(one, 2) / factor)
        edited.set(two, 1, second * _along(factor, second.ndim, in_axis))
        done += 1
    if not done:
        raise ValueError("no two layers follow each other with only ReLU between them")
    return edited.content()


def _along(factor: Array, axes: int, axis: int) -> Array:
    """Return a vector shaped so that it multiplies along one axis."""
    shape = [1] * axes
    shape[axis] = -1
    return factor.reshape(shape)
