"""MNIST's four files: read from a folder, from the cache or from a mirror, never unchecked.

Copyright Yann LeCun and Corinna Cortes, derived from the NIST data, licensed under Creative
Commons Attribution-ShareAlike 3.0.
"""

from __future__ import annotations

import gzip
import hashlib
import struct
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from qhelpers import paths

Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class File:
    """One of MNIST's files: its name and bytes as packed with gzip, and what is inside."""

    name: str
    packed_size: int
    packed_sha: str
    sha: str
    shape: tuple[int, ...]

    @property
    def header(self) -> bytes:
        """The bytes that an unpacked file begins with: 0, 0, type uint8, rank, dimensions."""
        rank = len(self.shape)
        return struct.pack(f">HBB{rank}I", 0, 8, rank, *self.shape)


FILES = (
    File(
        "train-images-idx3-ubyte.gz",
        9912422,
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        (60000, 28, 28),
    ),
    File(
        "train-labels-idx1-ubyte.gz",
        28881,
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        (60000,),
    ),
    File(
        "t10k-images-idx3-ubyte.gz",
        1648877,
        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        (10000, 28, 28),
    ),
    File(
        "t10k-labels-idx1-ubyte.gz",
        4542,
        "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        (10000,),
    ),
)
MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)


class DamagedError(ValueError):
    """A file is not the one that it should be."""


def unpack(file: File, content: bytes, packed: bool, place: str) -> Bytes:
    """Check the bytes of one file and return the array inside.

    Args:
        file: which file they should be.
        content: the bytes found.
        packed: whether they are packed with gzip.
        place: where they were found, for the message.

    Raises:
        DamagedError: they are others; the message says how and what to do.
    """
    name = file.name if packed else file.name.removesuffix(".gz")
    size = file.packed_size if packed else len(file.header) + prod(file.shape)
    expected = file.packed_sha if packed else file.sha
    found = hashlib.sha256(content).hexdigest()
    if found != expected:
        if len(content) != size:
            what = f"it holds {len(content):,} bytes instead of {size:,}"
        elif not packed and not content.startswith(file.header):
            what = "its header is not that of this file"
        else:
            what = "it has the right length but other bytes"
        raise DamagedError(
            f"{name} {place} is damaged: {what}; its SHA-256 is {found}, expected {expected}. "
            f"Replace it by a fresh copy from {MIRRORS[0]}{file.name}"
        )
    plain = gzip.decompress(content) if packed else content
    return np.frombuffer(plain, np.uint8, offset=len(file.header)).reshape(file.shape)


def _find(folder: Path, file: File) -> tuple[Path, bool] | None:
    """Return the path of a file in a folder and whether it is packed, or None."""
    for name, packed in ((file.name, True), (file.name.removesuffix(".gz"), False)):
        if (folder / name).is_file():
            return folder / name, packed
    return None


def from_folder(folder: Path, variable: str) -> list[Bytes]:
    """Read the four files, packed or not, from a folder that the user named.

    Args:
        folder: the folder.
        variable: the environment variable that names it, for the messages.

    Returns:
        Training images [60000, 28, 28], labels [60000], test images, labels; uint8, read-only.

    Raises:
        FileNotFoundError: the folder or a file is missing.
        DamagedError: a file is not the one that it should be.
    """
    advice = f"Put the files there, or unset {variable}."
    if not folder.is_dir():
        raise FileNotFoundError(f"{variable} is {folder}, but there is no such folder. {advice}")
    found = [_find(folder, file) for file in FILES]
    missing = [file.name for file, place in zip(FILES, found, strict=True) if place is None]
    if missing:
        raise FileNotFoundError(
            f"{variable} is {folder}, but there is no {', '.join(missing)} in it. {advice}"
        )
    return [
        unpack(file, place[0].read_bytes(), place[1], f"in {folder} ({variable})")
        for file, place in zip(FILES, found, strict=True)
        if place is not None
    ]


def from_cache() -> dict[str, Bytes]:
    """Read what the user's cache holds; a damaged file is reported, removed and left out.

    Returns:
        The arrays, by the names of their files.
    """
    folder = paths.data_cache()
    arrays = {}
    for file in FILES:
        path = folder / file.name
        try:
            arrays[file.name] = unpack(file, path.read_bytes(), True, "in the cache")
        except DamagedError as error:
            print(f"Removed from the cache: {str(error).partition(' Replace ')[0]}")
            path.unlink(missing_ok=True)
        except OSError:  # not there, or not readable: the same to us
            continue
    return arrays
