"""A model as people have it: a .keras or .h5 file, a SavedModel folder, or a .tflite file."""

from __future__ import annotations

import contextlib
import copy
import importlib
import json
import os
import re
import shutil
import sys
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from qhelpers import paths
from qhelpers.tflite import conversion, litert, silence
from qhelpers.tflite.file import Array, TensorInfo, TfliteFile, recognized, written
from qhelpers.tflite.litert import LiteModel

_RUNS_CODE = re.compile(
    r"PyFunc|^(ReadFile|WriteFile|MatchingFiles|WholeFileReader.*|.*FileSystem.*|DebugIdentity.*"
    r"|InitializeTableFromTextFile.*|LookupTableExport.*|.*Summary.*|XlaHostCompute|Rpc.*"
    r"|FixedLengthRecordReader.*|TextLineReader.*|TFRecordReader.*|LMDB.*)$"
)
_LAMBDA = (
    "{} holds a Lambda layer, which is code, and code is not loaded. Write the layer as a class "
    "and name it: --custom-objects module:Class."
)
_H5 = (".h5", ".hdf5")
_CALLS = ("TFOpLambda", "SlicingOpLambda", "TensorFlowOpLayer", "ClassMethod", "InstanceMethod")
Shapes = Mapping[str, Sequence[int]]
"""By input, "" for the only one, its shape without the batch."""
Ports = Mapping[str, tuple[str, Sequence[int | None]]]  # type and shape, None for an open size


@dataclass(frozen=True)
class Model:
    """A model, ready to be quantized."""

    file: LiteModel  # in float32, or as it was given
    saved: Path | None = None  # a SavedModel that the converter reads; None for a .tflite file
    reach: float = 0.0  # of the inputs that a layer of the model scales; 0 for no such layer
    rows: Mapping[str, int] = field(default_factory=dict)  # by input, of an embedding that reads it
    seen: tuple[Any, Array, Array] | None = None  # see `_first_statistics`
    notes: tuple[str, ...] = ()  # what was changed on the way

    def surprise(self, samples: Mapping[str, Array]) -> str:
        """Say in what way inputs differ from those of the training; "" where nothing shows it."""
        if self.seen is None:
            return ""
        reads, mean, variance = self.seen
        few = [samples[name][:64] for name in self.file.ins]
        with silence.quiet():
            values = np.asarray(reads(few if len(few) > 1 else few[0]), np.float64)
        values = values.reshape(-1, values.shape[-1])
        spread = float(np.sqrt(np.median(values.var(0) / variance)))
        shift = float(np.median(np.abs(values.mean(0) - mean) / np.sqrt(variance)))
        if 0.2 < spread < 5 and shift < 3:
            return ""
        return (
            "These inputs are unlike those of the training: the first normalization layer reads "
            f"values that spread {spread:.2g} times as far, and lie {shift:.2g} standard "
            "deviations off. Scale the inputs as in training."
        )


def described(name: str, info: TensorInfo) -> str:
    """Return an input or output in words, such as "picture: float32 [n, 8, 8, 1]"."""
    return f"{name}: {info.kind} [{', '.join(map(str, ('n', *info.shape[1:])))}]"


def load(path: Path, work: Path, shapes: Shapes, custom: Sequence[str] = ()) -> Model:
    """Load a model without running code from its file, a .keras, .h5 or .tflite, or SavedModel.

    `work` is an empty folder for what is made on the way; `shapes` fixes open sizes; `custom` names
    layers of one's own, "module:Class".
    """
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}.")
    if path.suffix == ".tflite" and path.is_file():
        return _opened(path, path.read_bytes(), None, shapes)
    if path.is_dir():
        saved = _checked_saved_model(path, work)
        return _opened(path, _float32(path, saved), saved, shapes)
    if path.suffix not in _H5 and not (path.suffix == ".keras" and zipfile.is_zipfile(path)):
        what = recognized(path.read_bytes()[:64]) if path.suffix != ".keras" else ""
        raise ValueError(
            f"{path} is not a .keras file, nor .h5, .tflite or a SavedModel folder. Save one: "
            f"model.save('model.keras').{what and f' It is {what}'}"
        )
    return _from_keras(path, work, shapes, custom)


def quantized(file: TfliteFile) -> bool:
    """Say whether a file is quantized: it holds weights with scales, or half floats."""
    return any(t.scales.size or t.kind == "float16" for t in file.constants())


def _opened(path: Path, content: bytes, saved: Path | None, shapes: Shapes) -> Model:
    """Return the model of a float32 .tflite file; its open sizes are fixed in the file."""
    with about(path):
        file = TfliteFile(content)
        if quantized(file):
            raise ValueError(
                f"it is quantized already ({file.stored()}). Bring the float32 model that it was "
                f"made from. What is in it: python -m qhelpers inspect {path}"
            )
        codes = file.schema.operatorCodes
        if any(code.builtinCode < code.deprecatedBuiltinCode for code in codes):
            for code in codes:  # files of 2020 have only these, which LiteRT Quantizer passes over
                code.builtinCode = max(code.builtinCode, code.deprecatedBuiltinCode)
            content = written(file.schema)
        inputs: dict[str, tuple[str, Sequence[int | None]]] = {}
        for info in file.inputs:
            signature = file.schema.subgraphs[0].tensors[info.index].shapeSignature
            size = (info.shape if signature is None else signature)[1:]
            inputs[info.plain_name] = info.kind, [int(n) if n >= 0 else None for n in size]
        fixed = _fixed(inputs, shapes)
        if not any(None in size for _, size in inputs.values()):
            return Model(litert.opened(content), saved)
        note = "Open sizes were fixed in the .tflite file: LiteRT Quantizer makes every recipe."
        return Model(litert.opened(_resized(file, fixed)), notes=(note,))


@contextlib.contextmanager
def about(path: Path) -> Iterator[None]:
    """Name the file that an error inside the block is about."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _fixed(inputs: Ports, shapes: Shapes) -> dict[str, tuple[int, ...]]:
    """Return each input's shape without the batch."""
    if set(shapes) - set(inputs) - {""} or ("" in shapes and len(inputs) > 1):
        names = ", ".join(inputs)
        raise ValueError(f"--shape: name one of the inputs, {names}, such as NAME=32,32,3.")
    found = {}
    for name, (kind, size) in inputs.items():
        if kind == "string":
            raise ValueError(
                f"the input {name!r} takes strings. Cut the text layer off, and feed the "
                "numbers that it makes."
            )
        given = shapes.get(name, shapes.get("", size))
        if len(given) != len(size) or any(
            a not in (None, b) for a, b in zip(size, given, strict=False)
        ):
            raise ValueError(f"--shape {list(given)} does not fit {name!r}: {list(size)}.")
        if None in given:
            raise ValueError(
                f"the input {name!r} has an open size, {list(size)}. Fix it: --shape "
                f"{','.join(str(side or 64) for side in size)}, as your device will see it."
            )
        found[name] = tuple(side for side in given if side)
    return found


def _resized(file: TfliteFile, shapes: Mapping[str, tuple[int, ...]]) -> bytes:
    """Return a file with fixed sizes, and the shapes that follow from them in all its tensors."""
    schema = copy.deepcopy(file.schema)
    tensors = schema.subgraphs[0].tensors
    for info in file.inputs:
        tensors[info.index].shape = [1, *shapes[info.plain_name]]
        tensors[info.index].shapeSignature = [-1, *shapes[info.plain_name]]
    kept = LiteModel(written(schema), "optimized", keep_tensors=True)
    kept.invoke({name: np.zeros(info.shape, info.dtype) for name, info in kept.ins.items()})
    for index in {i for step in file.operations for i in step.outputs}:
        signature, shape = tensors[index].shapeSignature, list(kept.value(index).shape)
        batched = signature is not None and len(shape) > 0 and signature[0] < 0
        tensors[index].shape = shape
        tensors[index].shapeSignature = [-1, *shape[1:]] if batched else shape
    return written(schema)


def _tensorflow() -> Any:
    """Import TensorFlow without its greetings, and without a GPU."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
    with silence.quiet():
        return paths.require("tensorflow", extra="tensorflow")


def _checked_h5(path: Path, work: Path) -> Path:
    """Return a copy as Keras 3 reads it; refuse a file that is none, or that holds code, unrun."""
    h5py = paths.require("h5py", extra="tensorflow")
    made = Path(shutil.copyfile(path, work / "model.h5"))
    try:
        with h5py.File(made, "r+") as stored:
            found = json.loads(stored.attrs["model_config"], object_hook=_keras_3)
            stored.attrs["model_config"] = json.dumps(found)
    except KeyError as error:
        raise ValueError(
            f"{path} holds weights without a model. Save the model: model.save('model.keras')."
        ) from error
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} is damaged or not an .h5 file.") from error
    if '"Lambda"' in json.dumps(found):  # before Keras 3.11.3 safe mode did not hold for .h5
        raise ValueError(_LAMBDA.format(path))
    return made


def _keras_3(config: dict[str, Any]) -> dict[str, Any]:
    """Return a layer's configuration without what Keras 2 wrote into it and Keras 3 refuses."""
    gone = [
        key for key, usual in (("groups", 1), ("time_major", False)) if config.get(key) == usual
    ]
    if "pointwise_initializer" in config:  # a separable convolution has no kernel of this name
        gone += ["kernel_initializer", "kernel_regularizer", "kernel_constraint"]
    return {key: value for key, value in config.items() if key not in gone}


def _checked_saved_model(path: Path, work: Path) -> Path:
    """Return a copy without an optimizer's state, which TensorFlow cannot load for all Keras' ages.

    Refuses a folder that is no SavedModel, or whose operations run code or touch files.
    """
    graph = path / "saved_model.pb"
    if not graph.is_file():
        raise ValueError(f"{path} is a folder without saved_model.pb: not a SavedModel.")
    _tensorflow()
    stored = importlib.import_module("tensorflow.core.protobuf.saved_model_pb2").SavedModel()
    try:
        stored.ParseFromString(graph.read_bytes())
    except Exception as error:
        raise ValueError(f"{graph} is damaged.") from error
    kinds = {
        node.op
        for graph in (part.graph_def for part in stored.meta_graphs)
        for nodes in (graph.node, *(function.node_def for function in graph.library.function))
        for node in nodes
    }
    harmful = sorted(filter(_RUNS_CODE.search, kinds))
    if harmful:
        raise ValueError(
            f"{path} holds operations that run code or touch files, and is not loaded: "
            f"{', '.join(harmful)}."
        )
    for part in stored.meta_graphs:
        for node in part.object_graph_def.nodes:
            node.ClearField("slot_variables")
    made = Path(shutil.copytree(path, work / "given", dirs_exist_ok=True))
    (made / "saved_model.pb").write_bytes(stored.SerializeToString())
    return made


def _float32(path: Path, saved: Path) -> bytes:
    """Convert without quantizing."""
    tf = _tensorflow()
    try:
        with silence.quiet():
            converter = tf.lite.TFLiteConverter.from_saved_model(str(saved))
        return conversion.converted(converter, "float32", list)
    except Exception as error:  # whatever the converter meets
        why = first_line(error)
        raise ValueError(f"{path} cannot be converted even to float32: {why}") from error


def first_line(error: Exception | str) -> str:
    """Return the first line of what an exception says, behind what Keras puts before it."""
    said = re.sub(r"\x1b\[\d*m|^Exception encountered when calling .*", "", str(error)).strip()
    return (said.splitlines() or [type(error).__name__])[0].strip()[:240]


def _from_keras(path: Path, work: Path, shapes: Shapes, custom: Sequence[str]) -> Model:
    """Load with Keras in safe mode, and export what the converter reads."""
    objects = dict(map(_custom_object, custom))
    _tensorflow()
    keras = paths.require("keras", extra="tensorflow")
    with silence.quiet():
        readable = _checked_h5(path, work) if path.suffix in _H5 else path
        model = _loaded(keras, path, readable, objects)
        sizes = {t.name: (str(t.dtype), list(t.shape[1:])) for t in model.inputs}
        with about(path):
            fixed = _fixed(sizes, shapes)
        config = json.dumps(keras.saving.serialize_keras_object(model))
        if '"stateful": true' in config:
            raise ValueError(f"{path} keeps a state between calls. Build it with stateful=False.")
        half, loops = '"mixed_' in config, '"unroll": false' in config
        notes = ["Mixed precision was undone: the converter needs float32."] * half
        notes += ["Recurrent layers were unrolled: their loops cannot be calibrated."] * loops
        notes += [f"{n}'s open size: {fixed[n]}." for n, (_, s) in sizes.items() if None in s]
        try:
            if half or loops:
                with keras.saving.custom_object_scope(objects):
                    model = _rebuilt(keras, model, config, fixed)
            _export(keras, model, fixed, work / "saved")
        except Exception as error:
            what = f"{path} cannot be built anew and exported: {first_line(error)}"
            raise ValueError(what) from error
        kinds = [(type(layer).__name__, layer) for layer in model._flatten_layers()]
        scaling = [part for kind, part in kinds if kind in ("Rescaling", "Normalization")]
        rows = {
            layer.input.name: layer.input_dim
            for kind, layer in kinds
            if kind == "Embedding" and len(layer._inbound_nodes) == 1
        }
        seen = _first_statistics(keras, model)
    made = _opened(path, _float32(path, work / "saved"), work / "saved", {})
    reach = _reach(scaling[0]) if scaling else 0.0
    return replace(made, reach=reach, rows=rows, seen=seen, notes=tuple(notes))


def _reach(layer: Any) -> float:
    """Return about how large the inputs are that a Rescaling or Normalization layer expects."""
    if hasattr(layer, "scale"):
        return float(np.max(1 / np.abs(layer.scale)))
    return float(np.max(np.abs(layer.mean) + np.sqrt(layer.variance)))


def _loaded(keras: Any, path: Path, readable: Path, objects: Mapping[str, Any]) -> Any:
    """Load a model in safe mode; what Keras raises becomes one line."""
    keras.config.disable_interactive_logging()
    try:
        model = keras.models.load_model(readable, objects, compile=False, safe_mode=True)
    except Exception as error:  # whatever a strange file makes Keras raise
        known = r"(?:Could not locate (?:class|function) '|Unknown layer: '?)(\w+)"
        missing = re.search(known, str(error))
        export = (
            "Where it was made, call tf.saved_model.save(model, 'saved'), and bring the folder."
        )
        cause = first_line(str(error).rpartition("Exception encountered: ")[2])
        why = f"Keras cannot load {path} in safe mode: {cause} {export}"
        if missing and missing[1] in _CALLS:
            why = f"{path} calls TensorFlow's functions as Keras 2 alone can. {export}"
        elif "ambda" in str(error):
            why = _LAMBDA.format(f"Keras cannot load {path} in safe mode: it")
        elif missing:
            name = f"a layer {missing[1]!r} of your own"
            why = f"{path} has {name}. Name it: --custom-objects module:{missing[1]}."
        raise ValueError(why) from error
    if not getattr(model, "inputs", None):
        raise ValueError(f"{path} holds a model without inputs: build or call it, then save.")
    if any(not np.isfinite(w).all() for w in model.get_weights() if w.dtype.kind == "f"):
        raise ValueError(f"{path}: its weights hold NaN or infinities. Train it again.")
    return model


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


def _rebuilt(keras: Any, model: Any, config: str, shapes: Mapping[str, tuple[int, ...]]) -> Any:
    """Return the same model with recurrent layers unrolled and every layer in float32."""

    def mended(part: dict[str, Any]) -> dict[str, Any]:
        if part.get("unroll") is False:
            part["unroll"] = True
        if "batch_shape" in part and (len(shapes) == 1 or part.get("name") in shapes):
            own = shapes.get(part.get("name", ""), next(iter(shapes.values())))
            part["batch_shape"] = [None, *own]
        return part

    floats = re.sub('"mixed_b?float16"', '"float32"', config)
    new = keras.saving.deserialize_keras_object(json.loads(floats, object_hook=mended))
    new.set_weights(model.get_weights())
    return new


def _export(keras: Any, model: Any, shapes: Mapping[str, tuple[int, ...]], folder: Path) -> None:
    """Write a SavedModel whose inputs have these shapes."""
    specs = [
        keras.InputSpec(shape=(None, *shapes[t.name]), dtype=t.dtype, name=t.name)
        for t in model.inputs
    ]
    archive = keras.export.ExportArchive()
    archive.track(model)
    # Layers that augment images are random unless told that nothing is being trained.
    archive.add_endpoint(
        "serve",
        lambda x: model(x, training=False),
        input_signature=[specs] if len(specs) > 1 else specs,
    )
    archive.write_out(folder, verbose=False)


def _first_statistics(keras: Any, model: Any) -> tuple[Any, Array, Array] | None:
    """Return what the first batch normalization reads, and its mean and variance of training."""
    norms = [layer for layer in model.layers if type(layer).__name__ == "BatchNormalization"]
    if norms:
        mean, variance = (np.asarray(w) for w in (norms[0].moving_mean, norms[0].moving_variance))
        trained = (mean != 0).any() or (variance != 1).any()
        with contextlib.suppress(Exception):  # a layer used twice has no one input
            reads = keras.Model(model.inputs, norms[0].input)
            return (reads, mean, np.maximum(variance, 1e-12)) if trained else None
    return None
