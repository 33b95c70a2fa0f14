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
    params = affine.choose(-clip, clip, bits, symmetric=True, narrow=True, axis=0)
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


def test_four_even_levels_beat_three_and_lose_to_four_free_ones():
    real = np.random.default_rng(0).normal(size=(5, 400)).astype(np.float32)
    three = affine.fake_quantize(real, ranges.by_mse(real, 2, axis=0, symmetric=True))
    even, free = few_bits.four_levels(real), few_bits.codebooks(real)
    assert all(len(np.unique(row)) == 4 for found in (even, free) for row in found)
    errors = [np.square(real - found).mean(axis=1) for found in (free, even, three)]
    assert (errors[0] <= errors[1]).all()
    assert (errors[1] < errors[2]).all()
