"""What a model is for, and how good a file is at it: one score for each sample."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from qhelpers.evaluation import metrics
from qhelpers.quantizer.models import Model
from qhelpers.quantizer.samples import Data, Samples
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
    """What one output is compared with."""

    output: str  # its name
    kind: str  # of _NAMES: several "labels" at once, a class for each place ("mask"), real "values"
    truth: Array  # [n, ...]; float32's own answers where no labels were given
    against: str = "labels"  # or "float32", or "the input" (an autoencoder)

    @property
    def name(self) -> str:
        """The metric's name, such as "accuracy"."""
        return _NAMES[self.kind] + " v. float32" * (self.against == "float32")

    def scores(self, outputs: Array) -> Array:
        """Return float64 [n]: 1 for a sample that is wholly right; less where it is not."""
        n = len(outputs)
        if self.kind == "values":
            truth = self.truth.reshape(n, -1).astype(np.float64)
            error = np.square(outputs.reshape(truth.shape) - truth).mean(1)
            spread = np.square(truth - truth.mean(0)).mean()
            return np.asarray(1 - error / (spread or 1.0))
        return np.asarray((answers(outputs, self.kind) == self.truth).reshape(n, -1).mean(1))


@dataclass(frozen=True)
class Score:
    """How good a file is, and what it lost against float32 on the same samples."""

    value: float  # of the metric, 1 for all right
    low: float  # its 95 % interval
    high: float
    loss: float  # float32's metric less this one's
    least: float  # its 95 % interval
    most: float
    p_value: float | None  # McNemar's test, where an answer is right or wrong
    flips: int | None  # answers that differ from float32's; None for real values
    sqnr_db: float  # of the outputs against float32's


def answers(outputs: Array, kind: str) -> Array:
    """Return the answers that outputs stand for: classes, or yes and no."""
    if kind in ("classes", "mask") and outputs.shape[-1] > 1:
        return np.asarray(outputs.argmax(-1))
    probabilities = outputs.min() >= 0 and outputs.max() <= 1
    chosen = (outputs > (0.5 if probabilities else 0)).astype(np.int64)
    return np.asarray(chosen if kind == "labels" else chosen[..., 0])


def build(model: Model, samples: Samples, float32: Data) -> list[Task]:
    """Say what each output is compared with: labels, else the input, else float32's answers.

    `float32` has the float32 file's outputs on the evaluation samples.
    """
    labels = samples.labels
    if not labels:
        last = {i: step.name for step in model.file.operations for i in step.outputs}
        ends = {name: last.get(info.index) for name, info in model.file.outs.items()}
        return [_unlabelled(n, o, samples, ends[n] == "LOGISTIC") for n, o in float32.items()]
    if set(labels) <= set(float32):
        return [_labelled(name, float32[name], values) for name, values in labels.items()]
    if len(labels) > 1:
        raise ValueError(f"labels for {sorted(labels)}; the model's outputs are {list(float32)}.")
    reasons = []
    for name, outputs in float32.items():
        try:
            return [_labelled(name, outputs, next(iter(labels.values())))]
        except ValueError as error:
            reasons.append(error)
    raise reasons[0]


def _labelled(name: str, outputs: Array, labels: Array) -> Task:
    """Return the task of an output with labels, or say why these labels do not fit."""
    shape, same, single = outputs.shape, labels.shape == outputs.shape, outputs.shape[1:] == (1,)
    flags = bool(((labels == 0) | (labels == 1)).all())
    if single and labels.size == len(labels):
        if flags:
            return Task(name, "binary", labels.reshape(-1).astype(np.int64))
        return Task(name, "values", labels.reshape(shape).astype(np.float32))
    one_hot = same and flags and shape[-1] > 1 and bool((labels.sum(-1) == 1).all())
    if same and flags and outputs.ndim == 2 and not one_hot:
        return Task(name, "labels", labels.astype(np.int64))
    if same and not (flags and labels.dtype.kind in "iub") and not one_hot:
        return Task(name, "values", labels.astype(np.float32))
    if same:
        places = labels.argmax(-1) if shape[-1] > 1 else labels[..., 0]
    elif outputs.ndim > 1 and labels.size == math.prod(shape[:-1]):
        places = labels.reshape(shape[:-1])
    else:
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
    return Task(name, "classes" if outputs.ndim == 2 else "mask", places.astype(np.int64))


def _unlabelled(name: str, outputs: Array, samples: Samples, sigmoid: bool) -> Task:
    """Guess what an output is for: an autoencoder's input, classes, or values."""
    inputs = list(samples.evaluation.values())
    if len(inputs) == 1 and inputs[0].shape == outputs.shape and inputs[0].dtype.kind == "f":
        task = Task(name, "values", inputs[0], "the input")
        if task.scores(outputs).mean() > 0:
            return task
    several = outputs.ndim > 1 and outputs.shape[-1] > 1
    shares = outputs.min() >= 0 and several and np.allclose(outputs.sum(-1), 1, atol=0.01)
    kind = "values"
    if shares:
        kind = "classes" if outputs.ndim == 2 else "mask"
    elif sigmoid and outputs.ndim == 2:
        kind = "labels" if several else "binary"
    elif several and outputs.ndim == 2:
        kind = "classes"
    truth = outputs if kind == "values" else answers(outputs, kind)
    return Task(name, kind, truth, "float32")


def score(tasks: list[Task], float32: Data, outputs: Data) -> Score:
    """Judge a file's outputs beside the float32 file's, both on the evaluation samples."""
    before, now = (
        np.mean([task.scores(some[task.output]) for task in tasks], axis=0)
        for some in (float32, outputs)
    )
    n, right_or_wrong = len(now), bool(np.isin([*before, *now], (0.0, 1.0)).all())
    loss = float((before - now).mean())
    half = 1.96 * float((before - now).std(ddof=1)) / math.sqrt(n) if n > 1 else math.inf
    interval, p_value = metrics.Interval(float(now.mean()), -math.inf, math.inf), None
    if right_or_wrong:
        half = max(half, 3 / n)  # nothing seen in n: up to 3 of n with 95 %
        right, ones = now.astype(np.int64), np.ones(n, np.int64)
        interval = metrics.accuracy(right, ones)
        p_value = metrics.mcnemar(before.astype(np.int64), right, ones).p_value
    elif n > 1:
        interval = metrics.mean_interval(now.tolist())
    changed = [
        (answers(float32[task.output], task.kind) != answers(outputs[task.output], task.kind))
        .reshape(n, -1)
        .any(1)
        for task in tasks
        if task.kind != "values"
    ]
    flips = int(np.any(changed, axis=0).sum()) if changed else None
    noise = min(metrics.sqnr_db(float32[name], outputs[name]) for name in float32)
    shares = interval.value, interval.low, min(interval.high, 1.0)
    return Score(*shares, loss, loss - half, loss + half, p_value, flips, noise)


def doubts(tasks: list[Task], float32: Data) -> list[str]:
    """Return warnings about the outputs of the float32 file itself."""
    said = []
    for task in tasks:
        outputs = float32[task.output]
        spread = np.abs(outputs - outputs.mean(0)).max()
        if len(outputs) > 1 and spread <= 1e-3 * (np.abs(outputs).max() or 1.0):
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
