"""`python -m qhelpers explain`: every part of a number, against the engines that make it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import one_layer
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from one_layer import Tensor
from test_operations import integers, options, out_shape, seeds, tensor, types, weighted, windows

from qhelpers.arithmetic import convolution
from qhelpers.cli.main import main
from qhelpers.tflite import litert, microcontroller
from qhelpers.tflite.explain import Origin, explain
from qhelpers.tflite.operations.rules import RULES

Array = np.ndarray[Any, Any]


def answers(content: bytes, raw: Array) -> dict[str, Array]:
    """What the engines themselves make of inputs."""
    found = {}
    for engine in RULES:
        if engine != "micro":
            model = litert.LiteModel(content, engine=engine)
            found[engine] = np.concatenate([model.run_raw(one[None]) for one in raw])
        elif microcontroller.available():
            found[engine] = microcontroller.MicroModel(content).run_raw(raw)
    return found


def explained(content: bytes, raw: Array, seed: int) -> tuple[Origin, tuple[int, ...]]:
    """Explain a number at a random place, and hold it against the engines that run the file."""
    rng, wanted = np.random.default_rng(seed), answers(content, raw)
    shape = next(iter(wanted.values())).shape
    index = tuple(int(rng.integers(length)) for length in shape)
    engine = str(rng.choice([*wanted]))
    origin = explain(content, raw, "y", index, engine)
    assert origin.value == wanted[engine][index]
    for each, values in wanted.items():
        assert origin.engines[each] == values[index], each
    said = str(origin)
    ends = re.findall(r"^rounded to .*: ([-\d,]+)$|^clipped to .*: ([-\d]+)$", said, re.MULTILINE)
    assert ends or not (len(origin.products) or origin.sum), said
    if ends:
        assert int("".join(ends[-1]).replace(",", "")) == origin.value, said
    assert f"{list(index)} is {origin.value}:" in said
    assert all(len(line) <= 78 for line in said.splitlines()), said
    assert origin.products.size == 0 or f"{origin.sum:,}" in said
    return origin, index


@settings(max_examples=40, deadline=None)
@given(seeds, types, st.sampled_from(["CONV_2D", "DEPTHWISE_CONV_2D"]), st.integers(1, 2))
def test_convolutions(seed: int, dtype: Any, name: str, groups: int) -> None:
    rng = np.random.default_rng(seed)
    size, stride = (tuple(int(n) for n in rng.integers(1, 4, 2)) for _ in range(2))
    padding = str(rng.choice(["SAME", "VALID"]))
    shape = out_shape((6, 7), size, stride, padding)
    depth, count = groups * int(rng.integers(1, 4)), groups * int(rng.integers(1, 4))
    if name == "CONV_2D":
        kernel, axis, kind = (count, *size, depth // groups), 0, "Conv2D"
        more = {"quantizedBiasType": 4 if dtype == np.int16 else 2}
    else:
        count = depth * groups
        kernel, axis, kind = (1, *size, count), 3, "DepthwiseConv2D"
        more = {"depthMultiplier": groups}
    bias = np.int64 if dtype == np.int16 else np.int32
    inputs, weights, stored, output = weighted(rng, dtype, kernel, count, axis, bias)
    inputs.shape, output.shape = (1, 6, 7, depth), (1, *shape, count)
    made = windows(kind, stride, padding, dilationHFactor=1, dilationWFactor=1, **more)
    content = one_layer.file(name, [inputs, weights, stored], output, made)
    raw = integers(rng, (2, 6, 7, depth), dtype)
    origin, index = explained(content, raw, seed)
    channels = weights.values if name == "CONV_2D" else weights.values[0].transpose(2, 0, 1)
    kernels = convolution.prepared(channels, stored.values, inputs.zero_point, dtype)
    add = convolution.sums_of_convolution
    add = add if name == "CONV_2D" else convolution.sums_of_depthwise
    assert origin.sum == add(raw, kernels, stride, padding)[index]
    places = weights.values.size // count
    assert 0 < len(origin.products) <= places
    assert padding == "SAME" or len(origin.products) == places


@settings(max_examples=30, deadline=None)
@given(seeds, types, st.integers(1, 20))
def test_dense(seed: int, dtype: Any, features: int) -> None:
    rng = np.random.default_rng(seed)
    bias = np.int64 if dtype == np.int16 else np.int32
    inputs, weights, stored, output = weighted(rng, dtype, (5, features), 5, 0, bias)
    inputs.shape, output.shape = (1, 3, features), (1, 3, 5)
    made = options("FullyConnected", keepNumDims=True)
    content = one_layer.file("FULLY_CONNECTED", [inputs, weights, stored], output, made)
    raw = integers(rng, (2, 3, features), dtype)
    origin, index = explained(content, raw, seed)
    products = (raw[index[:-1]].astype(int) - inputs.zero_point) * weights.values[index[-1]]
    assert origin.products.tolist() == products.tolist()
    assert origin.sum == products.sum() + stored.values[index[-1]]


@settings(max_examples=100, deadline=None)
@given(seeds, types, st.sampled_from(["ADD", "SUB"]))
def test_sums_of_two(seed: int, dtype: Any, name: str) -> None:
    rng = np.random.default_rng(seed)
    inputs, output = (tensor(rng, n, dtype, (1, 2, 3, 16), -2, 1) for n in "xy")
    constant = tensor(rng, "c", dtype, (16,), -2, 1)
    constant.values = integers(rng, (16,), dtype)
    made = options(name.capitalize(), potScaleInt16=False)
    content = one_layer.file(name, [inputs, constant], output, made)
    origin, _ = explained(content, integers(rng, (2, 2, 3, 16), dtype), seed)
    assert f"{'sum' if name == 'ADD' else 'difference'} " in str(origin)
    assert f"{origin.sum:,}" in str(origin)


def test_other_operations_are_compared_only() -> None:
    places = (0.1, 3), (1 / 256, -128)
    inputs, output = (Tensor(n, *p, None, (1, 5)) for n, p in zip("xy", places, strict=True))
    content = one_layer.file("LOGISTIC", [inputs], output)
    origin, _ = explained(content, np.arange(10, dtype=np.int8).reshape(2, 5), 0)
    assert (len(origin.products), origin.sum) == (0, 0)


def test_products_of_matrices_are_compared_by_their_rules() -> None:
    inputs, output = Tensor("x", 0.1, 3, shape=(1, 4, 5)), Tensor("y", 0.5, -3, shape=(1, 4, 2))
    values = np.arange(-5, 5, dtype=np.int8).reshape(5, 2)
    made = options("BatchMatMul", adjX=False, adjY=False)
    content = one_layer.file("BATCH_MATMUL", [inputs, Tensor("c", 0.1, 0, values)], output, made)
    raw = integers(np.random.default_rng(0), (2, 4, 5), np.int8)
    origin, _ = explained(content, raw, 0)
    assert "Round twice in integers" in str(origin)
    assert "Multiply in float32 and round once" in str(origin)


def small() -> bytes:
    weights = np.arange(1, 5, dtype=np.int8).reshape(1, 2, 2, 1)
    return one_layer.convolution(
        Tensor("x", 0.5, 1, shape=(1, 3, 3, 1)),
        Tensor("w", [0.25], values=weights),
        Tensor("b", [0.125], values=np.array([10], np.int32)),
        Tensor("y", 1.0, -3, shape=(1, 2, 2, 1)),
    )


def test_worked_out_by_hand(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "net.tflite").write_bytes(small())
    np.save(tmp_path / "x.npy", np.arange(9, dtype=np.int8).reshape(3, 3, 1))
    words = ["explain", str(tmp_path / "net.tflite"), "--input", str(tmp_path / "x.npy")]
    assert main([*words, "--tensor", "y", "--index", "0,1,0,0", "--engine", "reference"]) == 0
    said = capsys.readouterr().out
    # 3, 4, 6, 7 less 1, times 1, 2, 3, 4: 2 + 6 + 15 + 24; an eighth of 57 is 7.125.
    for line in (
        "[0, 1, 0, 0] is 4: 1 x (4 - (-3)) = 7",
        "  [0, 2, 1, 0]                    (7 - 1) x     4 =            24",
        f"  {'bias':49}{'10':>15}",
        f"  {'sum':49}{'57':>15}",
        "multiplier 0.5 x 0.25 / 1 = 0.125",
        "  in integers 1,073,741,824 x 2**-33; XNNPACK multiplies in float32",
        "57 x 0.125 = 7.125000",
        "rounded to 7; plus zero point -3: 4",
        "clipped: not needed",
    ):
        assert line in said
    assert said.count("Round twice in integers") == 3
    assert main([*words, "--tensor", "y", "--index", "0,2,0,0"]) == 1
    error = capsys.readouterr().err
    assert "net.tflite, operation 0: CONV_2D, which makes 'y': index [0, 2, 0, 0] is" in error
    assert "outside of [1, 2, 2, 1]" in error


@pytest.mark.parametrize(
    ("raw", "name", "index", "message"),
    [
        (np.zeros((1, 3, 3, 1), np.int8), "y", (0, 0, 0), r"index \[0, 0, 0\] is outside of"),
        (np.zeros((1, 3, 3, 1), np.int8), "y", (1, 0, 0, 0), r"outside of \[1, 2, 2, 1\]"),
        (np.zeros((1, 3, 3, 1), np.int8), "y", (0, -1, 0, 0), "is outside of"),
        (np.zeros((1, 3, 3, 1), np.int8), "x", (0, 0, 0, 0), "makes a tensor called 'x'.*'y'"),
        (np.zeros((1, 3, 3, 1)), "y", (0, 0, 0, 0), "inputs must be int8 .*got float64"),
        (np.zeros((1, 3, 4, 1), np.int8), "y", (0, 0, 0, 0), r"got int8 \[1, 3, 4, 1\]"),
    ],
)
def test_what_does_not_fit(raw: Array, name: str, index: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        explain(small(), raw, name, index)


def test_floats_are_not_taken_apart() -> None:
    inputs, output = Tensor("x", 0.1, 3, shape=(1, 5)), Tensor("y", dtype=np.float32, shape=(1, 5))
    content = one_layer.file("DEQUANTIZE", [inputs], output)
    with pytest.raises(ValueError, match="DEQUANTIZE, which makes 'y': it makes float32"):
        explain(content, np.zeros((1, 5), np.int8), "y", (0, 0))


def test_a_sum_that_does_not_fit_is_said_in_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = np.full((1, 2, 2, 1), 127, np.int8)
    content = one_layer.convolution(
        Tensor("x", 1e30, 1, shape=(1, 3, 3, 1)),
        Tensor("w", [0.25], values=weights),
        None,
        Tensor("y", 1.0, -3, shape=(1, 2, 2, 1)),
    )
    (tmp_path / "net.tflite").write_bytes(content)
    np.save(tmp_path / "x.npy", np.zeros((1, 3, 3, 1), np.int8))
    words = ["explain", str(tmp_path / "net.tflite"), "--input", str(tmp_path / "x.npy")]
    assert main([*words, "--tensor", "y", "--index", "0,0,0,0", "--engine", "reference"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("python -m qhelpers explain: ")
    assert "operation 0: CONV_2D, which makes 'y': a multiplier of" in error
