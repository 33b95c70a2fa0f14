"""A .tflite file computed in plain NumPy: every tensor, rounded as an engine rounds.

To add an operation: write a function that takes a `Step` and the arrays that it reads, put it into
`OPERATIONS`, what it knows into `OPTIONS`, and, where engines differ, their rules into `RULES`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np
import threadpoolctl

from qhelpers.arithmetic import float_order, integer_ops, requantization
from qhelpers.arithmetic.float_order import FLOAT_RULES, FloatRules
from qhelpers.tflite.file import Array, Operation, TensorInfo, TfliteFile, checked_inputs

_BATCH = 256  # images at a time: a layer's sums stay in the cache

# Which integer rule an engine follows: (operation, bits of the activations) -> rule. "reference"
# and "optimized" are LiteRT's own kernels: the plain ones, and those it takes where XNNPACK has
# none; "micro" is LiteRT for Microcontrollers.
RULES: Mapping[str, Mapping[tuple[str, int], Callable[..., Array]]] = {
    "reference": {
        ("CONV_2D", 8): requantization.gemmlowp,
        ("FULLY_CONNECTED", 8): requantization.float64,
        ("CONV_2D", 16): requantization.reduced,
        ("FULLY_CONNECTED", 16): requantization.float64,
        ("ADD", 8): integer_ops.add_by_kernels,
        ("ADD", 16): integer_ops.add_by_kernels,
        ("QUANTIZE", 32): requantization.by_division,
    },
    "optimized": {
        ("CONV_2D", 8): requantization.ruy,
        ("FULLY_CONNECTED", 8): requantization.ruy,
        ("CONV_2D", 16): requantization.reduced,
        ("FULLY_CONNECTED", 16): requantization.float64,
        # Only a bias of 64 bits makes it leave ruy.
        ("FULLY_CONNECTED without bias", 16): requantization.ruy,
        ("ADD", 8): integer_ops.add_by_kernels,  # 16 bits: vector code that rounds otherwise
        ("QUANTIZE", 32): requantization.by_reciprocal,
    },
    "micro": {
        ("CONV_2D", 8): requantization.gemmlowp,
        ("FULLY_CONNECTED", 8): requantization.gemmlowp,
        ("CONV_2D", 16): requantization.reduced,
        ("FULLY_CONNECTED", 16): requantization.reduced,
        ("ADD", 8): integer_ops.add_by_kernels,
        ("ADD", 16): integer_ops.add_by_kernels,
        ("QUANTIZE", 32): requantization.by_division,
    },
    "xnnpack": {
        ("CONV_2D", 8): requantization.float32,
        ("FULLY_CONNECTED", 8): requantization.float32,
        ("ADD", 8): integer_ops.add_by_xnnpack,
        ("QUANTIZE", 32): requantization.by_reciprocal,
    },
}


class UnknownStepError(ValueError):
    """The file holds something that the arithmetic of the course does not know."""


@dataclass(frozen=True)
class Step:
    """One operation of a file, with what computing it takes.

    Attributes:
        operation: its name, options and the indices of its tensors.
        inputs, output: what the file says about these; None stands for a missing bias.
        rules: the engine's integer rules.
        floats: its order of float operations; None for an engine whose order is not known.
    """

    operation: Operation
    inputs: tuple[TensorInfo | None, ...]
    output: TensorInfo
    rules: Mapping[tuple[str, int], Callable[..., Array]]
    floats: FloatRules | None

    @property
    def name(self) -> str:
        """The operation's name."""
        return self.operation.name

    @property
    def source(self) -> TensorInfo:
        """The first tensor that it reads."""
        assert self.inputs[0] is not None
        return self.inputs[0]

    @property
    def weights(self) -> TensorInfo:
        """The second tensor that it reads."""
        assert self.inputs[1] is not None
        return self.inputs[1]

    @property
    def bits(self) -> int:
        """The bits of its activations."""
        return self.output.dtype.itemsize * 8

    @property
    def is_float(self) -> bool:
        """Whether it gives floats."""
        return self.output.dtype == np.float32

    @property
    def relu(self) -> bool:
        """Whether a ReLU is part of it."""
        return bool(self.operation.options.get("fusedActivationFunction", 0))

    @property
    def windows(self) -> tuple[tuple[int, int], str, tuple[int, int]]:
        """Stride, padding and dilation of its windows; pairs are (down, across)."""
        o = self.operation.options
        dilation = o.get("dilationHFactor", 1), o.get("dilationWFactor", 1)
        return (o["strideH"], o["strideW"]), ("SAME", "VALID")[o["padding"]], dilation

    def refuse(self, why: str) -> NoReturn:
        """Raise an UnknownStepError that names the operation, its output, and what runs it."""
        what = f"{self.name}, which makes {self.output.name!r}: {why}"
        raise UnknownStepError(f"{what}. NumpyNetwork cannot compute it; LiteModel runs the file.")


class NumpyNetwork:
    """A .tflite file, ready to be computed in NumPy; it may branch.

    Known are int8, int16 with int8 weights, float32, float16 and dynamic range (dense layers).
    `file` says what is in the file.
    """

    def __init__(
        self, content: bytes | Path, engine: str, floats: FloatRules | None = None
    ) -> None:
        """Read a file, its bytes or its path; what is not known here is an UnknownStepError.

        Args:
            content: the file.
            engine: whose rounding to follow: "xnnpack" (LiteRT's default), "optimized" (its own
                kernels, the default for 16x8), "reference" (its plain kernels), or "micro" (LiteRT
                for Microcontrollers).
            floats: the order of float operations; None for the engine's usual one on x86-64.
                `float_rules_here` finds out what the processor at hand does.
        """
        if engine not in RULES:
            raise ValueError(f"unknown engine {engine!r}; choose one of {', '.join(RULES)}.")
        self.file = TfliteFile(content)
        self._input, self._output = self.file.inputs[0], self.file.outputs[0]
        floats = floats or next((rules for rules in FLOAT_RULES if rules.engine == engine), None)
        self._constants = {t.index: self.file.value(t.index) for t in self.file.constants()}
        self._steps = []
        tensors = self.file.tensors
        for operation in self.file.operations:
            output = tensors[operation.outputs[0]]
            if output.dtype.kind in "iu" and not len(output.scales):
                continue  # computes a shape, which follows from the number of images
            inputs = tuple(tensors[i] if i >= 0 else None for i in operation.inputs)
            step = Step(operation, inputs, output, RULES[engine], floats)
            _check(step)
            if all(i in self._constants for i in operation.inputs):  # float16 made wide
                self._constants[output.index] = _computed(step, self._constants)
            else:
                self._steps.append(step)

    def run(self, raw: Array) -> Array:
        """Compute what the engine returns: [n, *input shape] -> [n, *output shape].

        A sum that does not fit where the engine keeps it is an OverflowError.
        """
        raw = checked_inputs(raw, self._input)
        parts = [raw[start : start + _BATCH] for start in range(0, len(raw), _BATCH)]
        # Products this small gain nothing from a second thread, and wait for it on a busy machine.
        with threadpoolctl.threadpool_limits(1, "blas"):
            return np.concatenate([self.values(part)[self._output.index] for part in parts])

    def values(self, raw: Array) -> dict[int, Array]:
        """Compute one batch of inputs; return the values of all tensors by index."""
        values = self._constants | {self._input.index: raw}
        for step in self._steps:
            values[step.output.index] = _computed(step, values)
        return values


def _computed(step: Step, values: Mapping[int, Array]) -> Array:
    """Compute a step from the values by index, among which a missing bias is not."""
    return OPERATIONS[step.name](step, *map(values.get, step.operation.inputs))


def float_rules_here(
    content: bytes, engine: str, images: Array, outputs: Array
) -> FloatRules | None:
    """Find out which order of float operations an engine takes on this machine.

    Args:
        content: a file whose outputs are float32.
        engine: "xnnpack" or "reference".
        images: float32 [n, *the input's shape]; a hundred will do.
        outputs: float32, what the engine made of them.

    Returns:
        The rules with which NumPy gives these outputs bit for bit; None if there are none in
        `FLOAT_RULES`: a processor with code of its own.
    """
    for rules in FLOAT_RULES:
        if rules.engine == engine:
            ours = NumpyNetwork(content, engine, rules).run(images)
            if np.array_equal(ours, outputs):
                return rules
    return None


def _convolution(step: Step, images: Array, kernels: Array, bias: Array | None = None) -> Array:
    if not step.is_float:
        zero_point = int(step.source.zero_points[0])
        sums = integer_ops.sums_of_convolution(images, kernels, bias, zero_point, *step.windows)
        return _requantized(step, sums, bias)
    assert step.floats is not None
    size = kernels.shape[1], kernels.shape[2]
    columns, shape = integer_ops.patches(images, size, *step.windows)
    flat = kernels.reshape(len(kernels), -1)
    sums = float_order.sums_in_order(columns, flat, bias, step.floats)
    return np.moveaxis(_activated(step, sums.reshape(-1, *shape)), 0, -1)


def _dense(step: Step, inputs: Array, weights: Array, bias: Array | None = None) -> Array:
    rows = inputs.reshape(-1, weights.shape[1])
    shape = len(inputs), *step.output.shape[1:]
    if not step.is_float:
        zero_point = int(step.source.zero_points[0])
        sums = integer_ops.sums_of_dense(rows, weights, bias, zero_point)
        return _requantized(step, sums, bias).reshape(shape)
    assert step.floats is not None
    if weights.dtype == np.int8:
        scales = step.weights.scales
        sums = float_order.dynamic_dense(rows, weights, scales, bias, step.floats)
    else:
        columns = np.ascontiguousarray(rows.T)
        sums = float_order.sums_in_order(columns, weights, bias, step.floats)
    return _activated(step, sums).T.reshape(shape)


def _activated(step: Step, real: Array) -> Array:
    """Return floats behind the step's ReLU, if it has one."""
    return np.maximum(real, np.float32(0)) if step.relu else real


def _requantized(step: Step, sums: Array, bias: Array | None) -> Array:
    """Scale a layer's sums to its output's scale, as the engine does."""
    rule = step.rules[step.name, step.bits]
    if bias is None and step.operation.options.get("quantizedBiasType", 0) != 4:  # INT64
        rule = step.rules.get((f"{step.name} without bias", step.bits), rule)
    input_scale, weight_scales = step.source.scales[0], step.weights.scales
    per_tensor = step.name == "FULLY_CONNECTED" and len(weight_scales) == 1
    if per_tensor and rule != requantization.float64:
        # With one scale for the tensor, the kernels multiply the two scales in float32.
        input_scale = np.float32(input_scale * weight_scales[0])
        weight_scales = np.ones(1, np.float32)
    spread = weight_scales.reshape(-1, *[1] * (sums.ndim - 1))
    scaled = rule(sums, input_scale, spread, step.output.scales[0])
    return np.moveaxis(_clipped(step, scaled), 0, -1)  # the channel goes last


def _clipped(step: Step, whole: Array) -> Array:
    """Add the output's zero point and clip to its type; a ReLU clips there, at the real 0."""
    zero_point, limits = int(step.output.zero_points[0]), np.iinfo(step.output.dtype)
    low = zero_point if step.relu else int(limits.min)
    np.clip(whole, low - zero_point, int(limits.max) - zero_point, out=whole)
    whole += whole.dtype.type(zero_point)
    return whole.astype(step.output.dtype)


def _max_pool(step: Step, images: Array) -> Array:
    options = step.operation.options
    size = options["filterHeight"], options["filterWidth"]
    return integer_ops.max_pool(images, size, *step.windows[:2])


def _add(step: Step, first: Array, second: Array) -> Array:
    if step.is_float:
        return _activated(step, first + second)
    places = [(t.scales[0], int(t.zero_points[0])) for t in (step.source, step.weights)]
    total = step.rules["ADD", step.bits](first, second, *places, step.output.scales[0])
    return _clipped(step, total)


def _reshape(step: Step, values: Array, shape: Array | None = None) -> Array:
    return values.reshape(len(values), *step.output.shape[1:])


def _quantize(step: Step, values: Array) -> Array:
    if values.dtype == np.float32:
        return _clipped(step, step.rules["QUANTIZE", 32](values, step.output.scales[0]))
    shift = int(step.output.zero_points[0] - step.source.zero_points[0])
    return (values.astype(np.int16) + shift).astype(step.output.dtype)


def _dequantize(step: Step, values: Array) -> Array:
    info, real = step.source, values.astype(np.float32)  # up to 16 bits: exact
    if not len(info.scales):
        return real  # float16
    return np.asarray(np.float32(info.scales[0]) * (real - np.float32(info.zero_points[0])))


# How each known operation is computed, from a Step and the arrays that it reads.
OPERATIONS: Mapping[str, Callable[..., Array]] = {
    "CONV_2D": _convolution,
    "FULLY_CONNECTED": _dense,
    "MAX_POOL_2D": _max_pool,
    "ADD": _add,
    "RESHAPE": _reshape,
    "QUANTIZE": _quantize,
    "DEQUANTIZE": _dequantize,
}

# The known values of the options of those that do more than change type or shape. Activations are
# none and ReLU, paddings SAME and VALID. Source of names and numbers: LiteRT's schema.fbs.
OPTIONS: Mapping[str, Mapping[str, tuple[int, ...]]] = {
    "CONV_2D": {"fusedActivationFunction": (0, 1), "padding": (0, 1)},
    "FULLY_CONNECTED": {"fusedActivationFunction": (0, 1), "weightsFormat": (0,)},
    "MAX_POOL_2D": {"fusedActivationFunction": (0,), "padding": (0, 1)},
    "ADD": {"fusedActivationFunction": (0, 1)},
}


def _check(step: Step) -> None:
    """Raise UnknownStepError where a step has options or types that it is not known for."""
    source, output = step.source, step.output
    if step.name not in OPERATIONS:
        step.refuse("this operation is not known")
    if step.name == "QUANTIZE":
        _check_quantize(step)
    if step.name not in OPTIONS:
        return
    for name, known in OPTIONS[step.name].items():
        value = step.operation.options.get(name, 0)
        if value not in known:
            step.refuse(f"{name} is {value}; known are {', '.join(map(str, known))}")
    if source.dtype != output.dtype or output.dtype.name not in ("float32", "int8", "int16"):
        step.refuse(f"{source.dtype} in, {output.dtype} out is not known")
    known_rule = step.floats if step.is_float else (step.name, step.bits) in step.rules
    if step.name != "MAX_POOL_2D" and not known_rule:
        step.refuse(f"this engine has no rule for {output.dtype}")
    if step.name in ("CONV_2D", "FULLY_CONNECTED"):
        _check_weights(step)


def _check_quantize(step: Step) -> None:
    """Refuse a QUANTIZE that changes the scale, or whose vector code is not known."""
    source, output = step.source, step.output
    if source.dtype == np.float32:
        by_eights = step.rules["QUANTIZE", 32] is requantization.by_reciprocal
        if by_eights and step.floats is None and np.prod(output.shape[1:]) % 8:
            step.refuse("the numbers left over from groups of 8 are not known")
        return
    begins = [int(t.zero_points[0]) - int(np.iinfo(t.dtype).min) for t in (source, output)]
    one_byte = source.dtype.itemsize == output.dtype.itemsize == 1
    if not one_byte or source.scales[0] != output.scales[0] or begins[0] != begins[1]:
        step.refuse("a change of scale between integers is not known")


def _check_weights(step: Step) -> None:
    """Refuse weights of another type than those known, or with a zero point."""
    weights = step.weights
    dynamic = step.name == "FULLY_CONNECTED" and weights.dtype == np.int8
    fits = weights.dtype == np.float32 or dynamic if step.is_float else weights.dtype == np.int8
    if not fits or weights.kind == "int4":
        step.refuse(f"{step.source.dtype} times weights of {weights.kind} is not known")
    if weights.zero_points.any():
        step.refuse("weights with a zero point other than 0")
    if step.name == "CONV_2D" and weights.shape[3] != step.source.shape[3]:
        step.refuse("a convolution in groups is not known")
