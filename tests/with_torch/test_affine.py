import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from qhelpers.arithmetic import affine
from qhelpers.arithmetic.ranges import by_minmax

REALS = st.floats(-1e6, 1e6, width=32)
BITS = st.integers(2, 16)


@st.composite
def ranges(draw):
    low, high = sorted((draw(REALS), draw(REALS)))
    return low, high


@st.composite
def chosen(draw):
    """Any parameters that `choose` can give, with the range that they were chosen for."""
    low, high = draw(ranges())
    symmetric = draw(st.booleans())
    signed = symmetric or draw(st.booleans())
    bits = draw(st.integers(2 if signed else 1, 16))
    narrow = bits > 1 and draw(st.booleans())
    return affine.choose(low, high, bits, signed, symmetric, narrow), min(low, 0.0), max(high, 0.0)


pytorch_is_deprecated = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore:.*quantized tensor creation functions:UserWarning"
)


def ours_float32(params):
    """Return parameters with the scale that PyTorch would have: a float32."""
    scale = np.asarray(params.scale).astype(np.float32).astype(np.float64)
    if params.axis is None:
        scale = float(scale)
    return affine.QuantParams(scale, params.zero_point, params.qmin, params.qmax, params.axis)


# --- worked by hand ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bits", "signed", "narrow", "expected"),
    [
        (1, False, False, (0, 1)),
        (2, True, False, (-2, 1)),
        (2, True, True, (-1, 1)),
        (4, False, False, (0, 15)),
        (8, True, False, (-128, 127)),
        (8, True, True, (-127, 127)),
        (8, False, True, (1, 255)),
        (16, True, False, (-32768, 32767)),
    ],
)
def test_integer_range(bits, signed, narrow, expected):
    params = affine.choose(-1.0, 1.0, bits, signed, narrow=narrow)
    assert (params.qmin, params.qmax) == expected


def test_asymmetric_by_hand():
    params = affine.choose(-1.0, 3.0, bits=8, signed=False)
    assert params.scale == 4 / 255
    assert params.zero_point == 64  # 63.75 rounded
    assert affine.quantize([-1.0, 0.0, 3.0, 9.0, -9.0], params).tolist() == [0, 64, 255, 255, 0]
    assert affine.choose(-1.0, 3.0).zero_point == 64 - 128


def test_symmetric_by_hand():
    params = affine.choose(-1.27, 0.5, symmetric=True, narrow=True)
    assert (params.scale, params.zero_point, params.qmin, params.qmax) == (0.01, 0, -127, 127)
    wide = affine.choose(-2.0, 1.0, bits=16, symmetric=True)
    assert wide.scale == 2.0 / 32767


def test_one_bit_has_two_levels():
    params = affine.choose(0.0, 1.0, bits=1, signed=False)
    assert params == affine.QuantParams(1.0, 0, 0, 1)
    assert affine.fake_quantize([0.0, 0.4, 0.6, 1.0], params).tolist() == [0, 0, 1, 1]


def test_halves_go_to_the_even_level():
    params = affine.QuantParams(1.0, 0, -128, 127)
    halves = [-2.5, -1.5, -0.5, 0.5, 1.5, 2.5]
    assert affine.quantize(halves, params).tolist() == [-2, -2, 0, 0, 2, 2]


@pytest.mark.parametrize(
    ("low", "high", "scale", "zero_point"),
    [
        (0.0, 0.0, 1.0, -128),  # nothing but zero
        (2.55, 2.55, 0.01, -128),  # constant: the range becomes 0 to 2.55
        (-2.55, -2.55, 0.01, 127),
        (1.0, 2.55, 0.01, -128),  # one-sided
        (-2.55, -1.0, 0.01, 127),
    ],
)
def test_degenerate_ranges(low, high, scale, zero_point):
    params = affine.choose(low, high)
    assert (params.scale, params.zero_point) == (pytest.approx(scale), zero_point)
    assert affine.fake_quantize([low, 0.0, high], params) == pytest.approx([low, 0.0, high])


def test_tiny_and_huge_ranges():
    assert affine.choose(0.0, 5e-324).scale == np.finfo(np.float32).tiny
    huge = float(np.finfo(np.float32).max)
    assert np.isfinite(affine.choose(-huge, huge).scale)


@pytest.mark.parametrize(
    ("bits", "signed", "dtype"),
    [
        (1, False, "uint8"),
        (2, True, "int8"),
        (8, True, "int8"),
        (8, False, "uint8"),
        (9, True, "int16"),
        (9, False, "uint16"),
        (16, True, "int16"),
        (16, False, "uint16"),
    ],
)
def test_smallest_type(bits, signed, dtype):
    params = affine.choose(-1.0, 1.0, bits, signed)
    assert affine.quantize([0.3], params).dtype == dtype


def test_int32_biases():
    params = affine.QuantParams(2.0**-20, 0, -(2**31), 2**31 - 1)
    quantized = affine.quantize([1000.0, -5000.0], params)
    assert quantized.dtype == np.int32
    assert quantized.tolist() == [1000 * 2**20, -(2**31)]


def test_per_channel_by_hand():
    weights = np.array([[1.27, -0.5], [0.0, 0.0], [0.1, -2.54]])
    params = by_minmax(weights, axis=0, symmetric=True)
    assert params.scale.tolist() == pytest.approx([0.01, 1.0, 0.02])
    assert (params.zero_point, params.axis) == (0, 0)
    quantized = affine.quantize(weights, params)
    assert quantized.tolist() == [[127, -50], [0, 0], [5, -127]]
    assert affine.dequantize(quantized, params)[1].tolist() == [0, 0]


def test_per_channel_is_each_channel_alone():
    weights = np.random.default_rng(0).normal(size=(3, 4, 5))
    for symmetric in (True, False):
        ends = weights.min((0, 2)), weights.max((0, 2))
        params = affine.choose(*ends, symmetric=symmetric, axis=1)
        whole = affine.fake_quantize(weights, params)
        for channel in range(4):
            part = weights[:, channel]
            alone = affine.choose(part.min(), part.max(), symmetric=symmetric)
            np.testing.assert_array_equal(whole[:, channel], affine.fake_quantize(part, alone))


# --- PyTorch as the oracle -----------------------------------------------------------------------


@pytorch_is_deprecated
@given(chosen(), hnp.arrays(np.float32, 20, elements=REALS))
def test_same_integers_as_pytorch(case, values):
    params, _, _ = case
    # A power of two: dividing by it and multiplying by its inverse, as PyTorch does, are the same.
    scale = 2.0 ** round(np.log2(params.scale))
    params = affine.QuantParams(scale, params.zero_point, params.qmin, params.qmax)
    theirs = torch.fake_quantize_per_tensor_affine(
        torch.from_numpy(values), scale, params.zero_point, params.qmin, params.qmax
    )
    np.testing.assert_array_equal(affine.fake_quantize(values, params), theirs.numpy())
    if (params.qmin, params.qmax) == (0, 255):
        stored = torch.quantize_per_tensor(
            torch.from_numpy(values), scale, params.zero_point, torch.quint8
        )
        np.testing.assert_array_equal(affine.quantize(values, params), stored.int_repr().numpy())


@pytorch_is_deprecated
def test_close_to_pytorch_at_any_scale():
    values = np.random.default_rng(0).normal(size=10_000).astype(np.float32)
    params = ours_float32(affine.choose(values.min(), values.max(), signed=False))
    tensor = torch.from_numpy(values)
    theirs = torch.quantize_per_tensor(tensor, params.scale, params.zero_point, torch.quint8)
    difference = affine.quantize(values, params).astype(int) - theirs.int_repr().numpy()
    assert np.abs(difference).max() <= 1  # float32 arithmetic puts a tie on the other side
    assert np.count_nonzero(difference) <= 2


@pytest.mark.parametrize("symmetric", [True, False])
def test_per_channel_against_pytorch(symmetric):
    weights = np.random.default_rng(1).normal(size=(6, 50)).astype(np.float32)
    params = by_minmax(weights, axis=0, symmetric=symmetric)
    scale = 2.0 ** np.round(np.log2(params.scale))
    params = affine.QuantParams(scale, params.zero_point, params.qmin, params.qmax, 0)
    zero_points = torch.tensor(np.broadcast_to(params.zero_point, 6).astype(np.int32))
    theirs = torch.fake_quantize_per_channel_affine(
        torch.from_numpy(weights),
        torch.from_numpy(scale.astype(np.float32)),
        zero_points,
        0,
        params.qmin,
        params.qmax,
    )
    np.testing.assert_array_equal(affine.fake_quantize(weights, params), theirs.numpy())


@pytorch_is_deprecated
@given(ranges())
def test_asymmetric_parameters_against_pytorchs_observer(limits):
    from torch.ao.quantization import MinMaxObserver

    low, high = limits
    assume(max(high, 0) - min(low, 0) > 1e-3)  # the observer's scale has a lower limit
    observer = MinMaxObserver(dtype=torch.quint8, qscheme=torch.per_tensor_affine)
    observer(torch.tensor([low, high]))
    scale, zero_point = observer.calculate_qparams()
    params = affine.choose(low, high, signed=False)
    assert params.scale == pytest.approx(float(scale), rel=1e-6)
    # Where low / scale is almost half way between integers, float32 may round it otherwise.
    exact = min(low, 0) / params.scale
    near_tie = abs(abs(exact - np.floor(exact)) - 0.5) < 1e-3
    assert abs(params.zero_point - int(zero_point)) <= near_tie


@pytorch_is_deprecated
def test_narrow_symmetric_parameters_against_pytorchs_observer():
    from torch.ao.quantization import PerChannelMinMaxObserver

    weights = np.random.default_rng(2).normal(size=(5, 40)).astype(np.float32)
    observer = PerChannelMinMaxObserver(
        0, dtype=torch.qint8, qscheme=torch.per_channel_symmetric, quant_min=-127, quant_max=127
    )
    observer(torch.from_numpy(weights))
    scale, zero_point = observer.calculate_qparams()
    params = by_minmax(weights, axis=0, symmetric=True)
    np.testing.assert_allclose(params.scale, scale.numpy(), rtol=1e-6)
    assert not zero_point.any()


# --- what always holds ---------------------------------------------------------------------------


@given(chosen(), st.floats(0, 1))
def test_error_is_at_most_half_a_step_inside_the_range(case, share):
    params, low, high = case
    real = np.clip(low + share * (high - low), low, high)
    error = abs(float(affine.fake_quantize(real, params)) - real)
    assert error <= params.scale / 2 + 1e-6 * max(abs(real), params.scale)


@given(chosen())
def test_zero_is_exact_and_both_ends_are_reached(case):
    params, low, high = case
    assert affine.fake_quantize(0.0, params) == 0
    assert affine.quantize(0.0, params) == params.zero_point
    far = 1e5 * (high - low + params.scale)
    assert affine.quantize([-far, far], params).tolist() == [params.qmin, params.qmax]


@given(chosen(), hnp.arrays(np.float32, 20, elements=REALS))
def test_monotone_and_idempotent(case, values):
    params, _, _ = case
    quantized = affine.quantize(np.sort(values), params).astype(int)
    assert np.all(np.diff(quantized) >= 0)
    once = affine.fake_quantize(values, params)
    np.testing.assert_array_equal(affine.fake_quantize(once, params), once)
    np.testing.assert_array_equal(
        affine.quantize(affine.dequantize(quantized, params), params), quantized
    )


# --- errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity(bad):
    params = affine.choose(0.0, 1.0)
    with pytest.raises(ValueError, match="1 of 2 values are NaN or infinite"):
        affine.quantize([0.0, bad], params)
    with pytest.raises(ValueError, match="finite"):
        affine.choose(bad, 1.0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: affine.choose(0, 1, 0), "1 to 16; got 0"),
        (lambda: affine.choose(0, 1, 17), "1 to 16; got 17"),
        (lambda: affine.choose(0, 1, 1), "1 bit has two levels"),
        (lambda: affine.choose(2.0, 1.0), "low must not be above high"),
        (lambda: affine.choose(0, 1, signed=False, symmetric=True), "have none below"),
        (lambda: affine.choose(0, 1e39), "finite float32"),
        (lambda: by_minmax(np.zeros(3), axis=1), "axis 1"),
        (lambda: affine.QuantParams(0.0, 0, 0, 255), "scale must be a finite number above 0"),
        (lambda: affine.QuantParams(1.0, 256, 0, 255), "integer from 0 to 255"),
        (lambda: affine.QuantParams(1.0, 0.5, 0, 255), "integer from 0 to 255"),
        (lambda: affine.QuantParams(1.0, 5, 5, 5), "qmin must be below qmax"),
        (lambda: affine.QuantParams(np.ones(3), 0, 0, 255), r"scales of shape \(3,\)"),
        (lambda: affine.QuantParams(1.0, 0, 0, 255, axis=0), "axis=0"),
    ],
)
def test_errors_of_parameters(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_errors_of_dequantize():
    params = affine.choose(0.0, 1.0)
    with pytest.raises(ValueError, match="must be integers; got float64"):
        affine.dequantize([0.5], params)
    with pytest.raises(ValueError, match="-128 to 127; got 0 to 200"):
        affine.dequantize([0, 200], params)


def test_wrong_number_of_channels():
    params = by_minmax(np.ones((3, 2)), axis=0, symmetric=True)
    for shape in [(2, 3), (), (4,)]:
        with pytest.raises(ValueError, match="3 channels along axis 0"):
            affine.quantize(np.ones(shape), params)
