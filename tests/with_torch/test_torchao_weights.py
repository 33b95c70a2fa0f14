"""Weights in groups, against the integers, scales and zero points of torchao on a CPU."""

from __future__ import annotations

import hard_weights
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from torchao.prototype._nf4tensor_api import NF4WeightOnlyConfig
from torchao.prototype.quantization.int4 import Int4OpaqueTensor, PrototypeInt4WeightOnlyConfig
from torchao.quantization import (
    Int8DynamicActivationInt8WeightConfig,
    Int8DynamicActivationIntxWeightConfig,
    Int8WeightOnlyConfig,
    IntxWeightOnlyConfig,
    MappingType,
    PerAxis,
    PerGroup,
    PerRow,
    quantize_,
)
from torchao.utils import should_reduce_range

from qhelpers.arithmetic import groups

SMALLEST_INT8 = float(np.finfo(np.float32).eps)  # the smallest scale of the int8 configurations
MAPPINGS = {
    "wide": MappingType.SYMMETRIC,
    "unclipped": MappingType.SYMMETRIC_NO_CLIPPING_ERR,
    "asymmetric": MappingType.ASYMMETRIC,
}
SCALES = {"float32": None, "bfloat16": torch.bfloat16, "float16": torch.float16}


def hard(seed: int, rows: int = 16, columns: int = 256) -> np.ndarray:
    """Hard weights, and groups of tiny, huge and subnormal ones."""
    weight = hard_weights.hard(seed, rows, columns)
    weight[7] *= np.float32(1e-30)
    weight[8] *= np.float32(1e30)
    weight[9, :64] = np.float32(1e-42)  # subnormal
    return weight


def theirs(weight: np.ndarray, config) -> torch.nn.Parameter:
    linear = torch.nn.Linear(weight.shape[1], weight.shape[0], bias=False)
    linear.weight = torch.nn.Parameter(torch.tensor(weight))
    quantize_(linear, config)
    return linear.weight


def differing(weight: np.ndarray, params: groups.GroupParams, tensor) -> list[int]:
    """Count what is not equal: integers, scales, zero points, weights that come back."""
    integers = groups.quantize(weight, params)
    pairs = [(integers, tensor.qdata), (params.scales, tensor.scale)]
    pairs += [(groups.dequantize(integers, params), tensor.dequantize())]
    if tensor.zero_point is not None:
        pairs += [(params.zero_points, tensor.zero_point)]
    found = [(ours, other.float().numpy()) for ours, other in pairs]
    assert all(ours.shape == other.shape for ours, other in found)
    return [int((ours != other).sum()) for ours, other in found]


@pytest.mark.parametrize("mapping", MAPPINGS)
@pytest.mark.parametrize("bits", range(2, 9))
@pytest.mark.parametrize("group", [32, 128, None])
def test_intx_weight_only(bits, group, mapping):
    granularity = PerAxis(0) if group is None else PerGroup(group)
    dtype = getattr(torch, f"int{bits}")
    config = IntxWeightOnlyConfig(dtype, granularity, MAPPINGS[mapping])
    for seed in range(2):
        weight = hard(seed)
        params = groups.choose(weight, bits, group, mapping)
        assert not any(differing(weight, params, theirs(weight, config)))


@pytest.mark.parametrize("mapping", MAPPINGS)
@pytest.mark.parametrize("scale_format", ["bfloat16", "float16"])
def test_scales_of_sixteen_bits(scale_format, mapping):
    config = IntxWeightOnlyConfig(
        torch.int4, PerGroup(32), MAPPINGS[mapping], scale_dtype=SCALES[scale_format]
    )
    for seed in range(5):
        weight = hard(seed)
        if scale_format == "float16":  # theirs makes NaN of what float16 has no scale for
            weight = np.clip(np.where(np.abs(weight) < 2.4e-4, 2.4e-4, weight), -1e5, 1e5)
            weight = weight.astype(np.float32)
        params = groups.choose(weight, 4, 32, mapping, scale_format)
        assert not any(differing(weight, params, theirs(weight, config)))


@given(
    hnp.arrays(np.float32, (3, 32), elements=st.floats(-(2.0**100), 2.0**100, width=32)),
    st.integers(2, 8),
    st.sampled_from(sorted(MAPPINGS)),
)
@settings(max_examples=150, deadline=None)
def test_intx_whatever_the_weights(weight, bits, mapping):
    dtype = getattr(torch, f"int{bits}")
    config = IntxWeightOnlyConfig(dtype, PerGroup(16), MAPPINGS[mapping])
    params = groups.choose(weight, bits, 16, mapping)
    assert not any(differing(weight, params, theirs(weight, config)))


@pytest.mark.parametrize("group", [32, None])
def test_int8_weight_only(group):
    config = Int8WeightOnlyConfig(granularity=PerGroup(group) if group else PerRow())
    for seed in range(10):
        weight = hard(seed)
        params = groups.choose(weight, 8, group, "wide", smallest=SMALLEST_INT8)
        assert not any(differing(weight, params, theirs(weight, config)))


@pytest.mark.parametrize("mapping", ["wide", "asymmetric"])
@pytest.mark.parametrize("bits", [8, 7])
def test_int8_dynamic_activations(bits, mapping):
    """The layer's output too: int32 sums times the scales of the row and of the column.

    A processor without VNNI adds pairs of products in int16, which only 7 bits cannot overflow.
    """
    exact = bits == 7 or not should_reduce_range(torch.device("cpu"))
    config = Int8DynamicActivationInt8WeightConfig(MAPPINGS[mapping], reduce_range=bits == 7)
    for seed in range(5):
        weight, inputs = hard(seed), hard(100 + seed, rows=12)
        inputs[8] = 0  # 1e30 in another row would leave no room in float32 for the rest
        tensor = theirs(weight, config)
        params = groups.choose(weight, bits, None, "wide", smallest=SMALLEST_INT8)
        assert not any(differing(weight, params, tensor))
        token = groups.choose(inputs, bits, None, mapping, smallest=SMALLEST_INT8)
        q_inputs, q_weight = groups.quantize(inputs, token), groups.quantize(weight, params)
        sums = q_inputs.astype(np.int32) @ q_weight.astype(np.int32).T
        expected = sums.astype(np.float32) * token.scales
        if mapping == "asymmetric":
            rows = q_weight.sum(axis=1, dtype=np.int64).astype(np.float32)
            expected -= token.zero_points.astype(np.float32) * token.scales * rows
        expected *= params.scales.T
        output = torch.nn.functional.linear(torch.tensor(inputs), tensor).detach().numpy()
        assert np.array_equal(output, expected) or not exact


def test_int8_dynamic_activations_with_int4_weights():
    """Theirs multiplies the floats that come back, of each row of activations and of the weight."""
    weight, inputs = hard(3), hard(4, rows=12)
    tensor = theirs(weight, Int8DynamicActivationIntxWeightConfig(torch.int4, PerGroup(64)))
    params = groups.choose(weight, 4, 64, "wide")
    assert not any(differing(weight, params, tensor))
    token = groups.choose(inputs, 8, None, "asymmetric")
    left = groups.dequantize(groups.quantize(inputs, token), token)
    right = groups.dequantize(groups.quantize(weight, params), params)
    linear = torch.nn.functional.linear
    expected = linear(torch.tensor(left), torch.tensor(right))
    assert torch.equal(linear(torch.tensor(inputs), tensor), expected)


@pytest.mark.parametrize("group", [32, 64, 128])
def test_int4_weight_only(group):
    """The packed bytes are in the order of this processor's kernel: ours go through its packing."""
    for seed in range(5):
        weight = hard(seed, rows=32)
        tensor = theirs(weight, PrototypeInt4WeightOnlyConfig(group_size=group))
        assert isinstance(tensor, Int4OpaqueTensor)
        params = groups.choose(weight, 4, group, "midpoint", smallest=1e-6)
        integers = torch.tensor(groups.quantize(weight, params).astype(np.int32))
        packed = torch.ops.aten._convert_weight_to_int4pack_for_cpu(integers, 1)
        assert torch.equal(packed, tensor.qdata)
        both = np.stack([params.scales.T, params.zero_points.T], axis=-1)
        assert np.array_equal(both, tensor.scale_and_zero.numpy())


@pytest.mark.parametrize("scale_format", SCALES)
def test_midpoint_is_what_the_int4_kernels_expect(scale_format):
    from torchao.quantization import quant_primitives as primitives

    for seed in range(5):
        weight = np.clip(hard(seed) + np.float32(0.25), -1e4, 1e4)
        if scale_format == "float16":  # theirs makes NaN of groups of one value
            weight = weight[10:]
        params = groups.choose(weight, 4, 32, "midpoint", scale_format)
        block = (1, 32)
        scale, zero = primitives._choose_qparams_affine_tinygemm(
            torch.tensor(weight), MappingType.ASYMMETRIC, block, torch.int32, 0, 15,
            scale_dtype=SCALES[scale_format], zero_point_dtype=SCALES[scale_format],
        )  # fmt: skip
        assert np.array_equal(params.scales, scale.float().numpy())
        assert np.array_equal(params.zero_points, zero.float().numpy())
        integers = primitives._quantize_affine_tinygemm(
            torch.tensor(weight), block, scale, zero, torch.int32, 0, 15
        )
        ours = groups.quantize(weight, params)
        assert np.array_equal(ours, integers.numpy())
        back = primitives._dequantize_affine_tinygemm(
            integers, block, scale, zero, torch.int32, 0, 15
        )
        assert np.array_equal(groups.dequantize(ours, params), back.numpy())


def test_nf4():
    """Theirs rounds the table to four decimals."""
    table = theirs(hard(0, rows=64), NF4WeightOnlyConfig()).nf4.detach().numpy()
    assert np.abs(table - groups.nf4_levels()).max() < 0.5e-4
