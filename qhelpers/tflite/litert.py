"""Running a .tflite file with LiteRT."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from qhelpers import paths
from qhelpers.tflite import silence
from qhelpers.tflite.file import Array, TfliteFile

_ENGINES = {
    "xnnpack": "AUTO",
    "optimized": "BUILTIN_WITHOUT_DEFAULT_DELEGATES",
    "reference": "BUILTIN_REF",
}
_BATCH = 250
_Step = Callable[[Array], Array]


class LiteModel(TfliteFile):
    """A .tflite file that can be run; what is in it, `TfliteFile` says.

    Attributes:
        engine, threads, keep_tensors: as given.
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
        self._interpreter = self._open()
        signature = self._interpreter.get_input_details()[0].get("shape_signature", ())
        self._fixed = int(signature[0]) if len(signature) and signature[0] > 0 else 0

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

    def value(self, tensor: int | str) -> Array:
        """Return a constant, or an activation of the last run if those are kept."""
        info = self.find(tensor)
        if self._values[info.index] is not None:
            return super().value(info.index)
        if self.keep_tensors or info in self.outputs:
            with contextlib.suppress(ValueError):
                return np.array(self._interpreter.get_tensor(info.index))
        raise ValueError(
            f"the values of {info.name!r} were not kept. Open the file with "
            'LiteModel(content, engine="reference", keep_tensors=True) and run it first.'
        )

    def quantize_input(self, images: Array) -> Array:
        """Return floats [n, *input shape] without NaN in the input's dtype.

        Integers are rounded half to even and clipped.
        """
        images = np.asarray(images)
        if images.dtype.kind != "f":
            raise ValueError(f"images must be float32; got {images.dtype}. Use digits.to_float().")
        if np.isnan(images).any():
            raise ValueError("images hold NaN, which no integer stands for. Take them out first.")
        info = self.inputs[0]
        if info.dtype.kind == "f":
            return images.astype(info.dtype, copy=False)
        limits = np.iinfo(info.dtype)
        steps = np.rint(images.astype(np.float64) / float(info.scales[0]))
        raw = np.clip(steps + info.zero_points[0], limits.min, limits.max)
        return np.asarray(raw, info.dtype)

    def dequantize_output(self, raw: Array) -> Array:
        """Return raw outputs as real values: float32, scale * (raw - zero_point)."""
        info = self.outputs[0]
        if info.dtype.kind == "f":
            return raw.astype(np.float32, copy=False)
        shifted = raw.astype(np.int64) - int(info.zero_points[0])
        return np.asarray(np.float32(info.scales[0]) * shifted.astype(np.float32))

    def run_raw(self, raw: Array) -> Array:
        """Run the model on inputs in its own dtype: [n, *input shape] -> [n, *output shape]."""
        return self._in_batches(np.asarray(raw), np.asarray, np.asarray)

    def predict(self, images: Array) -> Array:
        """Run the model on float32 [n, *input shape]; quantizes before and dequantizes behind."""
        return self._in_batches(np.asarray(images), self.quantize_input, self.dequantize_output)

    def _in_batches(self, images: Array, before: _Step, after: _Step) -> Array:
        """Run all images; `before` and `after` turn a batch into raw values and back."""
        shape = self.inputs[0].shape[1:]
        if len(images) == 0 or images.shape[1:] != shape:
            wanted = ", ".join(map(str, ("n", *shape)))
            raise ValueError(f"images must be [{wanted}], n > 0; got {list(images.shape)}.")
        size = self._fixed or (len(images) if self.keep_tensors else _BATCH)
        parts = [images[i : i + size] for i in range(0, len(images), size)]
        return np.concatenate([after(self._run(before(part))) for part in parts])

    def _run(self, raw: Array) -> Array:
        """Run one batch; the interpreter is resized only where the batch's size changes."""
        info, interpreter = self.inputs[0], self._interpreter
        if raw.dtype != info.dtype:
            raise ValueError(f"raw inputs must be {info.dtype}; got {raw.dtype}.")
        count = len(raw)
        if self._fixed:
            raw = np.resize(raw, (self._fixed, *raw.shape[1:]))
        elif tuple(interpreter.get_input_details()[0]["shape"]) != raw.shape:
            with silence.quiet():
                interpreter.resize_tensor_input(info.index, raw.shape)
                interpreter.allocate_tensors()
        interpreter.set_tensor(info.index, raw)
        interpreter.invoke()
        return np.array(interpreter.get_tensor(self.outputs[0].index))[:count]

    def single(self, image: Array) -> Callable[[], None]:
        """Return a function that runs a float32 image [*input shape]: for `metrics.latency`."""
        interpreter, index = self._open(), self.inputs[0].index
        raw = self.quantize_input(np.asarray(image)[None])

        def once() -> None:
            interpreter.set_tensor(index, raw)
            interpreter.invoke()

        return once
