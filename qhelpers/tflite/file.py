"""What is in a .tflite file: tensors, operations, constants, and which type holds what."""

from __future__ import annotations

import contextlib
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from qhelpers import paths
from qhelpers.tflite import silence

_ENGINES = {
    "xnnpack": "AUTO",
    "optimized": "BUILTIN_WITHOUT_DEFAULT_DELEGATES",
    "reference": "BUILTIN_REF",
}
_IDENTIFIER = b"TFL3"
_WEIGHTED = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class TensorInfo:
    """What the file says of one tensor; `scales` is empty where it is not quantized."""

    index: int
    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    scales: Array
    zero_points: Array
    axis: int | None


@dataclass(frozen=True)
class Operation:
    """One step of the graph: its name, and the indices of the tensors it reads and writes."""

    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


class TfliteFile:
    """A .tflite file, opened: what is stored in it.

    Attributes:
        content, size, sha: the file's bytes, their number, 12 hex digits of their SHA-256.
        inputs, outputs, tensors: TensorInfo each; operations: Operation each, in running order.
    """

    def __init__(
        self,
        content: bytes | Path,
        engine: str = "xnnpack",
        threads: int = 1,
        keep_tensors: bool = False,
    ) -> None:
        """Open a file.

        Args:
            content: the file's bytes, or its path.
            engine: "xnnpack" (LiteRT's default on a CPU), "optimized" (its own fast kernels, which
                it takes where XNNPACK has none) or "reference" (plain C++ kernels).
            threads: how many threads may work on one batch.
            keep_tensors: keep every activation for `value`; then all images run as one batch.
                XNNPACK keeps none of those inside the part it takes over: use "reference".

        Raises:
            ValueError: unknown engine; or not a .tflite file, or not all of one.
        """
        if engine not in _ENGINES:
            raise ValueError(f"unknown engine {engine!r}; choose one of {', '.join(_ENGINES)}.")
        self.content = content if isinstance(content, bytes) else Path(content).read_bytes()
        self.size = len(self.content)
        self.sha = hashlib.sha256(self.content).hexdigest()[:12]
        self.engine, self.threads, self.keep_tensors = engine, threads, keep_tensors
        mark = self.content[4:8]
        if mark != _IDENTIFIER:
            raise ValueError(f"not a .tflite file: bytes 4 to 7 are {mark!r}, not {_IDENTIFIER!r}.")
        self._interpreter = self._open()
        details = self._interpreter.get_tensor_details()
        self.tensors = [_tensor(detail) for detail in details]
        graph_inputs = self._interpreter.get_input_details()
        self.inputs = [_tensor(detail) for detail in graph_inputs]
        self.outputs = [_tensor(detail) for detail in self._interpreter.get_output_details()]
        signature = graph_inputs[0].get("shape_signature", ())
        self._fixed = int(signature[0]) if len(signature) and signature[0] > 0 else 0
        self.operations = [
            Operation(step["op_name"], *(tuple(map(int, step[k])) for k in ("inputs", "outputs")))
            for step in self._interpreter._get_ops_details()
            if step["op_name"] != "DELEGATE"
        ]

    def _open(self) -> Any:
        """Return a fresh interpreter, ready for a batch of one."""
        module = paths.require("ai_edge_litert.interpreter", extra="litert")
        try:
            with silence.quiet():
                interpreter = module.Interpreter(
                    model_content=self.content,
                    num_threads=self.threads,
                    experimental_op_resolver_type=getattr(
                        module.OpResolverType, _ENGINES[self.engine]
                    ),
                    experimental_preserve_all_tensors=self.keep_tensors,
                )
                interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise ValueError(
                f"LiteRT cannot open this .tflite file of {self.size:,} bytes; it is truncated, "
                f"damaged, or needs a newer LiteRT: {error}"
            ) from error
        return interpreter

    def constants(self) -> list[TensorInfo]:
        """Return the tensors whose values are in the file: read by a step, produced by none."""
        read = {i for step in self.operations for i in step.inputs}
        made = {i for step in self.operations for i in step.outputs}
        made |= {tensor.index for tensor in self.inputs}
        return [tensor for tensor in self.tensors if tensor.index in read - made]

    def value(self, tensor: int | str) -> Array:
        """Return a constant, or an activation of the last run (see `keep_tensors`).

        Args:
            tensor: its index or its name.

        Raises:
            ValueError: there is no such tensor, or its values were not kept.
        """
        found = [t for t in self.tensors if tensor in (t.index, t.name)]
        if not found:
            names = ", ".join(t.name for t in self.tensors)
            raise ValueError(f"no tensor {tensor!r}; the file has: {names}.")
        kept = self.keep_tensors or found[0].index in {
            t.index for t in (*self.constants(), *self.outputs)
        }
        with contextlib.suppress(ValueError):
            if kept:
                return np.array(self._interpreter.get_tensor(found[0].index))
        raise ValueError(
            f"the values of {found[0].name!r} were not kept. Open the file with "
            'LiteModel(content, engine="reference", keep_tensors=True) and run it first.'
        )

    def stored_bytes(self) -> dict[str, int]:
        """Return how many bytes of constants the file holds, by dtype name."""
        sums: dict[str, int] = {}
        for tensor in self.constants():
            name = tensor.dtype.name
            sums[name] = sums.get(name, 0) + self.value(tensor.index).nbytes
        return sums

    def stored(self) -> str:
        """Return the types of weights, biases, activations and in/out, as the file has them."""
        made_by = {i: step for step in self.operations for i in step.outputs}
        kinds: dict[str, set[str]] = {"weights": set(), "biases": set(), "activations": set()}
        for step in self.operations:
            if step.name not in _WEIGHTED:
                continue
            for role, i in zip(("activations", "weights", "biases"), step.inputs, strict=False):
                if i >= 0:  # -1 stands for a bias that is not there
                    source = made_by.get(i)
                    if role != "activations" and source and source.name == "DEQUANTIZE":
                        i = source.inputs[0]
                    kinds[role].add(self.tensors[i].dtype.name)
            kinds["activations"] |= {self.tensors[i].dtype.name for i in step.outputs}
        kinds["in/out"] = {t.dtype.name for t in (*self.inputs, *self.outputs)}
        if len(set.union(*kinds.values())) == 1:
            return f"{self.inputs[0].dtype.name} throughout"
        parts = [f"{' and '.join(sorted(k))} {role}" for role, k in kinds.items() if k]
        return ", ".join(parts)


def checked_inputs(raw: Array, dtype: np.dtype[Any], shape: tuple[int, ...]) -> Array:
    """Return inputs that fit a model in its own dtype, or say what does not.

    Args:
        raw: [n, *shape] in `dtype`, n > 0.
        dtype: of the model's input.
        shape: of the model's input, without the batch.

    Raises:
        ValueError: another dtype or shape, or no input.
    """
    raw = np.asarray(raw)
    if raw.dtype != dtype or raw.shape[1:] != shape or len(raw) == 0:
        wanted = f"{dtype} [n, {', '.join(map(str, shape))}], n > 0"
        raise ValueError(f"inputs must be {wanted}; got {raw.dtype} {list(raw.shape)}.")
    return raw


def _tensor(detail: dict[str, Any]) -> TensorInfo:
    """Return a TensorInfo from the interpreter's details."""
    parameters = detail["quantization_parameters"]
    scales = np.array(parameters["scales"], np.float32)
    return TensorInfo(
        index=int(detail["index"]),
        name=str(detail["name"]),
        shape=tuple(int(length) for length in detail["shape"]),
        dtype=np.dtype(detail["dtype"]),
        scales=scales,
        zero_points=np.array(parameters["zero_points"], np.int64),
        axis=int(parameters["quantized_dimension"]) if len(scales) > 1 else None,
    )
