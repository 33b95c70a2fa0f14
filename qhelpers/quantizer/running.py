"""Running a .tflite file with any number of inputs and outputs, each known by its name."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from qhelpers import paths
from qhelpers.tflite import silence
from qhelpers.tflite.file import Array, TensorInfo, TfliteFile

Data = dict[str, Array]
"""Arrays by the name of the input or output; the first axis counts samples."""

_ENGINES = {"XNNPACK": "AUTO", "LiteRT's own kernels": "BUILTIN_WITHOUT_DEFAULT_DELEGATES"}
_BATCH = 32


class Runner(TfliteFile):
    """A .tflite file, opened on the first engine that takes it.

    Attributes:
        engine: "XNNPACK" or "LiteRT's own kernels".
        ins, outs: name -> what the file says about this input or output.
        batch: how many samples it runs at once.
        open: name of an input -> its shape, -1 where the size is open.
    """

    def __init__(self, content: bytes, keep_tensors: bool = False) -> None:
        """Open a file.

        Args:
            content: the file's bytes.
            keep_tensors: keep every activation of the last batch for `tensor`.

        Raises:
            ValueError: it is no .tflite file, or no engine takes it; the message says why.
        """
        super().__init__(content)
        self._keep = keep_tensors
        refusals = []
        for self.engine in list(_ENGINES)[1 if keep_tensors else 0 :]:
            try:
                self._interpreter = self._opened()
                break
            except (ValueError, RuntimeError) as error:
                refusals.append(_first_line(error))
        else:
            raise ValueError(f"no engine opens it: {refusals[-1]}")
        places = self._places()
        self.ins = {name: self.tensors[place] for name, place in places[0].items()}
        self.outs = {name: self.tensors[place] for name, place in places[1].items()}
        details = {d["index"]: d for d in self._interpreter.get_input_details()}
        self.open = {
            name: tuple(map(int, details[info.index]["shape_signature"])) or info.shape
            for name, info in self.ins.items()
        }
        self.batch = _BATCH if all(s and s[0] < 0 for s in self.open.values()) else 1

    def _opened(self) -> Any:
        """Return a fresh interpreter, ready for a batch of one."""
        module = paths.require("ai_edge_litert.interpreter", extra="litert")
        with silence.quiet():
            interpreter = module.Interpreter(
                model_content=self.content,
                num_threads=1,
                experimental_op_resolver_type=getattr(module.OpResolverType, _ENGINES[self.engine]),
                experimental_preserve_all_tensors=self._keep,
            )
            interpreter.allocate_tensors()
        return interpreter

    def _places(self) -> tuple[dict[str, int], dict[str, int]]:
        """Return the indices of inputs and outputs by the names that the file's signature has."""
        for key in self._interpreter.get_signature_list():
            runner = self._interpreter.get_signature_runner(key)
            found = runner.get_input_details(), runner.get_output_details()
            one, two = ({n: int(d["index"]) for n, d in some.items()} for some in found)
            order = [info.index for info in (*self.inputs, *self.outputs)]
            if {*one.values(), *two.values()} == {*order}:
                return tuple(  # type: ignore[return-value]
                    dict(sorted(some.items(), key=lambda item: order.index(item[1])))
                    for some in (one, two)
                )
        return tuple(  # type: ignore[return-value]
            {_plain(info.name): info.index for info in some} for some in (self.inputs, self.outputs)
        )

    def signatures(self) -> list[str]:
        """Return the names of the file's signatures; most have one, "serving_default"."""
        return [str(key) for key in self._interpreter.get_signature_list()]

    def run(self, samples: Mapping[str, Array]) -> Data:
        """Run real values through the file: quantized on the way in, dequantized on the way out.

        Args:
            samples: by input, [n, *shape], n > 0.

        Returns:
            By output, float32 [n, *shape].

        Raises:
            ValueError: an input is missing or has another shape, or the file fails on the values.
        """
        parts: dict[str, list[Array]] = {name: [] for name in self.outs}
        for size in self.batches(samples):
            for name, info in self.outs.items():
                values = restored(self.tensor(info.index), info)
                if values.ndim == 0 or len(values) != size:
                    raise ValueError(f"the output {name!r} does not begin with the batch's axis.")
                parts[name].append(values)
        return {name: np.concatenate(some) for name, some in parts.items()}

    def batches(self, samples: Mapping[str, Array]) -> Iterator[int]:
        """Run all samples batch by batch; arguments and errors as for `run`.

        Yields:
            How many samples this batch had: `tensor` gives its values until the next one.
        """
        count = len(next(iter(samples.values())))
        for start in range(0, count, self.batch):
            part = {n: self._raw(n, samples[n][start : start + self.batch]) for n in self.ins}
            size = min(self.batch, count - start)
            try:
                self._feed(self._interpreter, part)
                self._interpreter.invoke()
            except (ValueError, RuntimeError) as error:
                raise ValueError(f"it fails on these inputs: {_first_line(error)}") from error
            yield size

    def value_is_computed(self, index: int) -> bool:
        """Say whether a tensor is an activation, not a constant of the file."""
        return self._values[index] is None

    def tensor(self, index: int) -> Array:
        """Return the raw values of an output, or of any tensor where all are kept."""
        return np.array(self._interpreter.get_tensor(index))

    def single(self, samples: Mapping[str, Array]) -> Callable[[], None]:
        """Return a function that runs the first sample, for `metrics.latency`."""
        interpreter = self._opened()
        part = {name: self._raw(name, samples[name][:1]) for name in self.ins}
        self._feed(interpreter, part)

        def once() -> None:
            interpreter.invoke()

        return once

    def _raw(self, name: str, values: Array) -> Array:
        """Return values as this input takes them."""
        return quantized(values, self.ins[name])

    def _feed(self, interpreter: Any, part: Mapping[str, Array]) -> None:
        """Set the inputs, resizing them where the batch's size has changed."""
        sizes = {d["index"]: tuple(d["shape"]) for d in interpreter.get_input_details()}
        changed = [n for n, v in part.items() if sizes[self.ins[n].index] != v.shape]
        if changed:
            with silence.quiet():
                for name in changed:
                    interpreter.resize_tensor_input(self.ins[name].index, part[name].shape)
                interpreter.allocate_tensors()
        for name, values in part.items():
            interpreter.set_tensor(self.ins[name].index, values)


def quantized(values: Array, info: TensorInfo) -> Array:
    """Return real values in a tensor's own type: rounded half to even and clipped."""
    if info.dtype.kind == "f" or not info.scales.size:
        return np.asarray(values).astype(info.dtype, copy=False)
    limits = np.iinfo(info.dtype)
    steps = np.rint(np.asarray(values, np.float64) / float(info.scales[0])) + info.zero_points[0]
    return np.asarray(np.clip(steps, limits.min, limits.max), info.dtype)


def restored(values: Array, info: TensorInfo) -> Array:
    """Return a tensor's values as real numbers, float32, whatever the file stores."""
    if not info.scales.size:
        return np.asarray(values, np.float32)
    shape = [1] * values.ndim
    if info.axis is not None:
        shape[info.axis] = -1
    scales = info.scales.reshape(shape)
    return np.asarray(
        scales * (values.astype(np.float32) - info.zero_points.reshape(shape)), np.float32
    )


def multiply_adds(file: TfliteFile) -> int:
    """Return the multiplications of all weighted operations and matrix products, for one sample."""
    total = 0
    for step in file.operations:
        if step.name not in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "BATCH_MATMUL"):
            continue
        weights, made = file.tensors[step.inputs[1]].shape, file.tensors[step.outputs[0]].shape
        if step.name == "BATCH_MATMUL":
            each = file.tensors[step.inputs[0]].shape[-1]
        else:
            depthwise = step.name == "DEPTHWISE_CONV_2D"
            each = int(np.prod(weights[1:-1] if depthwise else weights[1:], dtype=np.int64))
        total += each * int(np.prod(made, dtype=np.int64))
    return total


def peak_memory(file: TfliteFile) -> int:
    """Return the bytes of the activations that must be kept at once, at the worst step."""
    last = {info.index: len(file.operations) for info in file.outputs}
    for at, step in enumerate(file.operations):
        last |= {i: at for i in step.inputs if last.get(i, -1) < at}
    alive, peak = {info.index for info in file.inputs}, 0
    for at, step in enumerate(file.operations):
        alive |= {*step.outputs}
        sizes = (file.tensors[i] for i in alive)
        peak = max(peak, sum(int(np.prod(t.shape)) * t.dtype.itemsize for t in sizes))
        alive = {i for i in alive if last.get(i, -1) > at}
    return peak


def _plain(name: str) -> str:
    """Return a tensor's name without what the converter puts around it."""
    return re.sub(r"^serving_default_|:\d+$", "", name)


def _first_line(error: Exception) -> str:
    """Return the first line of an engine's words, without the place in its source code."""
    lines = [line for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return re.sub(r"^\S+\.(cc|h):\d+ ", "", lines[0].strip())
