"""Running a .tflite file with LiteRT."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from qhelpers import paths
from qhelpers.tflite import silence
from qhelpers.tflite.file import Array, TensorInfo, TfliteFile

_ENGINES = {
    "xnnpack": "AUTO",
    "optimized": "BUILTIN_WITHOUT_DEFAULT_DELEGATES",
    "reference": "BUILTIN_REF",
}
_BATCH = {"xnnpack": 50, "optimized": 250, "reference": 250}  # XNNPACK keeps what one took


class LiteModel(TfliteFile):
    """A .tflite file that can be run; what is in it, `TfliteFile` says.

    Attributes:
        engine, threads, keep_tensors: as given.
        ins, outs: inputs and outputs by the names that the file's signature gives them.
        interpreter: LiteRT's own object.
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
        super().__init__(content)
        self.engine, self.threads, self.keep_tensors = engine, threads, keep_tensors
        self.interpreter = self._open()
        self.ins, self.outs = self._named(self.inputs), self._named(self.outputs)
        sizes = [d["shape_signature"] for d in self.interpreter.get_input_details()]
        self._fixed = max((int(size[0]) if len(size) else 1 for size in sizes), default=1)

    def _open(self) -> Any:
        """Return a fresh interpreter, ready for a batch of one."""
        module = paths.require("ai_edge_litert.interpreter", extra="litert")
        try:
            with silence.quiet():
                resolver = getattr(module.OpResolverType, _ENGINES[self.engine])
                interpreter = module.Interpreter(
                    model_content=self.content,
                    num_threads=self.threads,
                    experimental_op_resolver_type=resolver,
                    experimental_preserve_all_tensors=self.keep_tensors,
                )
                interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise self._unreadable(error) from error
        return interpreter

    def _named(self, ports: list[TensorInfo]) -> dict[str, TensorInfo]:
        """Return inputs or outputs by the signature's names, else by those of their tensors."""
        names = {info.index: info.plain_name for info in ports}
        for key in list(self.interpreter.get_signature_list())[:1]:
            runner = self.interpreter.get_signature_runner(key)
            found = {**runner.get_input_details(), **runner.get_output_details()}
            names |= {d["index"]: name for name, d in found.items() if d["index"] in names}
        return {names[info.index]: info for info in ports}

    def value(self, index: int) -> Array:
        """Return a constant, or an activation of the last run if those are kept."""
        if self.is_stored(index):
            return super().value(index)
        info = self.tensors[index]
        if self.keep_tensors or info in self.outputs:
            with contextlib.suppress(ValueError):
                return np.array(self.interpreter.get_tensor(index))
        raise ValueError(
            f"the values of {info.name!r} were not kept. Open the file with "
            'LiteModel(content, engine="reference", keep_tensors=True) and run it first.'
        )

    def predict(self, images: Array) -> Array:
        """Run the model on floats [n, *input shape]; quantizes before and dequantizes behind."""
        images = np.asarray(images)
        if images.dtype.kind != "f":
            advice = "Use data.to_float(images)."
            raise ValueError(f"images must be floats; got {images.dtype}. {advice}")
        if np.isnan(images).any():
            raise ValueError("images hold NaN, which no integer stands for. Take them out first.")
        return self.outputs[0].to_real(self._outputs(images, raw=False))

    def run_raw(self, raw: Array) -> Array:
        """Run the model on inputs in its own dtype: [n, *input shape] -> [n, *output shape]."""
        return self._outputs(np.asarray(raw), raw=True)

    def _outputs(self, images: Array, raw: bool) -> Array:
        """Run real values or raw ones of the first input; return those of the first output, raw."""
        info, output = self.inputs[0], self.outputs[0].index
        if len(images) == 0 or images.shape[1:] != info.shape[1:]:
            wanted = ", ".join(map(str, ("n", *info.shape[1:])))
            raise ValueError(f"images must be [{wanted}], n > 0; got {list(images.shape)}.")
        if raw and images.dtype != info.dtype:
            raise ValueError(f"raw inputs must be {info.dtype}; got {images.dtype}.")
        size = len(images) if self.keep_tensors else _BATCH[self.engine]
        runs = self.batches({next(iter(self.ins)): images}, size, raw)
        return np.concatenate([self.value(output)[:n] for n in runs])

    def run(self, samples: Mapping[str, Array]) -> dict[str, Array]:
        """Run real values by the inputs' names, [n, *shape]; return real values by the outputs'."""
        parts: dict[str, list[Array]] = {name: [] for name in self.outs}
        for count in self.batches(samples):
            for name, info in self.outs.items():
                values = self.value(info.index)
                if values.ndim == 0 or len(values) < count:
                    raise ValueError(f"the output {name!r} does not begin with the batch's axis.")
                parts[name].append(info.to_real(values[:count]))
        return {name: np.concatenate(some) for name, some in parts.items()}

    def batches(
        self, samples: Mapping[str, Array], size: int = 8, raw: bool = False
    ) -> Iterator[int]:
        """Run real values, or raw ones, by the inputs' names, in batches of `size`.

        A file that takes one size only gets that. Each batch is quantized when its turn comes.

        Yields:
            How many samples have just run: `value` has their results until the next ones.
        """
        size = self._fixed if self._fixed > 0 else size
        count = len(samples[next(iter(self.ins))])
        for start in range(0, count, size):
            part = {name: samples[name][start : start + size] for name in self.ins}
            if not raw:
                part = {name: self.ins[name].to_raw(values) for name, values in part.items()}
            if self._fixed > 0:  # the last ones are filled up
                part = {name: np.resize(v, (size, *v.shape[1:])) for name, v in part.items()}
            self.invoke(part)
            yield min(size, count - start)

    def invoke(self, raw: Mapping[str, Array]) -> None:
        """Run one batch of raw inputs, by name; `value` has the results."""
        try:
            self._feed(self.interpreter, raw)
            self.interpreter.invoke()
        except RuntimeError as error:
            raise ValueError(f"it fails on these inputs: {error}") from error

    def _feed(self, interpreter: Any, raw: Mapping[str, Array]) -> None:
        """Set the inputs; the interpreter is resized only where their shapes change."""
        shapes = {d["index"]: tuple(d["shape"]) for d in interpreter.get_input_details()}
        places = {self.ins[name].index: values for name, values in raw.items()}
        if any(shapes[place] != values.shape for place, values in places.items()):
            with silence.quiet():
                for place, values in places.items():
                    interpreter.resize_tensor_input(place, values.shape)
                interpreter.allocate_tensors()
        interpreter.reset_all_variables()  # what an LSTM remembers of the inputs before
        for place, values in places.items():
            interpreter.set_tensor(place, values)

    def single(self, image: Array | Mapping[str, Array]) -> Callable[[], None]:
        """Return a function that runs one sample: for `metrics.latency`.

        Args:
            image: float32 [*input shape], or one such array for each input, by name.
        """
        interpreter = self._open()
        inputs = image if isinstance(image, Mapping) else {next(iter(self.ins)): image}
        raw = {n: i.to_raw(np.asarray(inputs[n])[None]) for n, i in self.ins.items()}
        self._feed(interpreter, raw)

        def once() -> None:
            for name, values in raw.items():
                interpreter.set_tensor(self.ins[name].index, values)
            interpreter.invoke()

        return once


def opened(content: bytes) -> LiteModel:
    """Open a file on XNNPACK, or on LiteRT's own kernels where XNNPACK does not take it."""
    try:
        return LiteModel(content)
    except ValueError:
        return LiteModel(content, engine="optimized")
