"""Low-bit quantizers against their definitions and against exhaustive search."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from qhelpers.arithmetic import affine, few_bits

ROWS = arrays(np.float64, (3, 8), elements=st.floats(-100, 100, width=32))


def some(shape=(4, 60), seed=0):
    return np.random.default_rng(seed).standard_t(4, shape)


# rows


def test_rows_share_scales_as_said():
    weights = np.arange(24.0).reshape(2, 3, 4)
    assert few_bits.rows(weights, "tensor").shape == (1, 24)
    assert few_bits.rows(weights, "channel").tolist() == weights.reshape(2, 12).tolist()
    assert few_bits.rows(weights, 6)[1].tolist() == [6, 7, 8, 9, 10, 11]
    assert few_bits.rows(weights, 100).shape == (2, 12)
    for per in ("tensor", "channel", 6):
        assert np.array_equal(few_bits.rows(weights, per).reshape(weights.shape), weights)


@pytest.mark.parametrize(
    ("shape", "per", "message"),
    [
        ((2, 12), 5, "12 weights is no whole number of groups of 5"),
        ((2, 12), "layer", '"tensor", "channel" or a size'),
        ((2, 12), 0, "got 0"),
        ((12,), "channel", r"\[channels, ...\]"),
        ((0, 3), "channel", r"got \[0, 3\]"),
    ],
)
def test_rows_that_cannot_be_cut(shape, per, message):
    with pytest.raises(ValueError, match=message):
        few_bits.rows(np.zeros(shape), per)


# ranges


def mean_error(real, params):
    return ((real - affine.fake_quantize(real, params)) ** 2).mean(axis=1)


@given(ROWS, st.integers(2, 8), st.floats(0.01, 1))
def test_rounding_and_clipping_add_up_to_the_error(real, bits, share):
    clip = share * np.abs(real).max(axis=1)
    rounding, clipping = few_bits.squared_errors(real, bits, clip)
    params = affine.choose_per_channel(clip[:, None], axis=0, bits=bits)
    assert np.allclose(rounding + clipping, mean_error(real, params), rtol=1e-9, atol=1e-30)
    steps = np.asarray(params.scale)
    assert (rounding <= (steps / 2) ** 2 * 1.001 + 1e-30).all()


@given(ROWS, st.integers(2, 8))
def test_nothing_is_clipped_by_max(real, bits):
    _, clipping = few_bits.squared_errors(real, bits, np.abs(real).max(axis=1))
    scale = np.asarray(few_bits.by_max(real, bits).scale)
    # The last level, rounded to float32, may lie a hair inside.
    assert (clipping <= (1e-6 * scale * 2**bits) ** 2).all()


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
def test_by_mse_finds_what_a_fine_search_finds(bits):
    real = some()
    found = mean_error(real, few_bits.by_mse(real, bits))
    assert (found <= mean_error(real, few_bits.by_max(real, bits)) * (1 + 1e-12)).all()
    largest = np.abs(real).max(axis=1)
    ends = [share * largest for share in np.arange(1, 1001) / 1000]
    best = np.min([np.add(*few_bits.squared_errors(real, bits, end)) for end in ends], axis=0)
    assert (found <= 1.1 * best).all()
    assert (found >= best * (1 - 1e-9)).all()


def test_by_percentile_keeps_that_share():
    real = np.tile(np.arange(101.0), (2, 1))
    params = few_bits.by_percentile(real, 4, 90)
    assert np.allclose(np.asarray(params.scale) * params.qmax, 90)
    same = few_bits.by_percentile(real, 4, 100)
    assert np.allclose(same.scale, few_bits.by_max(real, 4).scale)
    for percent in (0, 101):
        with pytest.raises(ValueError, match=f"got {percent}"):
            few_bits.by_percentile(real, 4, percent)


def test_a_row_of_zeros_does_no_harm():
    zeros = np.zeros((1, 5))
    for choose in (few_bits.by_max, few_bits.by_mse):
        assert not affine.fake_quantize(zeros, choose(zeros, 4)).any()
    for method in (few_bits.ternary, few_bits.binary):
        integers, params = method(zeros)
        assert np.abs(affine.dequantize(integers, params)).max() < 1e-30


# ternary and binary


def test_ternary_by_hand():
    # Mean magnitude 2, threshold 1.4: 3 and -4 stay, their mean is 3.5.
    integers, params = few_bits.ternary([[3.0, -4.0, 1.0, 0.0]])
    assert integers.tolist() == [[1, -1, 0, 0]]
    assert affine.dequantize(integers, params).tolist() == [[3.5, -3.5, 0, 0]]


@given(ROWS)
def test_binary_has_the_scale_with_the_smallest_error(real):
    integers, params = few_bits.binary(real)
    assert set(np.unique(integers)) <= {-1, 1}
    assert (integers[real != 0] == np.sign(real[real != 0])).all()
    scales = np.asarray(params.scale)[:, None]
    error = ((real - scales * integers) ** 2).sum(axis=1)
    for factor in (0, 0.5, 0.9, 1.1, 2):
        assert (error <= ((real - factor * scales * integers) ** 2).sum(axis=1) + 1e-9).all()


# codebooks


@given(arrays(np.float64, 30, elements=st.floats(-10, 10, width=32)), st.integers(2, 16))
def test_each_value_gets_the_nearest_level(values, levels):
    indices, table = few_bits.codebook(values, levels)
    assert (np.diff(table) >= 0).all()
    distances = np.abs(values[:, None] - table.astype(np.float64))
    chosen = distances[np.arange(30), indices]
    assert np.allclose(chosen, distances.min(axis=1), atol=1e-5)


def test_levels_are_the_means_of_their_values():
    values = some((500,))
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
    assert indices.dtype == np.uint8
    assert table.dtype == np.float32
    assert np.allclose(table[indices], values)


@pytest.mark.parametrize("levels", [1, 257])
def test_too_few_or_too_many_levels(levels):
    with pytest.raises(ValueError, match=f"2 to 256 levels; got 2 and {levels}"):
        few_bits.codebook([1.0, 2.0], levels)
    with pytest.raises(ValueError, match="got 0 and 4"):
        few_bits.codebook([], 4)
