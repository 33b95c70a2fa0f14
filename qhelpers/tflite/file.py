"""What is in a .tflite file: tensors, operations with their options, constants."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from qhelpers import paths
from qhelpers.arithmetic import packing

Array = npt.NDArray[Any]

MOVES = ("QUANTIZE", "DEQUANTIZE")
"""Operations that only change types."""

_IDENTIFIER = b"TFL3"
_CONVERT = "Take the model that it was made of: `quantize` takes .keras, .h5 and SavedModel."
_AGAIN = "Copy, download or convert it again."
# How other files begin, what they are, and what to do.
_OTHERS = (
    (b"PK\3\4", "a zip archive, as .keras, .pt and .npz are", _CONVERT),
    (b"\x89HDF", "an HDF5 file, as .h5 is", _CONVERT),
    (b"GGUF", "a GGUF file", "llama.cpp runs it."),
    (b"<", "a web page or other XML", _AGAIN),
    (b"version https://git-lfs", "a pointer of Git LFS", "`git lfs pull` brings the file."),
)
_WEIGHTED = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
_BITS = {"int2": 2, "int4": 4, "uint4": 4}  # several in one byte
_DTYPES = {"int2": "int8", "int4": "int8", "uint4": "uint8", "string": "object"}


@dataclass(frozen=True, eq=False)
class TensorInfo:
    """What the file says about one tensor."""

    index: int  # its place in the file
    name: str  # may hold the names of several layers that the converter merged
    shape: tuple[int, ...]  # with a batch of 1 where the batch is open
    dtype: np.dtype[Any]  # of its values; int8 for 4-bit integers, which `value` unpacks
    scales: Array  # float32, one or one for each channel; empty where it is not quantized
    zero_points: Array  # int64, as many
    axis: int | None  # that the channels lie along; None for one scale
    kind: str  # its type as the file has it, such as "float16" or "int4"

    @property
    def plain_name(self) -> str:
        """The name without what the converter puts around those of inputs and outputs."""
        return re.sub(r"^serving_default_|:\d+$", "", self.name)

    def to_raw(self, values: Array) -> Array:
        """Return real values in the tensor's type: rounded half to even and clipped."""
        if not self.scales.size:
            return np.asarray(values).astype(self.dtype, copy=False)
        limits = np.iinfo(self.dtype)
        steps = np.rint(np.asarray(values, np.float64) / float(self.scales[0]))
        return np.asarray(np.clip(steps + self.zero_points[0], limits.min, limits.max), self.dtype)

    def to_real(self, raw: Array) -> Array:
        """Return what the tensor's values stand for: float32, scale * (raw - zero_point)."""
        if not self.scales.size:
            return np.asarray(raw, np.float32)
        shape = [1] * raw.ndim
        if self.axis is not None:
            shape[self.axis] = -1
        shifted = raw.astype(np.int64) - self.zero_points.reshape(shape)
        return np.asarray(self.scales.reshape(shape) * shifted.astype(np.float32))


@dataclass(frozen=True)
class Operation:
    """One step of the graph."""

    name: str  # as in LiteRT's schema, such as "CONV_2D"
    inputs: tuple[int, ...]  # indices of the tensors that it reads; -1 for a missing bias
    outputs: tuple[int, ...]  # indices of the tensors that it makes
    options: Mapping[str, Any]  # by their names in LiteRT's schema, such as "strideW"


class TfliteFile:
    """A .tflite file, read: what is stored in it.

    Attributes:
        content, size, sha: the file's bytes, their number, 12 hex digits of their SHA-256.
        inputs, outputs, tensors: TensorInfo each; operations: Operation each, in running order.
        schema: the same as the generated reader has it; `written` turns a changed one into a file.
    """

    def __init__(self, content: bytes | Path) -> None:
        """Read a file from its bytes or its path; a ValueError says that it is none, or damaged."""
        self.content = content if isinstance(content, bytes) else Path(content).read_bytes()
        self._path = "" if isinstance(content, bytes) else f"{content}: "
        self.size = len(self.content)
        self.sha = hashlib.sha256(self.content).hexdigest()[:12]
        if self.content[4:8] != _IDENTIFIER:
            mark = f"bytes 4 to 7 are {self.content[4:8]!r}, not {_IDENTIFIER!r}. {_AGAIN}"
            what = recognized(self.content)
            why = f", but {what}" if what else f": {mark}"
            raise ValueError(f"{self._path}not a .tflite file{why}")
        flatbuffers = paths.require("ai_edge_litert.tools.flatbuffer_utils", extra="litert")
        try:
            self.schema = model = flatbuffers.read_model_from_bytearray(bytearray(self.content))
            graph = model.subgraphs[0]
            kinds = {n: name.lower() for name, n in vars(flatbuffers.TensorType).items()}
            self.tensors = [_tensor(i, t, kinds[t.type]) for i, t in enumerate(graph.tensors)]
            stored = (model.buffers[tensor.buffer].data for tensor in graph.tensors)
            self._values = [None if d is None or not len(d) else bytes(d) for d in stored]
            self.inputs: list[TensorInfo] = [self.tensors[i] for i in graph.inputs]
            self.outputs: list[TensorInfo] = [self.tensors[i] for i in graph.outputs]
            self.operations = [
                _operation(o, flatbuffers.opcode_to_name(model, o.opcodeIndex))
                for o in graph.operators
            ]
        except Exception as error:  # the generated reader raises whatever the bytes make it
            raise self._unreadable(error) from error

    def _unreadable(self, error: Exception) -> ValueError:
        """Return the error for a file that begins like one and is none."""
        return ValueError(
            f"{self._path}cannot open this .tflite file of {self.size:,} bytes; it is truncated, "
            f"damaged, or needs a newer LiteRT. {_AGAIN} ({error})"
        )

    def constants(self) -> list[TensorInfo]:
        """Return the tensors whose values are in the file: read by a step, produced by none."""
        read = {i for step in self.operations for i in step.inputs}
        made = {i for step in self.operations for i in step.outputs}
        made |= {tensor.index for tensor in self.inputs}
        return [tensor for tensor in self.tensors if tensor.index in read - made]

    def undequantized(self, index: int) -> TensorInfo:
        """Return what a DEQUANTIZE makes a tensor from; the tensor itself if none does."""
        widened = {o.outputs[0]: o.inputs[0] for o in self.operations if o.name == "DEQUANTIZE"}
        return self.tensors[widened.get(index, index)]

    def is_stored(self, index: int) -> bool:
        """Say whether the file holds this tensor's values."""
        return self._values[index] is not None

    def float_operations(self) -> list[str]:
        """Return the kinds of operations that compute in floating point."""
        floats = {tensor.index for tensor in self.tensors if tensor.dtype.kind == "f"}
        some = (o.name for o in self.operations if floats & {*o.outputs})
        return [name for name in dict.fromkeys(some) if name not in MOVES]

    def value(self, index: int) -> Array:
        """Return the values of a constant, in its `dtype` and `shape`."""
        info, stored = self.tensors[index], self._values[index]
        if stored is None:
            raise ValueError(f"{info.name!r} is computed: the file does not hold its values.")
        raw = np.frombuffer(stored, np.uint8)
        if info.kind in _BITS:
            signed = info.dtype.kind == "i"
            count = int(np.prod(info.shape, dtype=np.int64))
            return packing.unpack(raw, _BITS[info.kind], count, signed).reshape(info.shape)
        wanted = int(np.prod(info.shape, dtype=np.int64)) * info.dtype.itemsize
        if len(raw) != wanted:
            kind = f"{info.kind} {list(info.shape)}"
            raise ValueError(f"{info.name!r} has {len(raw)} bytes, {kind} takes {wanted}: damaged.")
        return raw.view(info.dtype.newbyteorder("<")).reshape(info.shape).astype(info.dtype)

    def stored_bytes(self) -> dict[str, int]:
        """Return how many bytes of constants the file holds, by type."""
        sums: dict[str, int] = {}
        for tensor in self.constants():
            sums[tensor.kind] = sums.get(tensor.kind, 0) + len(self._values[tensor.index] or b"")
        return sums

    def stored(self) -> str:
        """Return the types of weights, biases, activations and in/out, as the file has them."""
        kinds: dict[str, set[str]] = {"weights": set(), "biases": set(), "activations": set()}
        for step in (step for step in self.operations if step.name in _WEIGHTED):
            kinds["activations"] |= {self.tensors[i].kind for i in (step.inputs[0], *step.outputs)}
            for role, i in zip(("weights", "biases"), step.inputs[1:], strict=False):
                kinds[role] |= {self.undequantized(i).kind} if i >= 0 else set()
        kinds["in/out"] = {t.kind for t in (*self.inputs, *self.outputs)}
        if len(set.union(*kinds.values())) == 1:
            return f"{self.inputs[0].kind} throughout"
        parts = [f"{' and '.join(sorted(k))} {role}" for role, k in kinds.items() if k]
        return ", ".join(parts)


def recognized(content: bytes) -> str:
    """Say what a file is that is no .tflite file, and what to do; "" where nothing shows it."""
    if not content:
        return f"an empty one. {_AGAIN}"
    for start, what, advice in _OTHERS:
        if content.startswith(start):
            return f"{what}. {advice}"
    # ONNX: the version of its format, then who made it or the graph.
    if content[:1] == b"\x08" and content[2:3] in (b"\x12", b"\x1a", b"\x3a", b"\x42"):
        return f"an ONNX file, by its first bytes. {_CONVERT}"
    return ""


def written(schema: Any) -> bytes:
    """Return the content of a file from its schema."""
    flatbuffers = paths.require("ai_edge_litert.tools.flatbuffer_utils", extra="litert")
    return bytes(flatbuffers.convert_object_to_bytearray(schema))


def checked_inputs(raw: Array, info: TensorInfo) -> Array:
    """Return inputs that fit the model's input, `info`; a ValueError says what does not."""
    raw = np.asarray(raw)
    if raw.dtype != info.dtype or raw.shape[1:] != info.shape[1:] or len(raw) == 0:
        wanted = f"{info.dtype} [n, {', '.join(map(str, info.shape[1:]))}], n > 0"
        raise ValueError(f"inputs must be {wanted}; got {raw.dtype} {list(raw.shape)}.")
    return raw


def _tensor(index: int, stored: Any, kind: str) -> TensorInfo:
    """Return what the schema's tensor says."""
    quantization = stored.quantization
    some = quantization is not None and quantization.scale is not None
    scales = np.array(quantization.scale if some else (), np.float32)
    return TensorInfo(
        index=index,
        name=(stored.name or b"").decode(),
        shape=_whole_numbers(stored.shape),
        dtype=np.dtype(_DTYPES.get(kind, kind)),
        scales=scales,
        zero_points=np.array(quantization.zeroPoint if some else (), np.int64),
        axis=int(quantization.quantizedDimension) if len(scales) > 1 else None,
        kind=kind,
    )


def _operation(stored: Any, name: str) -> Operation:
    """Return what the schema's operator says."""
    options = stored.builtinOptions or stored.builtinOptions2
    inputs, outputs = _whole_numbers(stored.inputs), _whole_numbers(stored.outputs)
    return Operation(name, inputs, outputs, vars(options) if options else {})


def _whole_numbers(stored: Any) -> tuple[int, ...]:
    """Return an array of the schema; one that is not there is empty."""
    return () if stored is None else tuple(map(int, stored))
