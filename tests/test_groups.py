"""Weights in groups: worked by hand, what rounding promises, what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from qhelpers.arithmetic import groups

ROW = np.array([[-4.0, 7.5, 0.5, 1.0]])
MAPPINGS = ["narrow", "wide", "unclipped", "asymmetric", "midpoint"]
WEIGHTS = hnp.arrays(np.float32, (2, 8), elements=st.floats(-1000, 1000, width=32))


@pytest.mark.parametrize(
    ("mapping", "scale", "zero_point", "integers"),
    [
        ("narrow", 7.5 / 7, 0, [-4, 7, 0, 1]),
        ("wide", 1, 0, [-4, 7, 0, 1]),  # 7.5 and 0.5 to even: 8, clipped, and 0
        ("unclipped", 7.5 / 7, 0, [-4, 7, 0, 1]),
        ("asymmetric", 11.5 / 15, -3, [-8, 7, -2, -2]),
        ("midpoint", 11.5 / 15, -4 + 8 * 11.5 / 15, [0, 15, 6, 7]),
    ],
)
def test_by_hand(mapping, scale, zero_point, integers):
    params = groups.choose(ROW, 4, None, mapping)
    assert params.scales.tolist() == [[np.float32(scale)]]
    assert params.zero_points.tolist() == [[pytest.approx(zero_point, rel=1e-6)]]
    assert groups.quantize(ROW, params).tolist() == [integers]


def test_a_group_is_a_run_of_columns():
    weight = np.array([[3, 7, 30, 70], [0, 0, -700, 0]])
    params = groups.choose(weight, 4, 2, "narrow")
    smallest = np.finfo(np.float32).tiny
    expected = np.array([[1, 10], [smallest, 100]], np.float32)
    assert np.array_equal(params.scales, expected)
    assert groups.quantize(weight, params).tolist() == [[3, 7, 3, 7], [0, 0, -7, 0]]


@given(WEIGHTS, st.integers(2, 8), st.sampled_from([1, 2, 8, None]), st.sampled_from(MAPPINGS))
def test_half_a_step_at_most_is_lost(weight, bits, group, mapping):
    params = groups.choose(weight, bits, group, mapping)
    integers = groups.quantize(weight, params)
    back = groups.dequantize(integers, params)
    assert integers.dtype == (np.uint8 if mapping == "midpoint" else np.int8)
    assert back.dtype == np.float32
    # The ends of `wide` and the zero point of `asymmetric` lose up to half a step more.
    steps = 1.0 if mapping in ("wide", "asymmetric") else 0.5
    allowed = np.repeat(params.scales, params.group, axis=1) * steps + 1e-6 * np.abs(weight).max()
    assert np.all(np.abs(back - weight) <= allowed)
    if mapping != "midpoint":
        assert not back[weight == 0].any()
    again = groups.quantize(back, params)
    assert np.array_equal(again, integers) or mapping == "midpoint"


def test_formats_round_halves_to_even():
    float16 = groups.choose([[7 * (1 + 2**-11)]], 4, None, "narrow", "float16")
    assert float16.scales.tolist() == [[1.0]]
    bfloat16 = [
        groups.choose([[7 * (1 + n * 2**-8)]], 4, None, "narrow", "bfloat16") for n in (1, 3)
    ]
    assert [params.scales.item() for params in bfloat16] == [1.0, 1 + 2**-6]


@pytest.mark.parametrize("scale_format", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize("mapping", MAPPINGS)
def test_zeros_stay_zeros_without_a_warning(mapping, scale_format):
    weight = np.array([[0.0, -0.0, 1e-45, 0.0]], np.float32)
    params = groups.choose(weight, 4, 2, mapping, scale_format)
    assert np.abs(groups.dequantize(groups.quantize(weight, params), params)).max() < 1e-44


@pytest.mark.parametrize(
    ("weight", "options", "message"),
    [
        (ROW, {"bits": 1}, "2 to 8; got 1"),
        (ROW, {"bits": 9}, "2 to 8; got 9"),
        (ROW, {"group": 3}, "4 columns are not whole groups of 3. Take"),
        (ROW, {"group": 0}, "groups of 0"),
        (ROW, {"group": 128}, "groups of 128"),
        (ROW, {"mapping": "symmetric"}, "narrow, .*got 'symmetric'"),
        (ROW, {"scale_format": "float8"}, "bfloat16, float16; got 'float8'"),
        ([[1.0, np.nan], [np.inf, 1.0]], {}, r"2 of 4 weights .* first \[0, 1\]. Look"),
        ([1.0, 2.0], {}, r"got shape \(2,\). Reshape"),
        (np.zeros((0, 4)), {}, r"got shape \(0, 4\)"),
        ([[3e38, -3e38]], {}, "beyond float32"),
        ([[2e6, 0.0]], {"scale_format": "float16"}, "2000000.0 needs a scale beyond float16. Div"),
    ],
)
def test_what_cannot_be_quantized_is_refused(weight, options, message):
    with pytest.raises(ValueError, match=message):
        groups.choose(weight, **options)


def test_a_weight_of_another_shape_is_refused():
    params = groups.choose(ROW, 4, 2)
    for call in (groups.quantize, groups.dequantize):
        with pytest.raises(ValueError, match=r"for \(1, 2\) rows and groups; got \(2, 1\)"):
            call(np.zeros((2, 2)), params)


def test_weights_far_outside_are_clipped():
    params = replace(groups.choose(ROW), scales=np.array([[1e-30]], np.float32))
    assert groups.quantize([[3e38, -3e38, 0, 1]], params).tolist() == [[7, -8, -3, 7]]


# --- NF4's levels --------------------------------------------------------------------------------

# NF4 in the paper's appendix E, and in bitsandbytes.
PUBLISHED = [
    *(-1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453),
    *(-0.28444138169288635, -0.18477343022823334, -0.09105003625154495, 0.0),
    *(0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224),
    *(0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0),
]


def test_nf4_is_the_published_table_to_the_bit():
    assert groups.nf4_levels().dtype == np.float32
    assert groups.nf4_levels().tolist() == np.float32(PUBLISHED).tolist()
