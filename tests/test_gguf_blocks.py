"""Blocks of .gguf files, byte for byte, against the gguf package and ggml's own code."""

from __future__ import annotations

import hashlib

import gguf
import hard_weights
import numpy as np
import pytest
from gguf import GGMLQuantizationType
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from qhelpers.arithmetic import gguf_blocks

KINDS = list(gguf_blocks.SIZES)


def hard(seed: int, rows: int = 12, columns: int = 512) -> np.ndarray:
    """Hard weights, and blocks that float16 or 6 bits have no scale for, or of unlike sizes."""
    weight = hard_weights.hard(seed, rows, columns, alike=300)
    weight[7] *= np.float32(1e-7)  # float16 has no such scale
    weight[8, ::32] *= 100
    weight[9, :32] *= np.float32(1e-4)  # its scale of 6 bits is 0
    return weight


def theirs(weight: np.ndarray, kind: str) -> np.ndarray:
    return gguf.quants.quantize(weight, GGMLQuantizationType[kind])


def back(packed: np.ndarray, kind: str) -> np.ndarray:
    return gguf.quants.dequantize(packed, GGMLQuantizationType[kind])


@pytest.mark.parametrize("kind", KINDS)
def test_sizes_are_those_of_the_format(kind):
    assert gguf_blocks.SIZES[kind] == gguf.GGML_QUANT_SIZES[GGMLQuantizationType[kind]]


@pytest.mark.parametrize("kind", ["Q8_0", "Q4_0"])
@pytest.mark.parametrize("seed", range(20))
def test_quantized_bytes(kind, seed):
    weight = hard(seed)
    assert np.array_equal(gguf_blocks.quantize(weight, kind), theirs(weight, kind))


@given(
    hnp.arrays(np.float32, (2, 64), elements=st.floats(-1e5, 1e5, width=32)),
    st.sampled_from(["Q8_0", "Q4_0"]),
)
@settings(deadline=None)
def test_quantized_bytes_whatever_the_weights(weight, kind):
    weight[np.abs(weight) < 1e-30] = 0  # theirs casts infinities
    assert np.array_equal(gguf_blocks.quantize(weight, kind), theirs(weight, kind))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(5))
def test_bytes_to_weights(kind, seed):
    packed = gguf_blocks.quantize(hard(seed), kind)
    random = np.random.default_rng(seed).integers(0, 256, packed.shape, np.uint8)
    for rows in (packed, random):
        with np.errstate(invalid="ignore"):  # random bytes hold float16 infinities and NaN
            ours, expected = gguf_blocks.dequantize(rows, kind), back(rows, kind)
        assert ours.dtype == np.float32
        assert np.array_equal(ours, expected, equal_nan=True)


def spread(rows: int, columns: int) -> np.ndarray:
    """Weights by arithmetic that every machine and every NumPy does alike, most near zero."""
    places = np.arange(rows * columns, dtype=np.uint64)
    share = (places * 2654435761 % 2**32).astype(np.float64) / 2**32 - 0.5
    weight = (share * (0.02 + share * share)).astype(np.float32).reshape(rows, columns)
    weight[1] = np.abs(weight[1])
    weight[2] = -np.abs(weight[2])
    weight[3, :32] = 0
    weight[4, :96] = -0.25
    weight[5, 64:128] *= np.float32(2**-12)
    weight[6] *= np.float32(2**-30)
    weight[7, ::16] *= 64
    return weight


# SHA-256 of what ggml's quantize_row_q8_0_ref, quantize_row_q4_0_ref and quantize_row_q4_K_ref made
# of spread(8, 1024), at commit d99724f of 2026-08-21, compiled for x86-64 by GCC 12 with -O2, where
# no multiplication is fused with an addition.
REFERENCE = {
    "Q8_0": "9aa16ba3090058c5ae68aded8f72e6de7923716ea0f81b3c1bca3fbcd2a64f29",
    "Q4_0": "8690d951e56a2a8d673ed39285688664e53a82ebeff2a5180f6798adaf39dbbb",
    "Q4_K": "fdcbdb39b19df38f6a3602a00cf55e898f30156ef5aaffa1d2183f69547d9d78",
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_reference_in_c_made_these_bytes(kind):
    packed = gguf_blocks.quantize(spread(8, 1024), kind)
    assert hashlib.sha256(packed.tobytes()).hexdigest() == REFERENCE[kind]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [1e-10, 1e-20, 1e-30, 1e-38, 1e-40, 1e-44])
def test_what_float16_is_too_coarse_for_becomes_zeros(kind, size):
    weight = np.random.default_rng(0).normal(0, size, (4, 256)).astype(np.float32)
    assert not gguf_blocks.dequantize(gguf_blocks.quantize(weight, kind), kind).any()


def test_what_each_kind_loses():
    weight = np.random.default_rng(0).normal(size=(64, 1024)).astype(np.float32)
    error = {
        kind: float(
            np.std(gguf_blocks.dequantize(gguf_blocks.quantize(weight, kind), kind) - weight)
        )
        for kind in KINDS
    }
    assert error["Q8_0"] < 0.006
    assert error["Q4_K"] < 0.9 * error["Q4_0"] < 0.09  # with as many bits


def test_a_file_comes_back(tmp_path):
    path = tmp_path / "model.gguf"
    weight = hard(1)
    packed = {kind: gguf_blocks.quantize(weight, kind) for kind in KINDS}
    writer = gguf.GGUFWriter(path, "small")
    for kind, data in packed.items():
        writer.add_tensor(kind, data, raw_dtype=GGMLQuantizationType[kind])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    tensors = {tensor.name: tensor for tensor in gguf.GGUFReader(path).tensors}
    assert sorted(tensors) == sorted(KINDS)
    for kind, tensor in tensors.items():
        assert tensor.tensor_type.name == kind
        assert tensor.shape.tolist() == [*reversed(weight.shape)]
        assert np.array_equal(tensor.data, packed[kind])
        assert np.array_equal(gguf_blocks.dequantize(tensor.data, kind), back(tensor.data, kind))


@pytest.mark.parametrize(
    ("weight", "kind", "message"),
    [
        (np.zeros((2, 48)), "Q4_0", "48 columns are not whole groups of 32"),
        (np.zeros((2, 128)), "Q4_K", "128 columns are not whole groups of 256"),
        (np.full((1, 32), np.nan), "Q8_0", "32 of 32 weights are NaN"),
        (np.full((1, 32), 1e9), "Q8_0", "1000000000.0 needs a scale beyond float16"),
        (np.full((1, 32), 1e9), "Q4_0", "beyond float16. Divide"),
        (np.full((1, 256), -1e20), "Q4_K", "beyond float16"),
        (np.arange(256)[None] * 1e20, "Q4_K", "beyond float16"),
        (np.zeros((2, 32)), "Q3_K", "one of Q8_0, Q4_0, Q4_K; got 'Q3_K'"),
    ],
)
def test_what_no_block_holds_is_refused(weight, kind, message):
    with pytest.raises(ValueError, match=message):
        gguf_blocks.quantize(weight, kind)


@pytest.mark.parametrize(
    ("packed", "kind", "message"),
    [
        (np.zeros((2, 35), np.uint8), "Q8_0", r"whole blocks, .*got 'Q8_0', uint8 \(2, 35\)"),
        (np.zeros((2, 34), np.int8), "Q8_0", "int8"),
        (np.zeros((2, 34), np.uint8), "Q5_0", "got 'Q5_0'"),
    ],
)
def test_other_bytes_are_refused(packed, kind, message):
    with pytest.raises(ValueError, match=message):
        gguf_blocks.dequantize(packed, kind)
