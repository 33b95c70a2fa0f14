"""Where one number of a .tflite file comes from: the integers that went in, what became of them."""

from __future__ import annotations

import dataclasses
import textwrap
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np

from qhelpers.arithmetic import elementwise, integer_ops, requantization
from qhelpers.tflite import operations
from qhelpers.tflite.file import Array, checked_inputs
from qhelpers.tflite.numpy_network import NumpyNetwork
from qhelpers.tflite.operations.products import scaled, variant
from qhelpers.tflite.operations.rules import RULES
from qhelpers.tflite.operations.step import Step, UnknownStepError, place

_SUMS = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
_SHOWN, _WIDTH = 8, 78


@dataclasses.dataclass(frozen=True)
class Origin:
    """How one number came about; `str` says it in words, at most 78 columns wide.

    Attributes:
        value: the number as the engine stores it.
        products: int64, of all inputs less their zero point with their weights; empty where the
            operation is no convolution and no dense layer. What lies outside the image is left out.
        sum: of the products and the bias, or of both terms of ADD and SUB; else 0.
        engines: what each engine makes of the same inputs; those that refuse are not in it.
        lines: the words.
    """

    value: int
    products: Array
    sum: int
    engines: Mapping[str, int]
    lines: tuple[str, ...]

    def __str__(self) -> str:
        """Return the words, of which long ones are broken."""
        indents = ["" if line[:1] != " " else " " * 17 for line in self.lines]
        return "\n".join(
            textwrap.fill(line, _WIDTH, subsequent_indent=indent, break_long_words=True)
            for line, indent in zip(self.lines, indents, strict=True)
        )


def explain(
    content: bytes | Path, raw: Array, name: str, index: tuple[int, ...], engine: str = "xnnpack"
) -> Origin:
    """Say where a number comes from that an operation on integers makes.

    Args:
        content: the file, its bytes or its path.
        raw: inputs in the file's type: [n, *input shape] or one without n.
        name: of the tensor, or a part of it that no other computed tensor has.
        index: of the number, which begins with the input's.
        engine: whose arithmetic, a key of `RULES`.

    Raises:
        ValueError: no such tensor, or it is not computed in integers; an index outside of it;
            inputs of another type or shape; a file that is not known.
    """
    network = NumpyNetwork(content, engine)
    step, which = _maker(network, name)
    info, given = step.outputs[which], network.file.inputs[0]
    if info.dtype.kind == "f":
        raise ValueError(f"{step.where}: it makes {info.dtype}, which are not taken apart.")
    raw, index = np.asarray(raw), tuple(map(int, index))
    raw = checked_inputs(raw[None] if raw.shape == given.shape[1:] else raw, given)
    shape = (len(raw), *info.shape[1:])
    if len(index) != len(shape) or not all(0 <= i < n for i, n in zip(index, shape, strict=True)):
        raise ValueError(f"{step.where}: index {list(index)} is outside of {list(shape)}.")
    values = network.computed(raw[index[0] : index[0] + 1])
    at, spot = (0, *index[1:]), (0, 0, *index[1:])
    if values[info.index].shape[1:] != (1, *info.shape[1:]):
        raise ValueError(f"{step.where}: its first axis is not that of the inputs.")

    def result(of: Step) -> int:
        return int(operations.computed(of, values)[which][spot])

    value, engines, words = result(step), {}, []
    for other in RULES:
        one = dataclasses.replace(step, engine=other)
        try:
            engines[other] = result(one)
        except (UnknownStepError, OverflowError):
            words.append(f"  {other:11}   -   refuses the operation")
            continue
        mark = "" if engines[other] == value else "differs: "
        words.append(f"  {other:9}{engines[other]:6}  {mark}{_rule(one)}")
    real = f"{info.scales[0]:.6g} x ({value} - ({info.zero_points[0]}))"
    lines = [
        f"{step.where}, as {engine} computes it",
        f"{list(index)} is {value}: {real} = {float(info.to_real(np.array([value]))[0]):.6g}",
        "",
    ]
    products: Array = np.zeros(0, np.int64)
    total = 0
    if step.name in _SUMS:
        products, total, parts = _summed(step, values, at, index[0])
        lines += parts
    elif step.name in ("ADD", "SUB"):
        total, parts = _added(step, values, at)
        lines += parts
    lines += ["what the engines make of the same inputs", *words]
    return Origin(value, products, total, engines, tuple(lines))


def _maker(network: NumpyNetwork, name: str) -> tuple[Step, int]:
    """Return the step that makes a tensor, and which of its outputs that is."""
    made = [(s, at, info) for s in network.steps for at, info in enumerate(s.outputs)]
    exact = [(s, at) for s, at, info in made if name in (info.name, info.plain_name)]
    found = exact or [(s, at) for s, at, info in made if name in info.name]
    if len(found) == 1:
        return found[0]
    why = f"{len(found)} tensors are called" if found else "no operation makes a tensor called"
    known = ", ".join(repr(info.name) for _, _, info in made)
    raise ValueError(f"{network.name}: {why} {name!r}. Computed are: {known}.")


def _rule(step: Step) -> str:
    """Say in a line how an engine rounds, where one rule says it."""
    if step.name not in (*_SUMS, "ADD", "SUB", "MUL", "BATCH_MATMUL"):
        return ""
    rule = step.rule(variant(step) if step.name in _SUMS else "")
    while isinstance(rule, partial):
        wrapped = rule.func in (elementwise.multiply, elementwise.in_short)
        rule = rule.args[0] if wrapped else rule.func
    return (rule.__doc__ or "").partition("\n")[0].replace("`", "")


def _meets(step: Step, shape: tuple[int, ...], at: tuple[int, ...]) -> tuple[Array, Array]:
    """Return where in the input, flat, each weight finds its number, -1 for outside; the weights.

    Both are [places, channels of the input].
    """
    weights = step.constant(1).astype(np.int64)
    numbers = np.arange(np.prod(shape)).reshape(shape)
    if step.name == "FULLY_CONNECTED":
        row = np.ravel_multi_index((0, *at[1:-1]), (1, *step.output.shape[1:-1]))
        return numbers.reshape(-1, weights.shape[1])[[row]], weights[[at[-1]]]
    size = weights.shape[1], weights.shape[2]
    taps = integer_ops.windows(numbers, size, *step.windows, -1)
    places = np.stack([tap[at[:-1]] for row in taps for tap in row])
    if step.name == "DEPTHWISE_CONV_2D":
        channel = at[-1] // (weights.shape[3] // shape[3])
        return places[:, [channel]], weights[0][..., at[-1]].reshape(-1, 1)
    each, groups = weights.shape[3], shape[3] // weights.shape[3]
    start = at[-1] // (len(weights) // groups) * each
    return places[:, start : start + each], weights[at[-1]].reshape(-1, each)


def _summed(
    step: Step, values: Mapping[int, Array], at: tuple[int, ...], sample: int
) -> tuple[Array, int, list[str]]:
    """Return the products that make a number, their sum with the bias, and the words for both."""
    images, (scale, zero) = values[step.source.index][0], place(step.source)
    where, weights = _meets(step, images.shape, at)
    where, weights = where[where >= 0], weights[where >= 0]
    inputs = images.ravel()[where].astype(np.int64)
    products = (inputs - zero) * weights
    bias = values.get(step.operation.inputs[2]) if len(step.operation.inputs) > 2 else None
    added = 0 if bias is None else int(bias[0][at[-1]])
    total = int(products.sum()) + added
    largest = np.argsort(-np.abs(products), kind="stable")[:_SHOWN]
    names = f"{step.source.plain_name!r}, times those of {step.input(1).plain_name!r}"
    lines = [f"{len(products)} integers of {names}; the largest products:"]
    for one in largest:
        first, *others = (int(i) for i in np.unravel_index(where[one], images.shape))
        place_ = [first + sample, *others]
        less = f"({inputs[one]} - {zero})" if zero >= 0 else f"({inputs[one]} + {-zero})"
        lines.append(f"  {place_!s:22} {less:>16} x {weights[one]:5} = {products[one]:13,}")
    rest = products.sum() - products[largest].sum()
    lines += [
        f"  {f'{len(products) - len(largest)} more':49}{rest:>15,}",
        f"  {'bias':49}{added:>15,}",
    ]
    lines += [f"  {'sum':49}{total:>15,}", ""]
    of_weights = step.input(1).scales
    channel = at[-1] if len(of_weights) > 1 else 0
    output = step.output.scales[0]
    real = float(requantization.real_multiplier(scale, of_weights[channel], output))
    mantissa, shift = requantization.quantized_multiplier(real)
    lines += [
        f"multiplier {scale:.7g} x {of_weights[channel]:.7g} / {output:.7g} = {real:.9g}",
        f"  in integers {int(mantissa):,} x 2**{int(shift) - 31}; XNNPACK multiplies in float32",
        f"{total:,} x {real:.9g} = {total * real:.6f}",
    ]
    sums = np.zeros((1,) * (len(step.output.shape) - 1) + (step.output.shape[-1],))
    sums[..., at[-1]] = total
    whole = int(np.ravel(scaled(step, sums)[..., at[-1]])[0])
    return products, total, [*lines, *_ended(step, whole)]


def _added(step: Step, values: Mapping[int, Array], at: tuple[int, ...]) -> tuple[int, list[str]]:
    """Return the sum of both inputs of ADD or SUB on the engine's common scale, and the words."""
    arrays = [values[info.index][0] for info in (step.source, step.input(1))]
    arrays = [array.reshape(1, *(1,) * (len(at) - array.ndim), *array.shape) for array in arrays]
    numbers = [
        int(array[0][tuple(np.minimum(at, np.subtract(array[0].shape, 1)))]) for array in arrays
    ]
    places = place(step.source), place(step.input(1))
    one = [number - zero for number, (_, zero) in zip(numbers, places, strict=True)]
    lines = []
    if step.delegated:
        multipliers, right = elementwise.multipliers_of_xnnpack(*places, place(step.output))
        terms = [n * int(m) for n, m in zip(one, multipliers, strict=True)]
        words = [f"x {int(m):,}" for m in multipliers]
        last = f"shifted right by {right}, a half up"
    else:
        left, largest = elementwise.common_scale(step.source.dtype, *places)
        ratios = [requantization.quantized_multiplier(s / largest) for s, _ in places]
        terms = [
            int(requantization.multiply_by_quantized(np.array(n << left), *r))
            for n, r in zip(one, ratios, strict=True)
        ]
        words = [f"x 2**{left} x {int(m):,} x 2**{int(s) - 31}" for m, s in ratios]
        out = float(largest / (1 << left) / np.float64(step.output.scales[0]))
        mantissa, shift = requantization.quantized_multiplier(out)
        last = f"x {int(mantissa):,} x 2**{int(shift) - 31} (as the reference kernels)"
    total = terms[0] + (terms[1] if step.name == "ADD" else -terms[1])
    for number, (_, zero), term, word in zip(numbers, places, terms, words, strict=True):
        lines.append(f"  ({number} - ({zero})) {word:42} = {term:15,}")
    lines += [f"  {'sum' if step.name == 'ADD' else 'difference':30} {total:>30,}", f"  {last}"]
    whole = step.rule()(*arrays, *places, place(step.output))
    return total, [*lines, *_ended(step, int(whole[0][at]))]


def _ended(step: Step, whole: int) -> list[str]:
    """Say what rounding, the zero point and clipping make of it."""
    zero, (low, high) = int(step.output.zero_points[0]), step.limits
    moved = whole + zero
    clipped = min(max(moved, low), high)
    return [
        f"rounded to {whole:,}; plus zero point {zero}: {moved:,}",
        f"clipped to {low} to {high}: {clipped}" if moved != clipped else "clipped: not needed",
        "",
    ]
