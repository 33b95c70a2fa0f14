"""Integer sums: their bounds, their padding, what is refused; `test_operations` asks engines."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qhelpers.arithmetic import convolution, integer_ops

Array = np.ndarray[Any, Any]
seeds = st.integers(0, 2**32 - 1)


def some_integers(rng: Any, shape: tuple[int, ...], low: int, high: int) -> Array:
    """Random integers of which a part sits at the ends of the range."""
    values = rng.integers(low, high + 1, shape)
    ends = rng.choice([low, high, 0], shape)
    return np.where(rng.random(shape) < rng.choice([0.0, 0.1, 0.9]), ends, values)


def summed_by_dense(inputs: Array, weights: Array, bias: Array, zero_point: int) -> Array:
    """Sums [channels, n] of a dense layer, which is a convolution of single pixels."""
    kernels = convolution.prepared(weights[:, None, None], bias, zero_point, inputs.dtype)
    return convolution.sums_of_convolution(inputs[:, None, None], kernels)[:, 0, 0].T


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
    got = summed_by_dense(inputs, weights, bias, zero_point)
    assert got.dtype == (np.float32 if bound <= 2**24 else np.float64)
    assert np.array_equal(got, exact)


def test_the_bound_is_met_exactly_and_float32_fails_right_above_it() -> None:
    # 2**24 is reached: 127 x 255 x 518 + the bias.
    weights, inputs = np.full((1, 518), 127, np.int8), np.full((1, 518), 127, np.int8)
    bias = np.array([2**24 - 127 * 255 * 518], np.int32)
    assert integer_ops.largest_sum(weights, bias, -128, np.int8) == 2**24
    sums = summed_by_dense(inputs, weights, bias, -128)
    assert (sums.dtype, sums.tolist()) == (np.float32, [[2.0**24]])
    more = bias + np.int32(1)
    assert summed_by_dense(inputs, weights, more, -128).tolist() == [[2.0**24 + 1]]
    assert np.float32(2**24 + 1) == 2**24, "float32 would have lost the one"
    with pytest.raises(OverflowError, match="not exact in float64"):
        integer_ops.exact_type(2**53 + 1)


def test_sums_beyond_32_bits_are_refused() -> None:
    weights, inputs = np.full((1, 9), 127, np.int8), np.full((1, 9), 127, np.int8)
    near = np.array([2**31 - 1 - 127 * 255 * 9], np.int32)
    assert summed_by_dense(inputs, weights, near, -128).tolist() == [[2**31 - 1]]
    with pytest.raises(OverflowError, match="2,147,483,648 does not fit int32"):
        summed_by_dense(inputs, weights, near + np.int32(1), -128)


def test_windows_say_what_is_wrong() -> None:
    images = np.zeros((1, 2, 2, 1), np.int8)
    with pytest.raises(ValueError, match="unknown padding 'FULL'"):
        integer_ops.max_pool(images, (2, 2), (1, 1), "FULL")
    with pytest.raises(ValueError, match="smaller than a window"):
        integer_ops.max_pool(images, (3, 3), (1, 1))


def summed(image: Array, kernel: Array, zero_point: int) -> Array:
    kernels = convolution.prepared(kernel, None, zero_point, np.int8)
    return convolution.sums_of_convolution(image, kernels, padding="SAME")


def test_padding_worked_out_by_hand() -> None:
    image = np.arange(1, 10, dtype=np.int8).reshape(1, 3, 3, 1)
    kernel = np.ones((1, 2, 2, 1), np.int8)
    # SAME with an even kernel: the row and column that are missing go to the end.
    sums = summed(image, kernel, 0)
    assert sums[0, :, :, 0].tolist() == [[12, 16, 9], [24, 28, 15], [15, 17, 9]]
    # Outside counts as the zero point, whatever that is.
    sums = summed(image, kernel, 1)
    assert sums[0, 2, :, 0].tolist() == [13, 15, 8]
