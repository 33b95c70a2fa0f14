"""Integers of fewer than eight bits in bytes, and a file that holds them.

A file is, in this order: the 4 bytes `QBB1`, the length of the header (4 bytes, little-endian), the
header (JSON: name -> [type, shape]), then the tensors' bytes, one behind the other, in the header's
order. A type is such as "i4" or "u1" for packed integers, "f16" or "f32" for floats.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

_MARK = b"QBB1"
_WIDTHS = (1, 2, 4, 8)
_FLOATS = {"f16": "<f2", "f32": "<f4"}


def pack(integers: ArrayLike, bits: int) -> NDArray[np.uint8]:
    """Put 8 / bits integers into each byte, the first one into the lowest bits, as LiteRT does.

    Args:
        integers: any shape, taken in C order. Negative ones become two's complement of `bits` bits.
        bits: 1, 2, 4 or 8.

    Returns:
        uint8 [ceil(n * bits / 8)]; what is left over in the last byte is zeros.

    Raises:
        ValueError: another number of bits, no integers, or one that does not fit.
    """
    array = _checked(integers, bits)
    whole = np.zeros(_bytes(array.size, bits) * (8 // bits), np.uint8)
    whole[: array.size] = array.ravel().astype(np.int64) & (2**bits - 1)
    shifted = whole.reshape(-1, 8 // bits) << np.arange(0, 8, bits, dtype=np.uint8)
    return np.asarray(np.bitwise_or.reduce(shifted, axis=1), np.uint8)


def unpack(packed: ArrayLike, bits: int, count: int, signed: bool = True) -> NDArray[Any]:
    """Undo `pack`.

    Args:
        packed: uint8, as `pack` returned it.
        bits: 1, 2, 4 or 8.
        count: how many integers; the bytes may hold a few more.
        signed: read two's complement, else 0 to 2^bits - 1.

    Returns:
        int8 or uint8 [count].

    Raises:
        ValueError: another number of bits, or the number of bytes does not fit `count`.
    """
    _check_width(bits)
    array = np.asarray(packed, np.uint8).ravel()
    if array.size != _bytes(count, bits):
        raise ValueError(
            f"{count} integers of {bits} bits take {_bytes(count, bits)} bytes; got {array.size}."
        )
    pieces = array[:, None] >> np.arange(0, 8, bits, dtype=np.uint8) & (2**bits - 1)
    found: NDArray[Any] = pieces.ravel()[:count].astype(np.uint8)
    if not signed:
        return found
    half = 2 ** (bits - 1)  # what begins with a 1 is negative
    return np.asarray((found.astype(np.int16) ^ half) - half, np.int8)


def save(path: Path, arrays: Mapping[str, NDArray[Any]], bits: Mapping[str, int]) -> Path:
    """Write arrays into one file, all of it or nothing.

    Args:
        path: the file.
        arrays: name -> integers (int8 or uint8) or floats (float16 or float32) of any shape.
        bits: name -> 1, 2, 4 or 8 for the integer arrays; 8 where it is not said.

    Returns:
        `path`.

    Raises:
        ValueError: an array of another type, integers that do not fit, or bits of no integer array.
    """
    wrong = [name for name in bits if name not in arrays or arrays[name].dtype.kind not in "iu"]
    if wrong:
        raise ValueError(f"bits are for arrays of integers in the file; got {wrong[0]!r}.")
    header, parts = {}, []
    for name, array in arrays.items():
        kind = {"float16": "f16", "float32": "f32"}.get(array.dtype.name)
        if kind is None:
            if array.dtype not in (np.int8, np.uint8):
                raise ValueError(f"{name}: int8, uint8, float16 or float32; got {array.dtype}.")
            width = bits.get(name, 8)
            _check_sign(array, width)
            kind = f"{array.dtype.kind}{width}"
            parts.append(pack(array, width).tobytes())
        else:
            parts.append(array.astype(_FLOATS[kind]).tobytes())
        header[name] = [kind, list(array.shape)]
    text = json.dumps(header, separators=(",", ":")).encode()
    content = _MARK + struct.pack("<I", len(text)) + text + b"".join(parts)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(content)
    return part.replace(path)


def load(path: Path) -> dict[str, NDArray[Any]]:
    """Read the arrays that `save` wrote; nothing in the file is executed.

    Args:
        path: the file.

    Returns:
        name -> array, in the types and shapes that were saved.

    Raises:
        ValueError: it is no such file, or not all of one.
    """
    content = path.read_bytes()
    if content[:4] != _MARK or len(content) < 8:
        raise ValueError(f"{path.name} is no file of packed weights: it begins {content[:4]!r}.")
    start = 8 + struct.unpack("<I", content[4:8])[0]
    arrays: dict[str, NDArray[Any]] = {}
    try:
        header = json.loads(content[8:start])
        for name, (kind, shape) in header.items():
            count = math.prod(shape)
            is_float = kind in _FLOATS
            width = int(kind[1:])
            end = start + _bytes(count, width)
            part = np.frombuffer(content[start:end], _FLOATS[kind] if is_float else np.uint8)
            flat = part if is_float else unpack(part, width, count, signed=kind[0] == "i")
            arrays[name] = flat.reshape(shape).copy()
            start = end
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        raise ValueError(f"{path.name} is damaged: {error}") from error
    if start != len(content):
        raise ValueError(f"{path.name} is damaged: {len(content) - start} bytes are left over.")
    return arrays


def _bytes(count: int, bits: int) -> int:
    """Return how many bytes `count` numbers of `bits` bits take."""
    return -(-count * bits // 8)


def _check_width(bits: int) -> None:
    """Refuse widths that do not divide a byte."""
    if bits not in _WIDTHS:
        raise ValueError(f"bits must be 1, 2, 4 or 8; got {bits}.")


def _checked(integers: ArrayLike, bits: int) -> NDArray[Any]:
    """Return integers that fit into `bits` bits, signed or unsigned."""
    _check_width(bits)
    array = np.asarray(integers)
    if array.dtype.kind not in "iu":
        raise ValueError(f"only integers can be packed; got {array.dtype}. Quantize first.")
    if array.size:
        low, high = int(array.min()), int(array.max())
        fits_signed = -(2 ** (bits - 1)) <= low and high < 2 ** (bits - 1)
        if not fits_signed and not (low >= 0 and high < 2**bits):
            raise ValueError(f"integers from {low} to {high} do not fit into {bits} bits.")
    return array


def _check_sign(array: NDArray[Any], bits: int) -> None:
    """Refuse signed integers that would come back with another sign."""
    if array.dtype.kind == "i" and array.size and int(array.max()) >= 2 ** (bits - 1):
        raise ValueError(
            f"{int(array.max())} does not fit into a signed integer of {bits} bits. "
            "Use uint8 if none is negative."
        )
