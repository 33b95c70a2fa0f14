"""A model of your own: its quantized files side by side, and which tensor lost the accuracy."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from qhelpers.evaluation import layer_errors, metrics
from qhelpers.evaluation.scorecard import Row, Scorecard, html_table, text_table
from qhelpers.tflite.file import Array
from qhelpers.tflite.litert import LiteModel

_PROBES = 100


@dataclass(frozen=True)
class Comparison:
    """What `compare` found: the scorecard, the outputs by file, the errors tensor by tensor."""

    card: Scorecard
    outputs: dict[str, Array]
    errors: list[layer_errors.TensorError]

    def html(self) -> str:
        """Return scorecard and table of errors as HTML."""
        if not self.errors:
            return self.card.html()
        title = "Layer by layer: int8 against float32"
        rows = map(layer_errors.cells, self.errors)
        return self.card.html() + html_table(title, layer_errors.COLUMNS, rows)

    _repr_html_ = html

    def __repr__(self) -> str:
        errors = text_table(layer_errors.COLUMNS, map(layer_errors.cells, self.errors))
        return f"{self.card.text()}\n\n{errors}"


def compare(
    files: Mapping[str, bytes],
    inputs: Array,
    labels: Array | None = None,
    *,
    refused: Mapping[str, str] | None = None,
    source: str = "your inputs",
) -> Comparison:
    """Run files of one model on the same inputs, and compare each with the float32 file.

    The scorecard is not stored among the course's rows. An int8 file's error at each tensor is that
    on the first 100 inputs.

    Args:
        files: the contents by recipe, as `conversion.quantize_all` returns them; with "float32".
        inputs: float32 [n, *input shape], as the model was trained on.
        labels: [n] whole numbers, the right classes; None: accuracy is left out.
        refused: by recipe why there is no file, for the notes.
        source: what the inputs are, for the line below the table.
    """
    if "float32" not in files:
        raise ValueError(f"files must hold a 'float32' to compare with; got {sorted(files)}.")
    names = ["float32", *(name for name in files if name != "float32")]
    models = {name: LiteModel(files[name]) for name in names}
    outputs = {name: model.predict(inputs) for name, model in models.items()}
    reference = outputs["float32"]
    if labels is not None:
        check_labels(labels, reference.shape)
    times = metrics.latency({name: model.single(inputs[0]) for name, model in models.items()})
    classes = reference.ndim == 2 and reference.shape[1] > 1
    key = hashlib.sha256(np.ascontiguousarray(inputs).data).hexdigest()[:12]
    found, notes = [], []
    for name, model in models.items():
        right = None if labels is None else metrics.accuracy(outputs[name], labels).correct
        flips = metrics.flips(reference, outputs[name]) if classes else None
        head = (name, 0, key, model.size, model.sha, right, len(inputs), flips)
        timing = (times[name].ratio, metrics.cpu_name(), model.threads)
        found.append(Row(*head, *timing, "float32", models["float32"].sha))
        if name != "float32":
            ratio = metrics.sqnr_db(reference, outputs[name])
            notes.append(f"{name}'s outputs: {ratio:.1f} dB")
    notes = [f"SQNR against float32: {'; '.join(notes)}."] if notes else []
    notes += [f"no {name} file: {why}" for name, why in (refused or {}).items()]
    errors: list[layer_errors.TensorError] = []
    if "int8" in files:
        try:
            probes = inputs[:_PROBES]
            errors = layer_errors.tensor_errors(files["float32"], files["int8"], probes)
        except ValueError as error:  # the reference kernels lack some float operations
            notes.append(f"not compared tensor by tensor: {error}")
    return Comparison(Scorecard(source, found, notes), outputs, errors)


def check_labels(labels: Array, shape: tuple[int, ...]) -> None:
    """Raise a ValueError where labels, [n] integers, do not fit outputs of `shape`."""
    if len(shape) != 2 or shape[1] < 2:
        raise ValueError(
            "labels need outputs [n, classes] with two classes or more; this model gives "
            f"{list(shape)}. Leave the labels out: the files are then compared by their outputs."
        )
    if labels.shape != shape[:1]:
        raise ValueError(f"{shape[0]} inputs need as many labels; got {list(labels.shape)}.")
    if labels.dtype.kind not in "iu":
        raise ValueError(f"labels must be whole numbers, the classes; got {labels.dtype}.")
    if labels.min() < 0 or labels.max() >= shape[1]:
        raise ValueError(
            f"labels must be 0 to {shape[1] - 1}, the model's classes; "
            f"got {labels.min()} to {labels.max()}."
        )
