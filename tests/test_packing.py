"""Packed integers against Python's own big integers, and files that come back exactly."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qhelpers.arithmetic import packing

WIDTHS = st.sampled_from([1, 2, 4, 8])


def as_one_number(integers: list[int], bits: int) -> bytes:
    """Pack by arithmetic: one large number, least significant first."""
    number = sum((value % 2**bits) << (bits * place) for place, value in enumerate(integers))
    return number.to_bytes(-(-len(integers) * bits // 8), "little")


@given(st.data(), WIDTHS, st.booleans())
def test_packed_is_one_little_endian_number_and_comes_back(data, bits, signed):
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    integers = data.draw(st.lists(st.integers(low, high), max_size=40))
    packed = packing.pack(np.array(integers, np.int64), bits)
    assert packed.dtype == np.uint8
    assert packed.tobytes() == as_one_number(integers, bits)
    back = packing.unpack(packed, bits, len(integers), signed)
    assert back.dtype == (np.int8 if signed else np.uint8)
    assert back.tolist() == integers


def test_the_first_integer_is_in_the_low_half():
    assert packing.pack([1, -2, 7], 4).tolist() == [0xE1, 0x07]


def test_one_bit_is_numpys_little_order():
    signs = np.random.default_rng(1).integers(0, 2, 37).astype(np.uint8)
    assert np.array_equal(packing.pack(signs, 1), np.packbits(signs, bitorder="little"))


@pytest.mark.parametrize(
    ("integers", "bits", "message"),
    [
        ([1, 2], 3, "1, 2, 4 or 8; got 3"),
        ([0.5], 4, "Quantize first"),
        ([8, -1], 4, "-1 to 8 do not fit into 4 bits"),
        ([16], 4, "16 to 16 do not fit"),
        ([-9], 4, "-9 to -9 do not fit"),
        ([-1, 1], 1, "do not fit into 1 bits"),
    ],
)
def test_what_does_not_fit_is_refused(integers, bits, message):
    with pytest.raises(ValueError, match=message):
        packing.pack(np.array(integers), bits)


def test_the_wrong_number_of_bytes_is_refused():
    with pytest.raises(ValueError, match="5 integers of 4 bits take 3 bytes; got 2"):
        packing.unpack(np.zeros(2, np.uint8), 4, 5)


def example() -> tuple[dict[str, np.ndarray], dict[str, int]]:
    rng = np.random.default_rng(2)
    arrays = {
        "four": rng.integers(-8, 8, (3, 5)).astype(np.int8),
        "two": rng.integers(-2, 2, 7).astype(np.int8),
        "one": rng.integers(0, 2, (2, 2, 3)).astype(np.uint8),
        "codes": rng.integers(0, 16, 9).astype(np.uint8),
        "eight": rng.integers(-128, 128, 4).astype(np.int8),
        "scales": rng.normal(size=3).astype(np.float32),
        "half": rng.normal(size=(1, 4)).astype(np.float16),
        "none": np.zeros((0, 4), np.int8),
    }
    return arrays, {"four": 4, "two": 2, "one": 1, "codes": 4, "none": 2}


def test_a_file_comes_back_exactly_and_has_the_size_that_was_said(tmp_path: Path):
    arrays, bits = example()
    path = packing.save(tmp_path / "deep" / "weights.qbb", arrays, bits)
    back = packing.load(path)
    assert list(back) == list(arrays)
    for name, array in arrays.items():
        assert back[name].dtype == array.dtype
        assert back[name].shape == array.shape
        assert np.array_equal(back[name], array)
    content = path.read_bytes()
    header = struct.unpack("<I", content[4:8])[0]
    assert json.loads(content[8 : 8 + header])["four"] == ["i4", [3, 5]]
    assert len(content) == 8 + header + 8 + 2 + 2 + 5 + 4 + 12 + 8 + 0
    assert [p.name for p in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize(
    ("array", "bits", "message"),
    [
        (np.zeros(3, np.int32), {}, "got int32"),
        (np.array([9], np.int8), {"a": 4}, "9 does not fit into a signed"),
        (np.array([16], np.uint8), {"a": 4}, "do not fit into 4 bits"),
        (np.zeros(3, np.float32), {"a": 4}, "arrays of integers in the file; got 'a'"),
        (np.zeros(3, np.int8), {"b": 4}, "got 'b'"),
    ],
)
def test_a_failed_save_leaves_no_file(array, bits, message, tmp_path: Path):
    with pytest.raises(ValueError, match=message):
        packing.save(tmp_path / "weights.qbb", {"a": array}, bits)
    assert not list(tmp_path.iterdir())


def test_every_truncated_file_is_refused(tmp_path: Path):
    path = packing.save(tmp_path / "weights.qbb", *example())
    content = path.read_bytes()
    for length in range(len(content)):
        path.write_bytes(content[:length])
        with pytest.raises(ValueError, match=r"weights\.qbb is"):
            packing.load(path)
    path.write_bytes(content + b"\0")
    with pytest.raises(ValueError, match="1 bytes are left over"):
        packing.load(path)


@pytest.mark.parametrize(
    "header",
    ['{"a":["i3",[2]]}', '{"a":["f64",[0]]}', "[1]", '{"a":3}', '{"a":["i8",["x"]]}', "\xff"],
)
def test_a_header_that_says_nonsense_is_refused(header: str, tmp_path: Path):
    path = tmp_path / "weights.qbb"
    text = header.encode("latin-1")
    path.write_bytes(b"QBB1" + struct.pack("<I", len(text)) + text + b"\0\0")
    with pytest.raises(ValueError, match="damaged"):
        packing.load(path)
