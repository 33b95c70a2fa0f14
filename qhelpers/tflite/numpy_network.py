"""A .tflite file computed in plain NumPy: every tensor, rounded as an engine rounds.

`operations` knows what each operation computes, `operations.rules` how each engine rounds it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import threadpoolctl

from qhelpers.arithmetic.float_order import FLOAT_RULES, FloatRules
from qhelpers.tflite import operations
from qhelpers.tflite.file import Array, TfliteFile, checked_inputs
from qhelpers.tflite.operations.rules import RULES
from qhelpers.tflite.operations.step import Step, UnknownStepError

__all__ = ["NumpyNetwork", "UnknownStepError"]

_ROOM = 1 << 20  # numbers of the largest tensor at a time: sums stay in the cache


class NumpyNetwork:
    """A .tflite file, ready to be computed in NumPy; it may branch.

    Known are int8, int16 with int8 weights, and, of a few operations, float32, float16 and dynamic
    range (dense layers). `file` says what is in the file.
    """

    def __init__(
        self, content: bytes | Path, engine: str, floats: FloatRules | None = None
    ) -> None:
        """Read a file, its bytes or its path; what is not known here is an UnknownStepError.

        Args:
            content: the file.
            engine: whose rounding to follow: "xnnpack" (LiteRT's default), "optimized" (its own
                kernels), "reference" (its plain kernels), or "micro" (LiteRT for Microcontrollers).
            floats: the order of float operations; None for the engine's usual one on x86-64. Which
                of `FLOAT_RULES` the processor at hand follows, notebook 21 finds out by trying.
        """
        if engine not in RULES:
            raise ValueError(f"unknown engine {engine!r}; choose one of {', '.join(RULES)}.")
        self.file = TfliteFile(content)
        self.name = f"{content}" if isinstance(content, Path) else f"file {self.file.sha}"
        floats = floats or next((f for f in FLOAT_RULES if f.engine == engine), None)
        self._inputs, self._outputs = self.file.inputs, self.file.outputs
        self._constants: dict[int, Array] = {}
        self._read()
        self.steps: list[Step] = []
        for step in self._needed(engine, floats):
            operations.check(step)
            if all(i in self._constants for i in step.operation.inputs):  # float16 made wide
                self._constants |= self._computed(step, self._constants)
            else:
                self.steps.append(step)
        largest = max((int(np.prod(t.shape)) for t in self.file.tensors), default=1)
        self._batch = max(1, min(256, _ROOM // max(1, largest)))
        info = self._inputs[0]
        if 0 in info.shape:
            raise ValueError(f"{self.name}: the input {info.name!r} is empty: {list(info.shape)}.")
        self.values(np.zeros((1, *info.shape), info.dtype))  # what is refused is refused now

    def _read(self) -> None:
        """Read the constants; an error names the operation that needs them."""
        for number, operation in enumerate(self.file.operations):
            where = f"{self.name}, operation {number}: {operation.name}"
            count, made = len(self.file.tensors), operation.outputs
            if not all(-1 <= i < count for i in (*operation.inputs, *made)) or -1 in made:
                raise ValueError(f"{where}: it names a tensor that is not there: damaged.")
            for i in {*operation.inputs} - {-1} - {*self._constants}:
                if self.file.is_stored(i):
                    try:
                        self._constants[i] = self.file.value(i)[None]
                    except ValueError as error:
                        name = self.file.tensors[i].name
                        raise ValueError(f"{where}: the constant {name!r}: {error}") from error

    def _needed(self, engine: str, floats: FloatRules | None) -> list[Step]:
        """Return the steps that the output depends on: a shape follows from the inputs'."""
        tensors, needed, steps = self.file.tensors, {t.index for t in self._outputs}, []
        for number, operation in reversed([*enumerate(self.file.operations)]):
            if not needed & {*operation.outputs}:
                continue
            within = self.file.schema.subgraphs[0].operators[number].intermediates
            read = [*operation.inputs, *(() if within is None else within)]
            inputs = tuple(tensors[i] if i >= 0 else None for i in read)
            outputs = tuple(tensors[i] for i in operation.outputs)
            given = number, operation, inputs, outputs, self._constants, engine, floats
            steps.append(Step(self.name, *given))
            shapes = operations.SHAPES.get(operation.name, ())
            needed |= {i for at, i in enumerate(operation.inputs) if at not in shapes}
        return steps[::-1]

    def _computed(self, step: Step, values: dict[int, Array]) -> dict[int, Array]:
        """Compute a step; a result that is not what the file announces is a ValueError."""
        try:
            found = operations.computed(step, values)
        except OverflowError as error:
            raise OverflowError(f"{step.where}: {error}") from error
        except UnknownStepError:
            raise
        except (ValueError, IndexError, TypeError, KeyError, ZeroDivisionError) as error:
            raise ValueError(f"{step.where}: {error}") from error
        for info, array in zip(step.outputs, found, strict=True):
            # Where the file says a batch of 1, it may be open, and dilation makes more of it.
            shape = (1, *array.shape[2:]) if info.shape[:1] == (1,) else array.shape[1:]
            if shape != info.shape or array.dtype != info.dtype:
                made = f"{array.dtype} {list(array.shape[1:])}"
                raise ValueError(
                    f"{step.where}: it makes {made}, and the file says {info.dtype} "
                    f"{list(info.shape)}: the file is damaged."
                )
        return {info.index: array for info, array in zip(step.outputs, found, strict=True)}

    def run(self, raw: Array) -> Array:
        """Compute what the engine returns: [n, *input shape] -> [n, *output shape].

        A sum that does not fit where the engine keeps it is an OverflowError.
        """
        raw = checked_inputs(raw, self._inputs[0])
        parts = [raw[start : start + self._batch] for start in range(0, len(raw), self._batch)]
        # Products this small gain nothing from a second thread, and wait for it on a busy machine.
        with threadpoolctl.threadpool_limits(1, "blas"):
            return np.concatenate([self.values(part)[self._outputs[0].index] for part in parts])

    def values(self, raw: Array) -> dict[int, Array]:
        """Compute one batch of inputs; return the values of all tensors by index."""
        values = self.computed(raw)
        return {
            i: v if i in self._constants else v.reshape(-1, *v.shape[2:]) for i, v in values.items()
        }

    def computed(self, raw: Array) -> dict[int, Array]:
        """Compute one batch of inputs; return what `Step` takes: [n, *the file's shape]."""
        info = self._inputs[0]
        values = self._constants | {info.index: np.asarray(raw).reshape(-1, *info.shape)}
        for step in self.steps:
            values |= self._computed(step, values)
        return values
