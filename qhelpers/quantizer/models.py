"""A model as people have it: a .keras or .h5 file, a SavedModel folder, or a .tflite file."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import re
import sys
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from qhelpers import paths
from qhelpers.quantizer.running import Data, Runner
from qhelpers.tflite import silence
from qhelpers.tflite.file import Array

_RUNS_CODE = re.compile(
    r"PyFunc|^(ReadFile|WriteFile|MatchingFiles|WholeFileReader.*|.*FileSystem.*|DebugIdentity.*"
    r"|InitializeTableFromTextFile.*|LookupTableExport.*|.*Summary.*|XlaHostCompute|Rpc.*"
    r"|FixedLengthRecordReader.*|TextLineReader.*|TFRecordReader.*|LMDB.*)$"
)
_SCALING = ("Rescaling", "Normalization")


@dataclass(frozen=True)
class Port:
    """An input or an output.

    Attributes:
        name: as the file's signature has it.
        shape: without the batch.
        dtype: of its values.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    def __str__(self) -> str:
        return f"{self.name}: {self.dtype} [{', '.join(map(str, ('n', *self.shape)))}]"


@dataclass(frozen=True)
class Model:
    """A model, ready to be quantized.

    Attributes:
        name: of the file or folder.
        float32: the content of its .tflite file in float32, or of the file that was given.
        saved: a SavedModel folder that the converter reads; None for a .tflite file.
        inputs, outputs: in the file's order.
        scales: the layer that scales the inputs inside the model, such as "Rescaling"; or "".
        rows: by input, how many rows an embedding has that reads it.
        seen: what the first normalization saw in training: (what it reads, mean, variance).
        notes: what was changed on the way.
    """

    name: str
    float32: bytes
    saved: Path | None
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    scales: str = ""
    rows: Mapping[str, int] = field(default_factory=dict)
    seen: tuple[Any, Array, Array] | None = None
    notes: tuple[str, ...] = ()

    def surprise(self, samples: Data) -> str:
        """Say in what way these inputs differ from those of the training; "" where they do not.

        The first batch normalization knows the mean and the variance of what it read then.

        Args:
            samples: as read for this model.
        """
        if self.seen is None:
            return ""
        reads, mean, variance = self.seen
        few = [np.asarray(samples[port.name][:64]) for port in self.inputs]
        with silence.quiet():
            values = np.asarray(reads(few if len(few) > 1 else few[0]))
        values = values.reshape(-1, values.shape[-1]).astype(np.float64)
        spread = float(np.sqrt(np.median(values.var(0) / variance)))
        shift = float(np.median(np.abs(values.mean(0) - mean) / np.sqrt(variance)))
        if 0.2 < spread < 5 and shift < 3:
            return ""
        return (
            f"the first normalization layer reads values that spread {spread:.2g} times as far as "
            f"in training, and lie {shift:.2g} standard deviations off. Scale the inputs as in "
            "training."
        )


def load(
    path: Path, work: Path, shapes: Mapping[str, Sequence[int]], custom: Sequence[str] = ()
) -> Model:
    """Load a model without running code from its file.

    Args:
        path: a .keras, .h5 or .tflite file, or a SavedModel folder.
        work: an empty folder for what is made on the way.
        shapes: by input ("" for the only one) the shape without the batch, where a size is open.
        custom: layers of one's own, "module:Class".

    Returns:
        The model.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it cannot be loaded, not safely, or not with these shapes.
    """
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}.")
    if path.is_file() and path.suffix == ".tflite":
        return _described(path, path.read_bytes(), None)
    if path.is_dir():
        return _from_saved_model(path)
    if path.suffix in (".h5", ".hdf5"):
        _check_h5(path)
    elif path.suffix != ".keras" or not zipfile.is_zipfile(path):
        raise ValueError(
            f"{path} is not a .keras file, nor .h5, .tflite or a SavedModel folder. Save one: "
            "model.save('model.keras')."
        )
    return _from_keras(path, work, shapes, custom)


def _quiet_tensorflow() -> Any:
    """Import TensorFlow without its greetings, and without a GPU."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
    with silence.quiet():
        return paths.require("tensorflow", extra="tensorflow")


def _check_h5(path: Path) -> None:
    """Refuse an .h5 file that is none, or that holds code; nothing in it is run for that.

    Raises:
        ValueError: as said.
    """
    h5py = paths.require("h5py", extra="tensorflow")
    try:
        with h5py.File(path, "r") as stored:
            config = stored.attrs["model_config"]
            found = json.loads(config if isinstance(config, str) else config.decode())
    except KeyError as error:
        raise ValueError(
            f"{path} holds weights without a model. Save the model: model.save('model.keras')."
        ) from error
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} is damaged or not an .h5 file.") from error
    if '"Lambda"' in json.dumps(found):  # before Keras 3.11.3 safe mode did not hold for .h5
        raise ValueError(_LAMBDA.format(path))


_LAMBDA = (
    "{} holds a Lambda layer, which is code, and code is not loaded. Write the layer as a class "
    "and name it: --custom-objects module:Class."
)


def _from_keras(
    path: Path, work: Path, shapes: Mapping[str, Sequence[int]], custom: Sequence[str]
) -> Model:
    """Load with Keras in safe mode, and export what the converter reads."""
    objects = dict(map(_custom_object, custom))
    _quiet_tensorflow()
    notes = []
    with silence.quiet():
        keras = paths.require("keras", extra="tensorflow")
        keras.config.disable_interactive_logging()
        try:
            model = keras.models.load_model(
                path, compile=False, safe_mode=True, custom_objects=objects
            )
        except Exception as error:  # whatever a strange file makes Keras raise
            raise ValueError(_why_not_loaded(path, str(error))) from error
        if not isinstance(model, keras.Model) or not getattr(model, "inputs", None):
            raise ValueError(f"{path} holds a model without inputs: build or call it, then save.")
        fixed, open_before = _fixed_shapes(path, model, shapes)
        config = json.dumps(keras.saving.serialize_keras_object(model))
        half, loops = '"mixed_' in config, '"unroll": false' in config
        if any(not np.isfinite(w).all() for w in model.get_weights() if w.dtype.kind == "f"):
            raise ValueError(f"{path}: its weights hold NaN or infinities. Train it again.")
        if half or loops:
            try:
                model = _rebuilt(keras, model, fixed, objects)
            except Exception as error:
                what = "mixed precision" if half else "a recurrent layer"
                raise ValueError(
                    f"{path}: {what}, and the model cannot be built anew from its configuration: "
                    f"{str(error).splitlines()[0]}"
                ) from error
            notes += ["Mixed precision was undone: the converter needs float32."] * half
            notes += ["Recurrent layers were unrolled: their loops cannot be calibrated."] * loops
        names = [tensor.name for tensor in model.inputs]
        if open_before:
            notes.append(f"Open sizes were fixed: {', '.join(f'{n} {s}' for n, s in open_before)}.")
        specs = [
            keras.InputSpec(shape=(None, *shape), dtype=tensor.dtype, name=tensor.name)
            for shape, tensor in zip(fixed, model.inputs, strict=True)
        ]
        try:
            archive = keras.export.ExportArchive()
            archive.track(model)
            # Layers that augment images are random unless told that nothing is being trained.
            archive.add_endpoint(
                "serve",
                lambda x: model(x, training=False),
                input_signature=[specs] if len(specs) > 1 else specs,
            )
            archive.write_out(work / "saved", verbose=False)
        except Exception as error:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise ValueError(f"{path} cannot be exported: {reason}") from error
        layers = [layer for part in model._flatten_layers() for layer in [part]]
        kinds = {type(layer).__name__ for layer in layers}
        scales = next((kind for kind in _SCALING if kind in kinds), "")
        rows = {
            name: layer.input_dim
            for layer in layers
            if type(layer).__name__ == "Embedding"
            for name in names
            if name == getattr(getattr(layer, "input", None), "name", None)
        }
        seen = _first_statistics(keras, model)
    made = _described(path, _float32(path, work / "saved"), work / "saved")
    return Model(
        path.name, made.float32, made.saved, made.inputs, made.outputs, scales, rows, seen,
        tuple(notes),
    )  # fmt: skip


def _custom_object(name: str) -> tuple[str, Any]:
    """Import "module:Class", the module from where the command was started as well."""
    module, colon, wanted = name.partition(":")
    if not colon or not module or not wanted:
        raise ValueError(f"--custom-objects {name}: write module:Class.")
    if "" not in sys.path and os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    try:
        return wanted, getattr(importlib.import_module(module), wanted)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"--custom-objects {name}: {error}.") from error


def _why_not_loaded(path: Path, said: str) -> str:
    """Return one line from what Keras says."""
    if "ambda" in said:
        return _LAMBDA.format(f"Keras cannot load {path} in safe mode: it")
    missing = re.search(r"Could not locate (?:class|function) '(\w+)'|Unknown layer: '?(\w+)", said)
    if missing:
        name = missing[1] or missing[2]
        return f"{path} has a layer {name!r} of your own. Name it: --custom-objects module:{name}."
    lines = said.strip().splitlines() or ["no reason given"]
    return f"Keras cannot load {path} in safe mode: {lines[0]}"


def _fixed_shapes(
    path: Path, model: Any, shapes: Mapping[str, Sequence[int]]
) -> tuple[list[tuple[int, ...]], list[tuple[str, list[int]]]]:
    """Return the inputs' shapes without the batch, and which of them had an open size."""
    fixed, opened = [], []
    unknown = set(shapes) - {tensor.name for tensor in model.inputs} - {""}
    if unknown or ("" in shapes and len(model.inputs) > 1):
        names = ", ".join(tensor.name for tensor in model.inputs)
        raise ValueError(f"--shape: name one of the inputs, {names}, such as NAME=32,32,3.")
    for tensor in model.inputs:
        if "string" in str(tensor.dtype):
            raise ValueError(
                f"{path}: the input {tensor.name!r} takes strings. Cut the text layer off, and "
                "feed the numbers that it makes."
            )
        own = tuple(tensor.shape[1:])
        given = shapes.get(tensor.name, shapes.get(""))
        if given is not None:
            fits = len(given) == len(own) and all(
                a in (None, b) for a, b in zip(own, given, strict=False)
            )
            if not fits:
                raise ValueError(
                    f"--shape {list(given)} does not fit {tensor.name!r}: {list(own)}."
                )
            if None in own:
                opened.append((tensor.name, list(given)))
            own = tuple(given)
        if None in own:
            raise ValueError(
                f"{path}: the input {tensor.name!r} has an open size, {list(own)}. Fix it: --shape "
                f"{','.join(str(side or 64) for side in own)}, as your device will see it."
            )
        fixed.append(own)
    return fixed, opened


def _rebuilt(
    keras: Any, model: Any, fixed: list[tuple[int, ...]], objects: Mapping[str, Any]
) -> Any:
    """Return the same model with recurrent layers unrolled and every layer in float32."""
    shapes = {t.name: [None, *shape] for t, shape in zip(model.inputs, fixed, strict=True)}

    def mended(part: Any) -> Any:
        if isinstance(part, list):
            return [mended(each) for each in part]
        if isinstance(part, str):
            return "float32" if part in ("mixed_float16", "mixed_bfloat16") else part
        if not isinstance(part, dict):
            return part
        new = {key: mended(value) for key, value in part.items()}
        if new.get("unroll") is False:
            new["unroll"] = True
        if "batch_shape" in new and (len(shapes) == 1 or new.get("name") in shapes):
            new["batch_shape"] = shapes.get(new.get("name", ""), next(iter(shapes.values())))
        return new

    config = mended(keras.saving.serialize_keras_object(model))
    with keras.saving.custom_object_scope(dict(objects)):
        new = keras.saving.deserialize_keras_object(config, safe_mode=True)
    new.set_weights(model.get_weights())
    return new


def _first_statistics(keras: Any, model: Any) -> tuple[Any, Array, Array] | None:
    """Return what the first batch normalization reads, and its mean and variance of training."""
    for layer in model.layers:
        if type(layer).__name__ != "BatchNormalization":
            continue
        mean, variance = (np.asarray(w) for w in (layer.moving_mean, layer.moving_variance))
        with contextlib.suppress(Exception):  # a layer used twice has no one input
            if (mean == 0).all() and (variance == 1).all():
                return None  # never trained
            return keras.Model(model.inputs, layer.input), mean, np.maximum(variance, 1e-12)
        return None
    return None


def _from_saved_model(path: Path) -> Model:
    """Read a SavedModel folder, after a look at its operations."""
    graph = path / "saved_model.pb"
    if not graph.is_file():
        raise ValueError(f"{path} is a folder without saved_model.pb: not a SavedModel.")
    _quiet_tensorflow()
    with silence.quiet():
        saved_model = importlib.import_module("tensorflow.core.protobuf.saved_model_pb2")
        stored = saved_model.SavedModel()
        try:
            stored.ParseFromString(graph.read_bytes())
        except Exception as error:
            raise ValueError(f"{graph} is damaged.") from error
    kinds = {
        node.op
        for part in stored.meta_graphs
        for nodes in (part.graph_def.node, *(f.node_def for f in part.graph_def.library.function))
        for node in nodes
    }
    harmful = sorted(kind for kind in kinds if _RUNS_CODE.search(kind))
    if harmful:
        raise ValueError(
            f"{path} holds operations that run code or touch files, and is not loaded: "
            f"{', '.join(harmful)}."
        )
    return _described(path, _float32(path, path), path)


def _float32(path: Path, saved: Path) -> bytes:
    """Convert without quantizing.

    Raises:
        ValueError: LiteRT has no such operation, or the converter fails; the message says which.
    """
    tf = _quiet_tensorflow()
    with silence.quiet():
        try:
            return bytes(tf.lite.TFLiteConverter.from_saved_model(str(saved)).convert())
        except Exception as error:
            names = list(dict.fromkeys(re.findall(r"'?(tf\.\w+)'? op is neither", str(error))))
            lines = [line for line in str(error).splitlines() if line.strip()] or ["no reason"]
            why = f"LiteRT has no operation for {', '.join(names)}" if names else lines[0][:300]
            raise ValueError(f"{path} cannot be converted even to float32: {why}.") from error


def _described(path: Path, content: bytes, saved: Path | None) -> Model:
    """Return a model as its .tflite file describes it.

    Raises:
        ValueError: no engine opens it, or an input takes strings or has an open size.
    """
    try:
        runner = Runner(content)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    for name, info in runner.ins.items():
        if info.kind == "string":
            raise ValueError(f"{path}: the input {name!r} takes strings, which are not quantized.")
        if -1 in runner.open[name][1:]:
            sizes = [side if side > 0 else None for side in runner.open[name]]
            raise ValueError(
                f"{path}: the input {name!r} has an open size, {sizes}, which --shape can fix in a "
                "Keras model only. Save the model with the size that your device will see."
            )
    inputs, outputs = (
        tuple(Port(name, info.shape[1:], info.dtype) for name, info in some.items())
        for some in (runner.ins, runner.outs)
    )
    return Model(path.name, content, saved, inputs, outputs)
