"""Ranges against their definitions and against a finer search."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from qhelpers.arithmetic import affine, ranges

ROWS = arrays(np.float64, (3, 8), elements=st.floats(-100, 100, width=32))
LONG_TAILS = np.random.default_rng(0).standard_t(3, (4, 500))


def error(real, params):
    return float(((real - affine.fake_quantize(real, params)) ** 2).mean())


@given(ROWS, st.integers(2, 8), st.booleans())
def test_nothing_is_clipped_by_minmax(real, bits, symmetric):
    for axis in (None, 0, 1):
        params = ranges.by_minmax(real, bits, axis, symmetric)
        found = affine.fake_quantize(real, params)
        scale = np.asarray(params.scale)
        widths = scale if axis is None else scale.reshape((-1, 1) if axis == 0 else (1, -1))
        assert (np.abs(found - real) <= widths * 0.5001 + 1e-30).all()
        assert params.axis == axis


@pytest.mark.parametrize("symmetric", [True, False])
def test_minmax_is_affines_choice(symmetric):
    wanted = affine.choose(
        LONG_TAILS.min(), LONG_TAILS.max(), 4, symmetric=symmetric, narrow=symmetric
    )
    assert ranges.by_minmax(LONG_TAILS, 4, symmetric=symmetric) == wanted


def test_percentile_clips_half_of_the_rest_at_each_end():
    real = np.arange(-400.0, 601.0)
    params = ranges.by_percentile(real, 8, 90)
    low = (params.qmin - params.zero_point) * params.scale
    high = (params.qmax - params.zero_point) * params.scale
    assert abs(low + 350) < params.scale
    assert abs(high - 550) < params.scale
    magnitudes = ranges.by_percentile(real, 8, 90, symmetric=True)
    assert np.isclose(magnitudes.scale * 127, np.percentile(np.abs(real), 90))


@pytest.mark.parametrize("bits", [2, 4, 8])
@pytest.mark.parametrize("shift", [0.0, 3.0])
def test_by_mse_of_activations_finds_what_a_fine_search_finds(bits, shift):
    real = np.maximum(LONG_TAILS[0] + shift, -0.5)
    found = error(real, ranges.by_mse(real, bits))
    assert found <= error(real, ranges.by_minmax(real, bits))
    best = min(
        error(real, affine.choose(low, high, bits))
        for low in np.linspace(real.min(), 0, 12)
        for high in np.linspace(real.max() / 60, real.max(), 60)
    )
    assert found <= 1.1 * best


def test_channels_get_ranges_of_their_own():
    sizes = np.array([1.0, 10.0, 100.0])
    weights = LONG_TAILS[:3, :60] * sizes[:, None]
    for choose in (ranges.by_minmax, ranges.by_mse):
        params = choose(weights.T, 4, axis=1, symmetric=True)
        alone = [choose(row, 4, symmetric=True).scale for row in weights]
        assert np.allclose(params.scale, alone)
        assert params.zero_point == 0
        assert (params.qmin, params.qmax) == (-7, 7)


def test_what_has_no_range_is_refused():
    for bad in ([], [1.0, np.nan], [np.inf]):
        for choose in (ranges.by_minmax, ranges.by_percentile, ranges.by_mse):
            with pytest.raises(ValueError, match="a range needs values"):
                choose(bad)
    for percent in (0, 101):
        with pytest.raises(ValueError, match=f"got {percent}"):
            ranges.by_percentile([1.0], 8, percent)


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
def test_by_mse_of_weights_finds_what_a_fine_search_finds(bits):
    found = ranges.by_mse(LONG_TAILS, bits, axis=0, symmetric=True)
    errors = ((LONG_TAILS - affine.fake_quantize(LONG_TAILS, found)) ** 2).mean(axis=1)
    for row, error_found in zip(LONG_TAILS, errors, strict=True):
        ends = np.abs(row).max() * np.arange(1, 1001) / 1000
        best = min(
            error(row, affine.choose(-end, end, bits, symmetric=True, narrow=True)) for end in ends
        )
        assert best * (1 - 1e-9) <= error_found <= 1.1 * best


@pytest.mark.parametrize("choose", [ranges.by_minmax, ranges.by_percentile, ranges.by_mse])
def test_a_row_of_zeros_does_no_harm(choose):
    zeros = np.zeros((1, 5))
    assert not affine.fake_quantize(zeros, choose(zeros, 4, axis=0, symmetric=True)).any()


def test_choose_takes_a_range_for_each_channel() -> None:
    low, high = np.array([-1.0, 0.0]), np.array([1.0, 51.0])
    params = affine.choose(low, high, signed=False, axis=1)
    each = [affine.choose(*ends, signed=False) for ends in zip(low, high, strict=True)]
    assert np.array_equal(params.scale, [one.scale for one in each])
    assert np.array_equal(params.zero_point, [one.zero_point for one in each])
    with pytest.raises(ValueError, match="axis=None goes with one scale"):
        affine.choose(low, high)
    with pytest.raises(ValueError, match="axis=None goes with one scale"):
        affine.choose(0.0, 1.0, axis=0)
