"""Where int8 loses: better ranges, equalized channels, mended biases, some layers in float32."""

from __future__ import annotations

import argparse
import contextlib
import copy
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from qhelpers import paths
from qhelpers.arithmetic import affine
from qhelpers.arithmetic.ranges import by_mse, by_percentile
from qhelpers.evaluation import layer_errors
from qhelpers.evaluation.layer_errors import TensorError
from qhelpers.progress import progress
from qhelpers.quantizer import recipes
from qhelpers.quantizer.recipes import Made, Ranges
from qhelpers.quantizer.samples import Data
from qhelpers.quantizer.tasks import Score
from qhelpers.tflite import litert
from qhelpers.tflite.file import Array, written
from qhelpers.tflite.litert import LiteModel

_KEPT = 250  # values of a tensor that are kept of one batch
_PROBES = 32
# Axes of the output and of the input channels in an operation's weights.
_MAKES = {"CONV_2D": 0, "DEPTHWISE_CONV_2D": 3, "FULLY_CONNECTED": 0}
_READS = {"CONV_2D": 3, "DEPTHWISE_CONV_2D": 3, "FULLY_CONNECTED": 1, "MUL": -1}
_LETS_PASS = ("RELU", "LEAKY_RELU", "MAX_POOL_2D", "AVERAGE_POOL_2D", "MEAN", "PAD", "RESHAPE")
_RELU6 = 3


@dataclass(frozen=True)
class _Trial:
    """An int8 file, and the float32 file and ranges that it was made from."""

    name: str
    score: Score
    file: LiteModel
    float32: bytes
    ranges: Ranges


def cure(
    options: argparse.Namespace,
    calibration: Data,
    judge: Callable[[LiteModel], Score],
    made: Sequence[Made],
    doubtful: bool,
) -> tuple[list[Made], list[str]]:
    """Where int8 needs it, try every cure, measure each on unseen samples, and keep what helps.

    `options` are the command line's; `judge` measures a file; `made` has what the recipes gave, of
    which float32 may be `doubtful` itself. Returns the files that are better than int8, at most
    two: in integers, and with some layers in float32; and what was tried, in words.
    """
    files, tolerance = {one.recipe: one.file for one in made}, options.tolerance
    if options.cure == "never" or "int8" not in files:
        return [], []
    if options.cure == "auto" and doubtful:
        return [], ["Cures were not tried: float32 itself is in doubt, see the warnings."]
    int8, given = files["int8"], files["float32"]
    start = None if int8 is None else judge(int8)
    if options.cure == "auto" and start and start.loss <= tolerance:
        return [], []
    assert given is not None
    float32 = given.content
    try:
        paths.require("litert_quantizer", extra="quantizer")
    except ImportError as error:
        return [], [f"No cures: {error}"]
    trials: list[_Trial] = []
    lines: list[str] = []

    def attempt(
        name: str, plan: Callable[[], tuple[bytes, Ranges]], keep: Sequence[str] = ()
    ) -> None:
        advance(1, name)
        try:
            source, ranges = plan()
            content = recipes.requantized(source, "int8", calibration, options.io, keep, ranges)
            file = litert.opened(content)
            trials.append(_Trial(name, judge(file), file, source, ranges))
        except Exception as error:  # a cure that cannot be had is one line, not the end
            lines.append(f"{name}: could not be had: {recipes.reason(error)}")
            return
        loss, noise = trials[-1].score.loss, trials[-1].score.sqnr_db
        lines.append(f"{name}: loses {loss:.2%}, {noise:.1f} dB, {file.size:,} bytes.")

    def rank(score: Score) -> tuple[float, float]:  # within the tolerance, noise decides
        return max(round(score.loss - tolerance, 6), 0.0), -score.sqnr_db

    def best() -> _Trial:
        return min(trials, key=lambda trial: rank(trial.score))

    with progress(6, "Curing int8") as advance:
        advance(1, "ranges")
        for name, ranges in _choices(float32, calibration).items():
            attempt(f"ranges: {name}", lambda some=ranges: (float32, some))  # type: ignore[misc]
        attempt("channels equalized", lambda: _equalized(float32, calibration))
        if not trials:
            return [], lines
        base = best()
        errors: list[TensorError] = []
        with contextlib.suppress(ValueError):  # two files that cannot be compared
            errors = compared(base.float32, base.file.content, calibration)
        name = f"biases corrected ({base.name})"
        attempt(name, lambda: (_unbiased(base.float32, errors), base.ranges))
        cured, better = best(), []
        if start is None or rank(cured.score) < rank(start):
            better.append(Made("int8_cured", cured.file, f"Cure: {cured.name}."))
        if min(cured.score.loss, start.loss if start else np.inf) <= tolerance:
            return better, lines
        worst = _worst_layers(errors)
        kept, name = 0, ""
        while kept < len(worst):
            kept = min(2 * kept or 1, len(worst))
            name = f"{kept} of {len(worst)} weighted layers in float32"
            tensors = [error.tensor for error in worst[:kept]]
            attempt(name, lambda: (base.float32, base.ranges), tensors)
            loss = trials[-1].score.loss
            if loss <= tolerance or (kept >= 8 and loss >= cured.score.loss):
                break
        if trials[-1].name == name and rank(trials[-1].score) < rank(cured.score):
            listed = ", ".join([*(e.name for e in worst[:kept][:12]), *["..."] * (kept > 12)])
            cost = trials[-1].file.size - cured.file.size
            lines.append(f"In float32: {listed}; {cost:+,} bytes.")
            better.append(Made("int8_mixed", trials[-1].file, lines[-1]))
    return better, lines


def _worst_layers(errors: Sequence[TensorError]) -> list[TensorError]:
    """Return the layers with weights, those with most noise of their own first."""
    weighted = (error for error in errors if error.weights_db is not None)
    return sorted(weighted, key=lambda error: error.alone.get("own", np.inf))


def compared(float32: bytes, other: bytes, samples: Data) -> list[TensorError]:
    """Compare two files layer by layer on a few samples, each layer alone as well."""
    few = {name: values[:_PROBES] for name, values in samples.items()}
    return layer_errors.tensor_errors(float32, other, few, alone=True)


def _choices(float32: bytes, calibration: Data) -> dict[str, Ranges]:
    """Return ranges by the way in which they were chosen."""
    rng, parts = np.random.default_rng(0), defaultdict(list)

    def passing() -> Iterator[tuple[str, Array]]:
        for name, values in recipes.activations(float32, calibration):
            flat = values.ravel()
            parts[name].append(rng.choice(flat, _KEPT) if flat.size > _KEPT else flat)
            yield name, values

    whole = recipes.extremes(passing())
    seen = {name: np.concatenate(some) for name, some in parts.items()}
    return {
        "smallest to largest": whole,
        "99.98 % of the values": {
            name: _ends(by_percentile(v, percent=99.98)) for name, v in seen.items()
        },
        "least squared error": {name: _ends(by_mse(v)) for name, v in seen.items()},
    }


def _ends(params: affine.QuantParams) -> tuple[float, float]:
    """Return the real numbers that the smallest and the largest integer stand for."""
    low, high = affine.dequantize(np.array([params.qmin, params.qmax]), params)
    return float(low), float(high)


class _Edited:
    """A float32 .tflite file whose constants are replaced, one operation's at a time."""

    def __init__(self, content: bytes) -> None:
        self.file = LiteModel(content, engine="optimized", keep_tensors=True)
        self.values: dict[tuple[int, int], Array] = {}

    def get(self, at: int, slot: int) -> Array | None:
        """Return the float32 constant that operation `at` reads as input `slot`; None for none."""
        place = (*self.file.operations[at].inputs, -1, -1)[slot]
        if place < 0 or not self.file.is_stored(place):
            return None
        return self.values.get((at, slot), self.file.value(place))

    def content(self) -> bytes:
        """Return the file with the new constants; the old ones go, unless others read them."""
        schema = copy.deepcopy(self.file.schema)
        graph, buffers = schema.subgraphs[0], schema.buffers
        readers = Counter(i for step in self.file.operations for i in step.inputs)
        for (at, slot), values in self.values.items():
            step = graph.operators[at]
            place = self.file.operations[at].inputs[slot]
            tensor, buffer = graph.tensors[place], copy.copy(buffers[0])
            readers[place] -= 1
            if readers[place]:  # other operations read it: this one gets a tensor of its own
                tensor = copy.copy(tensor)
                tensor.name += f";{at}.{slot}".encode()
                step.inputs[slot] = len(graph.tensors)
                graph.tensors.append(tensor)
            buffer.data = np.frombuffer(values.astype("<f4").tobytes(), np.uint8)
            tensor.buffer = len(buffers)
            buffers.append(buffer)
        used = {part.buffer for part in (*graph.tensors, *(schema.metadata or []))}
        for place, buffer in enumerate(buffers):
            if place not in used:
                buffer.data = None
        return written(schema)


def _unbiased(float32: bytes, errors: Sequence[TensorError]) -> bytes:
    """Return the float32 file with each bias less the offset that the quantized layer adds."""
    edited = _Edited(float32)
    shifts = {error.tensor: error.shift for error in errors}
    for at, step in enumerate(edited.file.operations):
        shift = shifts.get(edited.file.tensors[step.outputs[0]].name)
        bias = edited.get(at, 2) if step.name in _MAKES else None
        if bias is not None and shift is not None and bias.shape == shift.shape:
            edited.values[at, 2] = bias - shift
    return edited.content()


def _equalized(float32: bytes, calibration: Data) -> tuple[bytes, Ranges]:
    """Return a float32 file that computes the same, with channels of more even ranges; its ranges.

    Between two operations with weights and nothing but ReLU, pooling or the like, each channel can
    be divided by any positive number that the next weights are multiplied with. It evens out half
    the activations, half these weights, in logarithms. ReLU6: a channel must not reach 6 by that.
    Where no two operations follow each other like that, it is a ValueError.
    """
    edited = _Edited(float32)
    largest: dict[str, Array] = {}
    for name, values in recipes.activations(float32, calibration):
        channels = np.abs(values.reshape(-1, values.shape[-1] if values.ndim else 1)).max(0)
        largest[name] = np.maximum(largest.get(name, channels), channels)
    for one, two in _neighbours(edited.file):
        step, after = edited.file.operations[one], edited.file.operations[two]
        first, bias, second = edited.get(one, 1), edited.get(one, 2), edited.get(two, 1)
        reach = np.maximum(largest[edited.file.tensors[step.outputs[0]].name], 1e-6)
        if first is None or second is None or not second.ndim:
            continue
        axis = _READS[after.name]
        times, rest = divmod(second.shape[axis], len(reach))  # places that were flattened
        if rest or (times != 1 and after.name != "FULLY_CONNECTED"):
            continue
        weight = np.abs(np.moveaxis(second, axis, -1)).reshape(-1, len(reach)).max(0)
        factor = np.sqrt(reach / np.maximum(weight, 1e-6))
        factor = np.clip(factor / np.exp(np.log(factor).mean()), 1e-2, 1e2)
        if step.options.get("fusedActivationFunction") == _RELU6:
            factor = np.where(reach < 6, np.maximum(factor, reach / 6), 1)
        edited.values[one, 1] = _multiplied(first, 1 / factor, _MAKES[step.name])
        edited.values[two, 1] = _multiplied(second, np.tile(factor, times), axis)
        if bias is not None:
            edited.values[one, 2] = bias / factor
    if not edited.values:
        raise ValueError("no two layers follow each other with only ReLU or pooling between them")
    content = edited.content()
    return content, recipes.extremes(recipes.activations(content, calibration))


def _neighbours(file: LiteModel) -> list[tuple[int, int]]:
    """Return pairs of operations with weights: the second reads what becomes of the first's."""
    readers = defaultdict(list)
    for at, step in enumerate(file.operations):
        for i in step.inputs if step.name != "SHAPE" else ():
            readers[i].append(at)
    for info in file.outputs:
        readers[info.index].append(-1)
    pairs = []
    for at, first in enumerate(file.operations):
        step, allowed = first, {0, 1, _RELU6}  # the activation is none, ReLU or ReLU6
        while first.name in _MAKES and step.options.get("fusedActivationFunction", 0) in allowed:
            after = readers[step.outputs[0]]
            if len(after) != 1 or after[0] < 0:
                break
            before, step, allowed = step, file.operations[after[0]], {0, 1}
            if step.name in _READS and step.inputs[0] == before.outputs[0]:
                pairs.append((at, after[0]))
            last = len(file.tensors[step.inputs[0]].shape) - 1
            if step.name == "MEAN" and {-1, last} & {*file.value(step.inputs[1]).ravel().tolist()}:
                break
            if step.name not in _LETS_PASS:
                break
    return pairs


def _multiplied(values: Array, factor: Array, axis: int) -> Array:
    """Return values times a vector along one axis."""
    return np.asarray(np.moveaxis(np.moveaxis(values, axis, -1) * factor, -1, axis))
