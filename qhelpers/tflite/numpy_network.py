"""A quantized .tflite file computed in plain NumPy: every tensor, with an engine's rounding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import threadpoolctl

from qhelpers.arithmetic import addition, integer_ops, requantization
from qhelpers.tflite.file import TensorInfo, TfliteFile, checked_inputs
from qhelpers.tflite.steps import Step, UnknownStepError, read

__all__ = ["NumpyNetwork", "UnknownStepError"]

Array = npt.NDArray[Any]
Values = Mapping[int, Array]

_BATCH = 64  # small enough for a layer's sums to stay in the processor's cache


class NumpyNetwork:
    """A .tflite file with int8 or int16 activations, ready to be computed in NumPy."""

    def __init__(self, content: bytes | Path, engine: str) -> None:
        """Read a file.

        Args:
            content: the file's bytes, or its path.
            engine: whose rounding to follow: "xnnpack" (LiteRT's default for int8), "optimized"
                (its default for 16x8), "reference" (its plain kernels), or "micro" (LiteRT for
                Microcontrollers).

        Raises:
            ValueError: unknown engine; or not a .tflite file.
            UnknownStepError: an operation, type, padding or option that is not known here.
        """
        if engine not in requantization.ENGINES:
            known = ", ".join(requantization.ENGINES)
            raise ValueError(f"unknown engine {engine!r}; choose one of {known}.")
        self.engine = engine
        self.file = TfliteFile(content, engine="reference")
        self._tensors = {tensor.index: tensor for tensor in self.file.tensors}
        self._constants = {t.index: self.file.value(t.index) for t in self.file.constants()}
        self._steps = read(self.file)
        for step in self._steps:
            self._check(step)
        self._fused = _with_pooled_sums(self._steps)

    def run(self, raw: Array) -> Array:
        """Compute the outputs.

        A pooling right behind a convolution takes the largest sums here, before they are scaled:
        rounding keeps order, so the result is the same, and there is less to round.

        Args:
            raw: [n, *input shape] in the input's dtype.

        Returns:
            [n, *output shape] in the output's dtype: what the engine returns.

        Raises:
            ValueError: wrong dtype or shape.
            OverflowError: a sum that does not fit where the engine keeps it.
        """
        info, output = self.file.inputs[0], self.file.outputs[0].index
        raw = checked_inputs(raw, info.dtype, info.shape[1:])
        parts = [raw[start : start + _BATCH] for start in range(0, len(raw), _BATCH)]
        # Products this small gain nothing from a second thread, and wait for it on a busy machine.
        with threadpoolctl.threadpool_limits(1, "blas"):
            return np.concatenate([self._compute(self._fused, part)[output] for part in parts])

    def layers(self, raw: Array) -> dict[str, Array]:
        """Compute every activation: name of the tensor -> values, in running order.

        Args:
            raw: [n, *input shape] in the input's dtype; they run as one batch.

        Raises:
            ValueError: wrong dtype or shape.
            OverflowError: a sum that does not fit where the engine keeps it.
        """
        info = self.file.inputs[0]
        values = self._compute(self._steps, checked_inputs(raw, info.dtype, info.shape[1:]))
        return {self._tensors[index].name: value for index, value in values.items()}

    def _compute(self, steps: Sequence[Step], raw: Array) -> dict[int, Array]:
        """Run steps in order; index of the tensor -> values."""
        values = {self.file.inputs[0].index: raw}
        for step in steps:
            values[step.output] = _KINDS[step.name](self, step, values)
        return values

    def _check(self, step: Step) -> None:
        """Raise UnknownStepError where a step's tensors have types that it is not known for."""
        if step.name not in _KINDS:
            step.refuse("this operation is not known", self._tensors)
        info, source = self._tensors[step.output], self._tensors[step.inputs[0]]
        left_over = np.prod(info.shape[1:]) % 8 > 0 and source.dtype == np.float32
        if step.name == "QUANTIZE" and self.engine == "optimized" and left_over:
            step.refuse("the numbers left over from groups of 8 are not known", self._tensors)
        integers = step.name == "QUANTIZE" and source.dtype != np.float32
        if integers and not _same_ruler(source, info):
            step.refuse("a change of scale between integers is not known", self._tensors)
        if step.name in ("QUANTIZE", "DEQUANTIZE", "RESHAPE"):
            return
        bits = info.dtype.itemsize * 8
        known = (
            step.name == "MAX_POOL_2D" or (step.name, bits) in requantization.ENGINES[self.engine]
        )
        known |= step.name == "ADD" and bits in addition.ENGINES[self.engine]
        if info.dtype.name not in ("int8", "int16") or source.dtype != info.dtype:
            step.refuse(f"{source.dtype} in, {info.dtype} out is not known", self._tensors)
        if not known:
            step.refuse(f"{self.engine} has no rule for {info.dtype}", self._tensors)
        if step.name in ("CONV_2D", "FULLY_CONNECTED"):
            weights = self._tensors[step.inputs[1]]
            if weights.dtype != np.int8 or weights.index not in self._constants:
                step.refuse(f"weights of {weights.dtype} are not known", self._tensors)
            if weights.zero_points.any():
                step.refuse("weights with a zero point other than 0", self._tensors)
        if step.name == "CONV_2D" and weights.shape[3] != source.shape[3]:
            step.refuse("a convolution in groups is not known", self._tensors)

    def _weights(self, step: Step) -> tuple[Array, Array | None, int]:
        """Return a layer's weights, its bias or None, and its input's zero point."""
        source, weight, *rest = step.inputs
        bias = self._constants[rest[0]] if rest and rest[0] >= 0 else None
        return self._constants[weight], bias, int(self._tensors[source].zero_points[0])

    def _requantize(self, step: Step, sums: Array) -> Array:
        """Scale a layer's sums to its output's ruler, as the engine does."""
        source, weights, output = (
            self._tensors[index] for index in (*step.inputs[:2], step.output)
        )
        rules, bits = requantization.ENGINES[self.engine], output.dtype.itemsize * 8
        rule = rules[step.name, bits]
        if step.bias_bits == 32 and (len(step.inputs) < 3 or step.inputs[2] < 0):
            rule = rules.get((f"{step.name} without bias", bits), rule)
        scales = source.scales[0], weights.scales
        if (
            step.name == "FULLY_CONNECTED"
            and len(weights.scales) == 1
            and rule != requantization.float64
        ):
            # With one scale for the tensor, the kernels multiply the two scales in float32.
            scales = np.float32(source.scales[0] * weights.scales[0]), np.ones(1, np.float32)
        return integer_ops.requantize(
            sums,
            rule,
            *(*scales, output.scales[0], int(output.zero_points[0])),
            dtype=output.dtype,
            relu=step.relu,
        )

    def _convolution(self, step: Step, values: Values) -> Array:
        windows = step.stride, step.padding, step.dilation
        images, weights = values[step.inputs[0]], self._weights(step)
        sums = integer_ops.sums_of_convolution(images, *weights, *windows)
        if step.pool is not None:
            channels_last = np.moveaxis(sums, 0, -1)
            pool = step.pool
            largest = integer_ops.max_pool(channels_last, pool.size, pool.stride, pool.padding)
            sums = np.moveaxis(largest, -1, 0)
        return self._requantize(step, sums)

    def _dense(self, step: Step, values: Values) -> Array:
        weights = self._weights(step)
        rows = values[step.inputs[0]].reshape(-1, weights[0].shape[1])
        return self._requantize(step, integer_ops.sums_of_dense(rows, *weights))

    def _max_pool(self, step: Step, values: Values) -> Array:
        return integer_ops.max_pool(values[step.inputs[0]], step.size, step.stride, step.padding)

    def _add(self, step: Step, values: Values) -> Array:
        infos = [self._tensors[index] for index in (*step.inputs, step.output)]
        rulers = [(info.scales[0], int(info.zero_points[0])) for info in infos]
        first, second = (
            self._constants[index] if index in self._constants else values[index]
            for index in step.inputs
        )
        rule = addition.ENGINES[self.engine][infos[2].dtype.itemsize * 8]
        limits = np.iinfo(infos[2].dtype)
        low = rulers[2][1] if step.relu else limits.min
        total = np.clip(rule(first, second, *rulers), low, limits.max)
        return np.asarray(total, infos[2].dtype)

    def _reshape(self, step: Step, values: Values) -> Array:
        source = values[step.inputs[0]]
        return source.reshape(len(source), *self._tensors[step.output].shape[1:])

    def _quantize(self, step: Step, values: Values) -> Array:
        source, info = self._tensors[step.inputs[0]], self._tensors[step.output]
        raw, limits = values[step.inputs[0]], np.iinfo(info.dtype)
        if source.dtype == np.float32:
            steps = requantization.QUANTIZE[self.engine](raw, info.scales[0])
            clipped = np.clip(steps + info.zero_points[0], limits.min, limits.max)
            return np.asarray(clipped, info.dtype)
        shift = int(info.zero_points[0] - source.zero_points[0])
        return (raw.astype(np.int16) + shift).astype(info.dtype)

    def _dequantize(self, step: Step, values: Values) -> Array:
        info = self._tensors[step.inputs[0]]
        raw = values[step.inputs[0]].astype(np.float32)  # up to 16 bits: exact
        return np.asarray(np.float32(info.scales[0]) * (raw - np.float32(info.zero_points[0])))


def _same_ruler(source: TensorInfo, info: TensorInfo) -> bool:
    """Say whether two tensors have 8 bits and differ only in where their integers begin."""
    if source.dtype.itemsize + info.dtype.itemsize != 2:
        return False
    begins = [int(t.zero_points[0]) - int(np.iinfo(t.dtype).min) for t in (source, info)]
    return bool(source.scales[0] == info.scales[0] and begins[0] == begins[1])


def _with_pooled_sums(steps: Sequence[Step]) -> list[Step]:
    """Return the steps with each pooling that alone reads a convolution merged into it."""
    readers = [index for step in steps for index in step.inputs]
    merged: list[Step] = []
    for step in steps:
        before = merged[-1] if merged else None
        if (
            before is not None
            and (before.name, step.name) == ("CONV_2D", "MAX_POOL_2D")
            and step.inputs[0] == before.output
            and readers.count(before.output) == 1
        ):
            merged[-1] = before.pooled_by(step)
        else:
            merged.append(step)
    return merged


_KINDS = {
    "CONV_2D": NumpyNetwork._convolution,
    "FULLY_CONNECTED": NumpyNetwork._dense,
    "MAX_POOL_2D": NumpyNetwork._max_pool,
    "ADD": NumpyNetwork._add,
    "RESHAPE": NumpyNetwork._reshape,
    "QUANTIZE": NumpyNetwork._quantize,
    "DEQUANTIZE": NumpyNetwork._dequantize,
}
