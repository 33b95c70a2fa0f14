"""Lesson 08's low-bit quantizers against their definitions and against exhaustive search."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from qhelpers.arithmetic import affine, ranges
from qhelpers.lessons.lesson08 import few_bits

ROWS = arrays(np.float64, (3, 8), elements=st.floats(-100, 100, width=32))


@given(ROWS, st.integers(2, 8), st.floats(0.01, 1))
def test_rounding_and_clipping_add_up_to_the_error(real, bits, share):
    clip = share * np.abs(real).max(axis=1)
    rounding, clipping = few_bits.squared_errors(real, bits, clip)
    params = affine.choose_per_channel(clip[:, None], axis=0, bits=bits)
    error = ((real - affine.fake_quantize(real, params)) ** 2).mean(axis=1)
    assert np.allclose(rounding + clipping, error, rtol=1e-9, atol=1e-30)
    steps = np.asarray(params.scale)
    assert (rounding <= (steps / 2) ** 2 * 1.001 + 1e-30).all()


@given(ROWS, st.integers(2, 8))
def test_nothing_is_clipped_by_the_largest(real, bits):
    _, clipping = few_bits.squared_errors(real, bits, np.abs(real).max(axis=1))
    scale = np.asarray(ranges.by_minmax(real, bits, axis=0, symmetric=True).scale)
    # The last level, rounded to float32, may lie a hair inside.
    assert (clipping <= (1e-6 * scale * 2**bits) ** 2).all()


def test_ternary_by_hand():
    # Mean magnitude 2, threshold 1.4: 3 and -4 stay, their mean is 3.5.
    integers, params = few_bits.ternary(np.array([[3.0, -4.0, 1.0, 0.0]]))
    assert integers.tolist() == [[1, -1, 0, 0]]
    assert affine.dequantize(integers, params).tolist() == [[3.5, -3.5, 0, 0]]


@given(arrays(np.float64, (3, 8), elements=st.floats(2.0**-7, 100, width=32)), st.integers(0, 255))
def test_binary_has_the_scale_with_the_smallest_error(sizes, negative):
    real = np.where(np.unpackbits(np.array([negative], np.uint8)), -sizes, sizes)
    integers, params = few_bits.binary(real)
    assert (integers == np.sign(real)).all()
    scales = np.asarray(params.scale)[:, None]
    error = ((real - scales * integers) ** 2).sum(axis=1)
    for factor in (0, 0.5, 0.9, 1.1, 2):
        assert (error <= ((real - factor * scales * integers) ** 2).sum(axis=1) + 1e-9).all()


@given(arrays(np.float64, 30, elements=st.floats(-10, 10, width=32)), st.integers(2, 16))
def test_each_value_gets_the_nearest_level(values, levels):
    indices, table = few_bits.codebook(values, levels)
    assert (np.diff(table) >= 0).all()
    distances = np.abs(values[:, None] - table)
    chosen = distances[np.arange(30), indices]
    assert np.allclose(chosen, distances.min(axis=1), atol=1e-5)


def test_levels_are_the_means_of_their_values():
    values = np.random.default_rng(0).standard_t(4, 500)
    indices, table = few_bits.codebook(values, 8)
    means = [values[indices == level].mean() for level in range(8)]
    assert np.allclose(means, table, atol=1e-6)


def test_two_levels_are_the_best_of_all_splits():
    values = np.array([-3.0, -2.5, -2.4, 1.0, 1.5, 1.6, 2.0])
    indices, table = few_bits.codebook(values, 2)
    splits = [(values[:k], values[k:]) for k in range(1, len(values))]
    best = min(sum(((part - part.mean()) ** 2).sum() for part in split) for split in splits)
    assert np.isclose(((values - table[indices]) ** 2).sum(), best)


def test_enough_levels_leave_no_error():
    values = np.repeat([-1.0, 0.25, 3.0], 4).reshape(3, 4)
    indices, table = few_bits.codebook(values, 256)
    assert np.allclose(table[indices], values)
