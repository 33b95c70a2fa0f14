"""Integer layers against the engines: one-layer files of random shapes, scales and integers."""

from __future__ import annotations

from typing import Any

import numpy as np
import one_layer
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from one_layer import Tensor

from qhelpers.arithmetic import integer_ops
from qhelpers.tflite import litert, microcontroller
from qhelpers.tflite.numpy_network import NumpyNetwork, UnknownStepError

Array = np.ndarray[Any, Any]
LIMITS = {np.int8: (-128, 127), np.int16: (-32768, 32767)}
careful = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.filter_too_much]
)
pairs = st.tuples(st.integers(1, 3), st.integers(1, 3))
seeds = st.integers(0, 2**32 - 1)


def engines(dtype: Any) -> list[str]:
    """The engines that this machine has; XNNPACK leaves int16 to LiteRT's optimized kernels."""
    found = ["reference", "optimized", *(["xnnpack"] if dtype == np.int8 else [])]
    return [*found, "micro"] if microcontroller.available() else found


def agree(content: bytes, raw: Array, without: str = "") -> None:
    """Hold the NumPy network against every engine but one, byte for byte."""
    for engine in engines(raw.dtype):
        if engine == without:
            with pytest.raises(UnknownStepError, match="this engine has no rule for int16"):
                NumpyNetwork(content, engine)
            continue
        if engine == "micro":
            wanted = microcontroller.MicroModel(content).run_raw(raw)
        else:
            wanted = litert.LiteModel(content, engine=engine).run_raw(raw)
        got = NumpyNetwork(content, engine).run(raw)
        assert got.dtype == wanted.dtype
        assert np.array_equal(got, wanted), f"{engine}: {(got != wanted).sum()} of {got.size}"
    if raw.dtype == np.int16:  # what runs by default
        optimized = litert.LiteModel(content, engine="optimized").run_raw(raw)
        assert np.array_equal(litert.LiteModel(content).run_raw(raw), optimized)


def some_integers(rng: Any, shape: tuple[int, ...], low: int, high: int) -> Array:
    """Random integers of which a part sits at the ends of the range."""
    values = rng.integers(low, high + 1, shape)
    ends = rng.choice([low, high, 0], shape)
    return np.where(rng.random(shape) < rng.choice([0.0, 0.1, 0.9]), ends, values)


def layer(
    rng: Any, dtype: Any, kernel: tuple[int, ...], per_channel: bool, with_bias: bool = False
) -> tuple[Tensor, Tensor, Tensor | None, dict[str, Any]]:
    """Random input, weights and bias; the output's scale spreads the sums over its levels."""
    low, high = LIMITS[dtype]
    zero_point = 0 if dtype == np.int16 else int(rng.integers(low, high + 1))
    power = rng.random() < 0.3  # powers of two: many halves to round
    weights = some_integers(rng, kernel, -127, 127).astype(np.int8)
    weights[rng.random(len(weights)) < 0.2] = 0
    count = kernel[0] if per_channel else 1
    scales = 2.0 ** rng.uniform(-9, -5, count)
    input_scale = 2.0 ** rng.uniform(-9, 0)
    if power:
        scales = 2.0 ** np.round(np.log2(scales))
        input_scale = 2.0 ** np.round(np.log2(input_scale))
    scales, input_scale = scales.astype(np.float32), np.float32(input_scale)
    spread = float(np.sqrt(weights[0].size)) * 40 * (high - low) / 4
    multiplier = (high - low) / 2 / spread * 2.0 ** rng.uniform(-6, 6)
    if rng.random() < 0.1:
        multiplier = rng.uniform(1, 100)  # above one
    # What leaves 32 bits is undefined in C++: see test_requantization.
    room = 2.0**30 / max(1, integer_ops.largest_sum(weights, None, zero_point, dtype))
    multiplier = min(multiplier, 100, room)
    output_scale = np.float32(input_scale * scales.max() / multiplier)
    if power:
        output_scale = np.float32(2.0 ** np.ceil(np.log2(output_scale)))
    bias = None
    if with_bias or rng.random() < 0.8:
        size = 2.0 ** rng.uniform(0, min(30, 30 - np.log2(multiplier)))
        kind = np.int64 if dtype == np.int16 else np.int32
        values = (rng.uniform(-1, 1, kernel[0]) * size).astype(kind)
        bias = Tensor("bias", input_scale * scales, values=values)
    output = {
        "scales": output_scale,
        "zero_point": 0 if dtype == np.int16 else int(rng.integers(low, high + 1)),
        "dtype": dtype,
    }
    inputs = Tensor("x", input_scale, zero_point, dtype=dtype)
    return inputs, Tensor("weights", scales, values=weights), bias, output


@pytest.mark.parametrize("dtype", [np.int8, np.int16])
@careful
@given(seeds, st.integers(1, 9), st.integers(1, 70), st.booleans(), st.booleans())
def test_dense(
    dtype: Any, seed: int, channels: int, features: int, per_channel: bool, relu: bool
) -> None:
    rng = np.random.default_rng(seed)
    inputs, weights, bias, output = layer(rng, dtype, (channels, features), per_channel)
    inputs.shape = (1, features)
    content = one_layer.dense(
        inputs, weights, bias, Tensor("y", shape=(1, channels), **output), relu
    )
    raw = some_integers(rng, (6, features), *LIMITS[dtype]).astype(dtype)
    agree(content, raw)


@pytest.mark.parametrize("dtype", [np.int8, np.int16])
@careful
@given(seeds, pairs, pairs, pairs, st.sampled_from(["SAME", "VALID"]), st.booleans())
def test_convolution(
    dtype: Any,
    seed: int,
    size: tuple[int, int],
    stride: tuple[int, int],
    dilation: tuple[int, int],
    padding: str,
    relu: bool,
) -> None:
    rng = np.random.default_rng(seed)
    depth, channels = (int(n) for n in rng.integers(1, 5, 2))
    height, width = (int(n) for n in rng.integers(7, 12, 2))
    if max(dilation) > 1:
        stride = (1, 1)
    inputs, weights, bias, output = layer(rng, dtype, (channels, *size, depth), True, True)
    inputs.shape = (1, height, width, depth)
    raw = some_integers(rng, (3, *inputs.shape[1:]), *LIMITS[dtype]).astype(dtype)
    zero = np.zeros((channels, *size, depth), np.int8)
    shape = integer_ops.sums_of_convolution(raw, zero, None, 0, stride, padding, dilation).shape[2:]
    content = one_layer.convolution(
        inputs,
        weights,
        bias,
        Tensor("y", shape=(1, *shape, channels), **output),
        *(stride, padding, dilation, relu),
    )
    agree(content, raw)


@pytest.mark.parametrize("dtype", [np.int8, np.int16])
@careful
@given(seeds, pairs, pairs, st.sampled_from(["SAME", "VALID"]))
def test_max_pool(
    dtype: Any, seed: int, size: tuple[int, int], stride: tuple[int, int], padding: str
) -> None:
    rng = np.random.default_rng(seed)
    raw = some_integers(rng, (3, 7, 6, 2), *LIMITS[dtype]).astype(dtype)
    zero_point = 0 if dtype == np.int16 else 5
    shape = integer_ops.max_pool(raw, size, stride, padding).shape[1:]
    levels = {"scales": 0.1, "zero_point": zero_point, "dtype": dtype}
    content = one_layer.max_pool(
        Tensor("x", shape=(1, *raw.shape[1:]), **levels),
        Tensor("y", shape=(1, *shape), **levels),
        *(size, stride, padding),
    )
    agree(content, raw)


@pytest.mark.parametrize("dtype", [np.int8, np.int16])
@careful
@given(seeds, st.booleans())
def test_addition(dtype: Any, seed: int, relu: bool) -> None:
    rng = np.random.default_rng(seed)
    low, high = LIMITS[dtype]

    def tensor(name: str, values: Array | None = None) -> Tensor:
        zero_point = 0 if dtype == np.int16 else int(rng.integers(low, high + 1))
        scale = 2.0 ** rng.uniform(-4, 2)
        if rng.random() < 0.3:
            scale = 2.0 ** np.round(np.log2(scale))
        return Tensor(name, scale, zero_point, values, (1, 40), dtype)

    constant = some_integers(rng, (1, 40), low, high).astype(dtype)
    content = one_layer.add(tensor("x"), tensor("c", constant), tensor("y"), relu)
    without = "optimized" if dtype == np.int16 else ""
    agree(content, some_integers(rng, (4, 40), low, high).astype(dtype), without)


def test_addition_with_scales_that_xnnpack_does_not_take() -> None:
    values = np.zeros(3, np.int8)
    with pytest.raises(ValueError, match="ratios of scales"):
        integer_ops.add_by_xnnpack(values, values, (1.0, 0), (1.0, 0), 1e6)


@given(st.integers(1, 900), st.integers(-128, 127), seeds)
@settings(max_examples=60, deadline=None)
def test_no_sum_is_above_the_bound_and_floats_are_exact_below_it(
    features: int, zero_point: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    weights = some_integers(rng, (3, features), -127, 127).astype(np.int8)
    bias = rng.integers(-(2**20), 2**20, 3).astype(np.int32)
    # The worst inputs for the first channel, and random ones.
    far = np.where(weights[0] > 0, 127, -128)
    inputs = np.stack([far, -1 - far, *some_integers(rng, (4, features), -128, 127)])
    inputs = inputs.astype(np.int8)
    exact = weights.astype(np.int64) @ (inputs.astype(np.int64) - zero_point).T + bias[:, None]
    bound = integer_ops.largest_sum(weights, bias, zero_point, np.int8)
    assert np.abs(exact).max() <= bound
    got = integer_ops.sums_of_dense(inputs, weights, bias, zero_point)
    assert got.dtype == (np.float32 if bound <= 2**24 else np.float64)
    assert np.array_equal(got, exact)


def test_the_bound_is_met_exactly_and_float32_fails_right_above_it() -> None:
    # 2**24 is reached: 127 x 255 x 518 + the bias.
    weights, inputs = np.full((1, 518), 127, np.int8), np.full((1, 518), 127, np.int8)
    bias = np.array([2**24 - 127 * 255 * 518], np.int32)
    assert integer_ops.largest_sum(weights, bias, -128, np.int8) == 2**24
    sums = integer_ops.sums_of_dense(inputs, weights, bias, -128)
    assert (sums.dtype, sums.tolist()) == (np.float32, [[2.0**24]])
    more = bias + np.int32(1)
    assert integer_ops.sums_of_dense(inputs, weights, more, -128).tolist() == [[2.0**24 + 1]]
    assert np.float32(2**24 + 1) == 2**24, "float32 would have lost the one"
    with pytest.raises(OverflowError, match="not exact in float64"):
        integer_ops.exact_type(2**53 + 1)


def test_sums_beyond_32_bits_are_refused() -> None:
    weights, inputs = np.full((1, 9), 127, np.int8), np.full((1, 9), 127, np.int8)
    near = np.array([2**31 - 1 - 127 * 255 * 9], np.int32)
    assert integer_ops.sums_of_dense(inputs, weights, near, -128).tolist() == [[2**31 - 1]]
    with pytest.raises(OverflowError, match="2,147,483,648 does not fit int32"):
        integer_ops.sums_of_dense(inputs, weights, near + np.int32(1), -128)


def test_windows_say_what_is_wrong() -> None:
    images = np.zeros((1, 2, 2, 1), np.int8)
    with pytest.raises(ValueError, match="unknown padding 'FULL'"):
        integer_ops.max_pool(images, (2, 2), (1, 1), "FULL")
    with pytest.raises(ValueError, match="smaller than a window"):
        integer_ops.max_pool(images, (3, 3), (1, 1))


def test_padding_worked_out_by_hand() -> None:
    image = np.arange(1, 10, dtype=np.int8).reshape(1, 3, 3, 1)
    kernel = np.ones((1, 2, 2, 1), np.int8)
    # SAME with an even kernel: the row and column that are missing go to the end.
    sums = integer_ops.sums_of_convolution(image, kernel, None, 0, padding="SAME")
    assert sums[0, 0].tolist() == [[12, 16, 9], [24, 28, 15], [15, 17, 9]]
    # Outside counts as the zero point, whatever that is.
    sums = integer_ops.sums_of_convolution(image, kernel, None, 1, padding="SAME")
    assert sums[0, 0, 2].tolist() == [13, 15, 8]
