"""One operation of a file, with what computing it takes; and what XNNPACK does not take."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NoReturn

import numpy as np

from qhelpers.arithmetic.float_order import FloatRules
from qhelpers.arithmetic.requantization import half_away
from qhelpers.tflite.file import Array, Operation, TensorInfo
from qhelpers.tflite.operations.rules import RULES, Rule

Values = Mapping[int, Array]

# The bounds of the activations that an operation may end with, by LiteRT's numbers for them.
_ACTIVATIONS: Mapping[int, tuple[float, float]] = {
    0: (-np.inf, np.inf),
    1: (0, np.inf),
    2: (-1, 1),
    3: (0, 6),
}


class UnknownStepError(ValueError):
    """The file holds something that the arithmetic of the course does not know."""


@dataclass(frozen=True)
class Step:
    """One operation of a file.

    Arrays that it computes on are [n, *shape]: n samples of the file's shape, which may itself
    begin with a batch. Constants have n = 1.

    Attributes:
        file: what the file is called; number: the operation's place in it.
        operation: its name, options and the indices of its tensors.
        inputs, outputs: what the file says about these; None stands for a missing bias.
        constants: the values that the file holds, by index.
        engine: whose arithmetic, a key of `RULES`.
        floats: the order of float operations; None for an engine whose order is not known.
    """

    file: str
    number: int
    operation: Operation
    inputs: tuple[TensorInfo | None, ...]
    outputs: tuple[TensorInfo, ...]
    constants: Values
    engine: str
    floats: FloatRules | None

    @property
    def name(self) -> str:
        """The operation's name."""
        return self.operation.name

    @property
    def output(self) -> TensorInfo:
        """The tensor that it makes, or the first of them."""
        return self.outputs[0]

    @property
    def source(self) -> TensorInfo:
        """The first tensor that it reads."""
        return self.input(0)

    def input(self, at: int) -> TensorInfo:
        """The tensor that it reads at this place; it must be there."""
        info = self.inputs[at] if at < len(self.inputs) else None
        return info if info is not None else self.refuse(f"input {at} is missing")

    def constant(self, at: int) -> Array:
        """The values of an input that must be in the file."""
        info = self.input(at)
        if info.index not in self.constants:
            self.refuse(f"{info.name!r}, which is computed, has to be a constant")
        return np.asarray(self.constants[info.index][0])

    def option(self, name: str, otherwise: Any = 0) -> Any:
        """An option by its name in LiteRT's schema."""
        return self.operation.options.get(name, otherwise)

    @cached_property
    def _kept(self) -> dict[str, Any]:
        return {}

    def once(self, name: str, make: Callable[[], Any]) -> Any:
        """Return what `make` returned the first time."""
        if name not in self._kept:
            self._kept[name] = make()
        return self._kept[name]

    @property
    def bits(self) -> int:
        """The bits of its activations."""
        return self.output.dtype.itemsize * 8

    @property
    def is_float(self) -> bool:
        """Whether it gives floats."""
        return self.output.dtype == np.float32

    @cached_property
    def delegated(self) -> bool:
        """Whether XNNPACK computes it."""
        return self.engine == "xnnpack" and not why_not_xnnpack(self)

    def rule(self, variant: str = "", bits: int = 0) -> Rule:
        """The engine's arithmetic for this operation, or for a variant of it."""
        left = self.engine == "xnnpack" and not self.delegated
        rules = RULES["optimized" if left else self.engine]
        name = "RELU" if self.name.startswith("RELU") else self.name  # but for where they clip
        keys = [(f"{name} {variant}", bits or self.bits), (name, bits or self.bits)]
        found = next((rules[key] for key in keys if key in rules), None)
        return found or self.refuse(f"this engine has no rule for {self.output.dtype}")

    @property
    def activation(self) -> tuple[float, float]:
        """The bounds of what it gives, as real numbers."""
        ends = {"RELU": 1, "RELU_N1_TO_1": 2, "RELU6": 3, "UNIDIRECTIONAL_SEQUENCE_LSTM": 0}
        alone = ends.get(self.name)
        which = self.option("fusedActivationFunction") if alone is None else alone
        if which not in _ACTIVATIONS:
            self.refuse(f"fusedActivationFunction {which}")
        return _ACTIVATIONS[which]

    @cached_property
    def limits(self) -> tuple[int, int]:
        """The least and the largest integer of its output, with the activation in it."""
        info = np.iinfo(self.output.dtype)
        scale, zero = self.output.scales[0], int(self.output.zero_points[0])
        found = []
        for real in self.activation:
            with np.errstate(over="ignore"):
                steps = np.float32(real) / scale
            if self.delegated:
                steps = np.rint(steps + np.float32(zero))
            elif np.isfinite(steps):
                steps = half_away(np.float64(steps)) + zero
            found.append(int(np.clip(steps, info.min, info.max)))
        return found[0], found[1]

    def clipped(self, whole: Array, zero: bool = True) -> Array:
        """Return the output of whole numbers: the zero point added, clipped to `limits`."""
        shift, (low, high) = int(self.output.zero_points[0]) if zero else 0, self.limits
        whole = np.clip(whole, low - shift, high - shift)
        if shift:
            whole += whole.dtype.type(shift)
        return whole.astype(self.output.dtype)

    def shaped(self, values: Array, count: int) -> Array:
        """Return values in the output's shape, except for a batch in it, which may be open."""
        return values.reshape(count, *((-1, *self.output.shape[1:]) if self.output.shape else ()))

    def activated(self, real: Array) -> Array:
        """Return floats behind the step's activation."""
        low, high = self.activation
        return real if low == -np.inf else np.clip(real, np.float32(low), np.float32(high))

    @property
    def windows(self) -> tuple[tuple[int, int], str, tuple[int, int]]:
        """Stride, padding and dilation of its windows; pairs are (down, across)."""
        dilation = self.option("dilationHFactor", 1), self.option("dilationWFactor", 1)
        stride, padding = (self.option("strideH"), self.option("strideW")), self.option("padding")
        size = self.option("filterHeight", 1), self.option("filterWidth", 1)  # of pooling
        if min(*stride, *dilation, *size) < 1 or padding not in (0, 1):
            self.refuse(f"stride {stride}, dilation {dilation}, padding {padding}")
        return stride, ("SAME", "VALID")[padding], dilation

    @property
    def where(self) -> str:
        """Which one it is, in words."""
        made = f"{self.name}, which makes {self.output.name!r}"
        return f"{self.file}, operation {self.number}: {made}"

    def refuse(self, why: str) -> NoReturn:
        """Raise an UnknownStepError that names the operation and its output."""
        raise UnknownStepError(
            f"{self.where}: {why}. NumpyNetwork cannot compute it; LiteModel runs the file."
        )


def place(info: TensorInfo) -> tuple[Any, int]:
    """Return a quantized tensor's scale and zero point."""
    return info.scales[0], int(info.zero_points[0])


def aligned(first: Array, second: Array) -> tuple[Array, Array]:
    """Return [n, *shape] of both at one rank."""
    rank = max(first.ndim, second.ndim)
    one, two = (a.reshape(len(a), *[1] * (rank - a.ndim), *a.shape[1:]) for a in (first, second))
    return one, two


def why_not_xnnpack(step: Step) -> str:
    """Say why XNNPACK leaves an operation to LiteRT's kernels; an empty string: it takes it.

    Source: the `Visit` functions of `tflite/delegates/xnnpack/xnnpack_delegate.cc` in LiteRT.
    """
    source, output = step.input(2 if step.name == "TRANSPOSE_CONV" else 0), step.output
    if not source.scales.size or not output.scales.size:
        return ""  # floats
    if {source.dtype.itemsize, output.dtype.itemsize} != {1}:
        return "16 bits"
    if source.dtype != output.dtype:
        return "int8 beside uint8"
    left = ("AVERAGE_POOL_2D", "SOFTMAX", "HARD_SWISH", "PRELU")
    known = (step.name, 8) in RULES["xnnpack"] or step.name == "MAX_POOL_2D"  # no rule: no rounding
    if not known or step.name in left:
        return "not among its operations"
    ratio = source.scales[0] / output.scales[0]
    if step.name == "BATCH_MATMUL":
        return "a zero point of what stands right" if place(step.input(1))[1] else ""
    if step.name in ("CONV_2D", "DEPTHWISE_CONV_2D") and len(step.inputs) < 3:
        return "no bias"
    if step.name == "TRANSPOSE_CONV":
        if step.input(0).index not in step.constants:
            return "an output shape that is computed"
        sides = (info.shape[1:3] for info in (source, output, step.input(1)))
        lengths = zip(*sides, step.windows[0], strict=True)
        fits = all(
            k >= s and i == -(-o // s) if step.windows[1] == "SAME" else k <= o
            for i, o, k, s in lengths
        )
        return "" if fits else "a kernel smaller than its stride, or a size that does not fit"
    if step.name in ("ADD", "SUB"):
        ratios = ratio, step.input(1).scales[0] / output.scales[0]
        return "" if all(2**-10 <= r < 2**8 for r in ratios) else f"ratios of scales {ratios}"
    if step.name == "MUL":
        ratio = np.float32(source.scales[0] * step.input(1).scales[0]) / output.scales[0]
        return "" if 2**-16 <= ratio < 2**8 else f"a ratio of scales of {ratio}"
    if step.name == "QUANTIZE":
        return "" if 2**-8 <= ratio <= 2**7 else f"a ratio of scales of {ratio}"
    if step.name == "LEAKY_RELU":
        below = ratio * np.float32(step.option("alpha"))
        fits = 2**-8 <= ratio <= 2**7 and -127.99609375 <= below <= 2**7 and abs(below) >= 2**-8
        return "" if fits else f"ratios of scales {ratio}, {below}"
    return ""
