"""What a model is for, and how good a file is at it: one score for each sample."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from qhelpers.evaluation import metrics
from qhelpers.quantizer.models import Model
from qhelpers.quantizer.running import Data, Runner
from qhelpers.quantizer.samples import Samples
from qhelpers.tflite.file import Array

_NAMES = {
    "classes": "accuracy",
    "binary": "accuracy",
    "labels": "right labels",
    "mask": "right pixels",
    "values": "explained variance",
}


@dataclass(frozen=True)
class Task:
    """What one output is compared with.

    Attributes:
        output: its name.
        kind: "classes", "binary", "labels" (several at once), "mask" (a class for each place) or
            "values" (real numbers).
        truth: the right answers, [n, ...]; float32's own where no labels were given.
        against: "labels", "float32" or "the input" (an autoencoder).
    """

    output: str
    kind: str
    truth: Array
    against: str

    @property
    def name(self) -> str:
        """The metric's name, such as "accuracy"."""
        return _NAMES[self.kind] if self.against != "float32" else f"{_NAMES[self.kind]} v. float32"

    def scores(self, outputs: Array) -> Array:
        """Return float64 [n]: 1 for a sample that is wholly right; less where it is not.

        Args:
            outputs: of the file, [n, *the output's shape].
        """
        if self.kind == "values":
            truth = self.truth.reshape(len(outputs), -1).astype(np.float64)
            error = np.square(outputs.reshape(truth.shape) - truth).mean(1)
            spread = np.square(truth - truth.mean(0)).mean()
            return np.asarray(1 - error / (spread or 1.0), np.float64)
        right = answers(outputs, self.kind) == self.truth
        return np.asarray(right.reshape(len(outputs), -1).mean(1), np.float64)


@dataclass(frozen=True)
class Score:
    """How good a file is, and what it lost against float32 on the same samples.

    Attributes:
        value, low, high: the metric with its 95 % interval, 1 for all right.
        loss, least, most: float32's metric less this one's, with its 95 % interval.
        p_value: McNemar's test, where an answer is right or wrong; else None.
        flips: how many answers differ from float32's; None for real values.
        sqnr_db: of the outputs against float32's.
    """

    value: float
    low: float
    high: float
    loss: float
    least: float
    most: float
    p_value: float | None
    flips: int | None
    sqnr_db: float


def answers(outputs: Array, kind: str) -> Array:
    """Return the answers that outputs stand for: classes, or yes and no."""
    if kind in ("classes", "mask") and outputs.shape[-1] > 1:
        return np.asarray(outputs.argmax(-1))
    probabilities = outputs.min() >= 0 and outputs.max() <= 1
    chosen = outputs > (0.5 if probabilities else 0)
    return np.asarray((chosen if kind == "labels" else chosen[..., 0]).astype(np.int64))


def build(model: Model, samples: Samples, float32: Data, wanted: str | None = None) -> list[Task]:
    """Say what each output is compared with.

    Args:
        model: the model.
        samples: with labels or without.
        float32: the float32 file's outputs on the evaluation samples.
        wanted: the one output to judge; None: all that have labels, or all.

    Raises:
        ValueError: labels fit no output; or there is no such output.
    """
    names = [port.name for port in model.outputs]
    if wanted is not None and wanted not in names:
        raise ValueError(f"--output {wanted}: the model has {', '.join(names)}.")
    chosen = [wanted] if wanted else names
    if not samples.labels:
        file = Runner(model.float32)
        ends = {i: step.name for step in file.operations for i in step.outputs}
        yes_no = {name for name in names if ends.get(file.outs[name].index) == "LOGISTIC"}
        return [_unlabelled(n, float32[n], samples, n in yes_no) for n in chosen]
    if len(samples.labels) == 1 and not set(samples.labels) & set(names):
        values, reasons = next(iter(samples.labels.values())), []
        for name in chosen:
            try:
                return [_labelled(name, float32[name], values)]
            except ValueError as error:
                reasons.append(str(error))
        raise ValueError(reasons[0])
    unknown = set(samples.labels) - set(names)
    if unknown:
        raise ValueError(f"labels for {sorted(unknown)}; the model's outputs are {names}.")
    return [_labelled(n, float32[n], samples.labels[n]) for n in chosen if n in samples.labels]


def _labelled(name: str, outputs: Array, labels: Array) -> Task:
    """Return the task of an output with labels, or say why these labels do not fit."""
    shape, whole = outputs.shape, labels.dtype.kind in "iub"
    if labels.dtype.kind == "f" and labels.ndim == 1 and math.prod(shape[1:]) > 1:
        raise ValueError(f"labels must be whole numbers, the classes; got {labels.dtype}.")
    flags = labels.size and ((labels == 0) | (labels == 1)).all()
    if shape[1:] == (1,) and labels.size == len(labels):
        if flags:
            return Task(name, "binary", labels.reshape(-1).astype(np.int64), "labels")
        return Task(name, "values", labels.reshape(shape).astype(np.float32), "labels")
    if labels.shape == shape and outputs.ndim == 2 and flags:
        if (labels.sum(1) == 1).all():
            return Task(name, "classes", labels.argmax(1), "labels")
        return Task(name, "labels", labels.astype(np.int64), "labels")
    if labels.shape == shape and not (flags and whole):
        return Task(name, "values", labels.astype(np.float32), "labels")
    places = labels.reshape(shape[:-1]) if labels.size == math.prod(shape[:-1]) else None
    if places is None and labels.shape == shape:
        places = labels.argmax(-1) if shape[-1] > 1 else labels[..., 0]
    if places is None or outputs.ndim < 2:
        raise ValueError(
            f"labels {list(labels.shape)} do not fit the output {name!r}, {list(shape)}: classes "
            f"[{shape[0]}], targets of the output's shape, or a class for each place "
            f"{list(shape[:-1])}."
        )
    if not np.array_equal(places, np.rint(places)):
        raise ValueError(f"labels must be whole numbers, the classes; got {labels.dtype}.")
    last = max(shape[-1] - 1, 1)
    if places.min() < 0 or places.max() > last:
        raise ValueError(
            f"labels must be 0 to {last}, the model's classes; got {places.min():g} to "
            f"{places.max():g}."
        )
    kind = "classes" if outputs.ndim == 2 else "mask"
    return Task(name, kind, places.astype(np.int64), "labels")


def _unlabelled(name: str, outputs: Array, samples: Samples, sigmoid: bool) -> Task:
    """Guess what an output is for: an autoencoder's input, classes, or values."""
    for values in samples.evaluation.values():
        if values.shape == outputs.shape and values.dtype.kind == "f" and outputs.ndim > 1:
            task = Task(name, "values", values, "the input")
            if len(samples.evaluation) == 1 and task.scores(outputs).mean() > 0:
                return task
    shares = outputs.min() >= 0 and outputs.max() <= 1
    several = outputs.ndim > 1 and outputs.shape[-1] > 1
    if several and shares and np.allclose(outputs.sum(-1), 1, atol=0.01):
        kind = "classes" if outputs.ndim == 2 else "mask"
    elif sigmoid and outputs.ndim == 2:
        kind = "labels" if several else "binary"
    elif several and outputs.ndim == 2:
        kind = "classes"
    else:
        return Task(name, "values", outputs, "float32")
    return Task(name, kind, answers(outputs, kind), "float32")


def score(tasks: list[Task], float32: Data, outputs: Data) -> Score:
    """Judge a file's outputs.

    Args:
        tasks: from `build`.
        float32: the float32 file's outputs on the evaluation samples.
        outputs: this file's.
    """
    before, now = (
        np.mean([task.scores(some[task.output]) for task in tasks], axis=0)
        for some in (float32, outputs)
    )
    n, right_or_wrong = len(now), bool(np.isin([*before, *now], (0.0, 1.0)).all())
    value, low, high = _interval(now, right_or_wrong)
    lost = before - now
    loss, half = float(lost.mean()), 0.0
    if n > 1:
        half = 1.96 * float(lost.std(ddof=1)) / math.sqrt(n)
    if right_or_wrong:
        half = max(half, 3 / n)  # nothing seen in n: up to 3 of n with 95 %
    p_value = None
    if right_or_wrong:
        ones = np.ones(n, np.int64)
        p_value = metrics.mcnemar(before.astype(np.int64), now.astype(np.int64), ones).p_value
    counted = [task for task in tasks if task.kind != "values"]
    flips = None
    if counted:
        changed = np.zeros(n, np.bool_)
        for task in counted:
            one, two = (answers(some[task.output], task.kind) for some in (float32, outputs))
            changed |= (one != two).reshape(n, -1).any(1)
        flips = int(changed.sum())
    return Score(
        value, low, high, loss, loss - half, loss + half, p_value, flips, _sqnr(float32, outputs)
    )


def _interval(scores: Array, right_or_wrong: bool) -> tuple[float, float, float]:
    """Return the mean with its 95 % interval: Wilson's, or Student's."""
    n, value = len(scores), float(scores.mean())
    if right_or_wrong:
        return value, *metrics.wilson(round(float(scores.sum())), n)
    if n < 2:
        return value, -math.inf, math.inf
    found = metrics.mean_interval(list(map(float, scores)))
    return value, found.low, min(found.high, 1.0)


def _sqnr(float32: Data, outputs: Data) -> float:
    """Return the worst output's ratio in decibels."""
    ratios = []
    for name, reference in float32.items():
        noise = float(np.square(reference.astype(np.float64) - outputs[name]).sum())
        signal = float(np.square(reference.astype(np.float64)).sum())
        ratios.append(10 * math.log10(signal / noise) if noise and signal else math.inf)
    return min(ratios, default=math.inf)


def doubts(tasks: list[Task], float32: Data) -> list[str]:
    """Return warnings about the outputs of the float32 file itself."""
    said = []
    for task in tasks:
        outputs = float32[task.output]
        spread = float(np.abs(outputs - outputs.mean(0)).max()) if len(outputs) > 1 else 1.0
        if spread <= 1e-3 * float(np.abs(outputs).max() or 1.0):
            said.append(
                f"The output {task.output!r} hardly changes from sample to sample: is the model "
                "trained, and are the inputs scaled as in training?"
            )
        if not np.isfinite(outputs).all():
            said.append(f"The output {task.output!r} holds NaN or infinities already in float32.")
        if task.kind in ("classes", "binary") and task.against == "labels":
            rate = float(task.scores(outputs).mean())
            common = float(np.bincount(task.truth).max() / len(task.truth))
            if rate <= common and len(task.truth) > 20:
                said.append(
                    f"Even float32 is right on {rate:.1%} only; always naming the most frequent "
                    f"class is right on {common:.1%}. Do labels and scaling belong to this model?"
                )
    return said


def metric_names(tasks: list[Task]) -> str:
    """Return what is measured, such as "accuracy", once for each kind."""
    return ", ".join(dict.fromkeys(task.name for task in tasks))


def shown(value: float) -> str:
    """Return a metric as text, in percent."""
    return "–" if not math.isfinite(value) else f"{100 * value:.2f}"


def tested(scores: Mapping[str, Score]) -> str:
    """Return one line for each file on whether its loss can be told from chance."""
    lines = []
    for name, found in scores.items():
        if found.p_value is not None and found.loss:
            lines.append(f"{name}: McNemar's p = {found.p_value:.2g}")
    return "; ".join(lines)
