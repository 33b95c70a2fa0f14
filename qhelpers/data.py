"""The images of the course: MNIST, or the small set of digits that ships inside scikit-learn.

MNIST: copyright Yann LeCun and Corinna Cortes, derived from the NIST data, licensed under
Creative Commons Attribution-ShareAlike 3.0. The built-in digits: E. Alpaydin and C. Kaynak,
"Optical Recognition of Handwritten Digits", UCI Machine Learning Repository, 1998, CC BY 4.0.
"""

from __future__ import annotations

import datetime
import functools
import gzip
import hashlib
import logging
import os
import queue
import struct
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from qhelpers import paths
from qhelpers.progress import Advance, progress

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]
_T = TypeVar("_T")

PROBE_SECONDS = 8.0
"""After so long without an answer from a mirror there is no network."""
DOWNLOAD_SECONDS = 60.0
"""A download that takes longer in all is given up."""
_CONNECT_SECONDS, _READ_SECONDS = 3.0, 6.0  # to connect, and between two pieces of a file

_BUILTIN_TEST_IMAGES = 500
_BUILTIN_SIDE = 20  # of 28 pixels, like MNIST's digits


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


@dataclass(frozen=True, eq=False)
class Digits:
    """Handwritten digits to train on and to test on; the arrays are read-only.

    Attributes:
        name: "mnist" or "builtin".
        source: what and how many they are and where they come from, in one line.
        train_images: [n, 28, 28] uint8, 0 is background and 255 is ink.
        train_labels: [n] uint8, 0 to 9.
        test_images: [m, 28, 28] uint8.
        test_labels: [m] uint8.
        key: 12 hexadecimal digits that stand for the content of the four arrays.
    """

    name: str
    source: str
    train_images: Bytes
    train_labels: Bytes
    test_images: Bytes
    test_labels: Bytes
    key: str


def load(quiet: bool = False) -> Digits:
    """Load the digits from the first place that has them, and say which one it is.

    The places: the folder `QHELPERS_DATA_DIR`; the user's cache; MNIST's mirrors, unless
    `QHELPERS_OFFLINE` is 1; the 1,797 digits inside scikit-learn.

    Args:
        quiet: print no line about the source.

    Returns:
        The digits.

    Raises:
        FileNotFoundError: `QHELPERS_DATA_DIR` names no folder, or a file is missing in it.
        ValueError: a file in it is damaged; the message names the file and its checksums.
    """
    chosen = os.environ.get("QHELPERS_DATA_DIR")
    if chosen:
        digits = _digits("mnist", _from_folder(_resolved(chosen)), "from QHELPERS_DATA_DIR")
    else:
        digits = _cached_or_downloaded() or _builtin()
    if not quiet:
        print(f"Data: {digits.source}.")
    return digits


def _digits(name: str, arrays: list[Bytes], origin: str) -> Digits:
    """Name the four arrays and compute their key."""
    content = hashlib.sha256()
    for array in arrays:
        content.update(f"{array.shape}".encode())
        content.update(np.ascontiguousarray(array).data)
        array.flags.writeable = False
    train_images, train_labels, test_images, test_labels = arrays
    title = {"mnist": "MNIST", "builtin": "scikit-learn's digits"}[name]
    source = (
        f"{title}, {len(train_images):,} training and {len(test_images):,} test images ({origin})"
    )
    key = content.hexdigest()[:12]
    return Digits(name, source, train_images, train_labels, test_images, test_labels, key)


def _resolved(chosen: str) -> Path:
    """Return the folder that the user named; a kernel's working folder is not the user's.

    A relative path counts from the working folder, else from the clone's root, else from where
    Jupyter was started.
    """
    folder = Path(chosen).expanduser()
    places = [Path.cwd(), paths.clone(), os.environ.get("PWD")]
    candidates = [(Path(place) / folder).resolve() for place in places if place]
    return next((place for place in candidates if place.is_dir()), candidates[0])


def _from_folder(folder: Path) -> list[Bytes]:
    """Read the four files, packed or not, from the folder that the user named.

    Raises:
        FileNotFoundError: the folder or a file is missing.
        PermissionError: a file is there and cannot be read.
        DamagedError: a file is not the one that it should be.
    """
    variable = "QHELPERS_DATA_DIR"
    advice = f"Put the files there, or unset {variable}."
    if not folder.is_dir():
        raise FileNotFoundError(f"{variable} is {folder}, but there is no such folder. {advice}")
    found = [_find(folder, file) for file in FILES]
    missing = [file.name for file, place in zip(FILES, found, strict=True) if place is None]
    if missing:
        raise FileNotFoundError(
            f"{variable} is {folder}, but there is no {', '.join(missing)} in it. {advice}"
        )
    try:
        return [
            unpack(file, place[0].read_bytes(), place[1], f"in {folder} ({variable})")
            for file, place in zip(FILES, found, strict=True)
            if place is not None
        ]
    except PermissionError as error:
        raise PermissionError(
            f"{error.filename} is there and cannot be read. Ask its owner for: chmod a+r"
        ) from error


def _find(folder: Path, file: File) -> tuple[Path, bool] | None:
    """Return the path of a file in a folder and whether it is packed, or None."""
    for name, packed in ((file.name, True), (file.name.removesuffix(".gz"), False)):
        if (folder / name).is_file():
            return folder / name, packed
    return None


def _from_cache() -> dict[str, Bytes]:
    """Return what the cache holds, by file name; a damaged file is reported and removed."""
    arrays = {}
    for file in FILES:
        path = paths.data_cache() / file.name
        content = paths.read_if_there(path)
        if content is None:
            continue
        try:
            arrays[file.name] = unpack(file, content, True, "in the cache")
        except DamagedError as error:
            print(f"Removed from the cache: {str(error).partition(' Replace ')[0]}")
            path.unlink(missing_ok=True)
    return arrays


def _cached_or_downloaded() -> Digits | None:
    """Return MNIST from the cache or the mirrors, or None where neither has it."""
    arrays = _from_cache()
    origin = "from the cache"
    if len(arrays) < len(FILES):
        if os.environ.get("QHELPERS_OFFLINE") == "1":
            return None
        today = datetime.date.today().isoformat()
        gave_up = paths.data_cache().with_name("no-network-today")
        if gave_up.is_file() and gave_up.read_bytes() == today.encode():
            print(f"MNIST could not be downloaded earlier today (again: delete {gave_up}).")
            return None
        try:
            arrays = _download(arrays)
        except NoMirrorError as error:
            print(
                f"MNIST could not be downloaded ({error}): the built-in digits are used. "
                "With QHELPERS_OFFLINE=1 no download is tried."
            )
            if isinstance(error, NoNetworkError):
                paths.keep(gave_up, today.encode())  # so that it costs this time once a day
            return None
        origin = "downloaded"
    return _digits("mnist", [arrays[file.name] for file in FILES], origin)


def _builtin() -> Digits:
    """Return scikit-learn's 8x8 digits as 28x28 images, 1,297 to train on and 500 to test on."""
    from sklearn.datasets import load_digits

    small: Any = load_digits()
    images = enlarge(small.images.astype(np.int64))
    labels = small.target.astype(np.uint8)
    # The raw output of a bit generator is fixed for good, NumPy's permutations are not.
    order = np.argsort(np.random.PCG64(0).random_raw(len(images)), kind="stable")
    test, train = order[:_BUILTIN_TEST_IMAGES], order[_BUILTIN_TEST_IMAGES:]
    arrays = [images[train], labels[train], images[test], labels[test]]
    return _digits("builtin", arrays, "built in")


def enlarge(images: NDArray[np.int64]) -> Bytes:
    """Enlarge 8x8 images to 20x20 (bilinear), in the middle of 28x28 like MNIST's digits.

    It computes in integers, so that every machine gets the same bytes.

    Args:
        images: [n, 8, 8] int64, 0 to 16.

    Returns:
        [n, 28, 28] uint8, 0 to 255.
    """
    side, small = _BUILTIN_SIDE, images.shape[1]
    # Where the middle of each new pixel lies between the middles of old ones, in 2 * side parts.
    place = np.clip((2 * np.arange(side) + 1) * small - side, 0, 2 * side * (small - 1))
    left, part = np.divmod(place, 2 * side)
    weights = np.zeros((side, small), np.int64)
    weights[np.arange(side), left] = 2 * side - part
    weights[np.arange(side), np.minimum(left + 1, small - 1)] += part
    one = 16 * (2 * side) ** 2
    pixels = (weights @ images @ weights.T * 255 + one // 2) // one
    margin = (28 - side) // 2
    return np.pad(pixels.astype(np.uint8), ((0, 0), (margin, margin), (margin, margin)))


def to_float(images: Bytes) -> Floats:
    """Divide images by 255.

    Args:
        images: [n, 28, 28] uint8.

    Returns:
        [n, 28, 28] float32 in [0, 1].

    Raises:
        ValueError: the images are not uint8.
    """
    _check(images)
    return images.astype(np.float32) / np.float32(255)


def representative(images: Bytes, count: int = 100, seed: int | None = None) -> Floats:
    """Take a few images, as a converter wants them for calibration.

    Args:
        images: [n, 28, 28] uint8.
        count: how many, 1 to n.
        seed: None for the first `count` images; a number for a random choice of them.

    Returns:
        [count, 28, 28] float32 in [0, 1].

    Raises:
        ValueError: the images are not uint8, or there are not as many.
    """
    _check(images)
    if not 1 <= count <= len(images):
        raise ValueError(f"count must be 1 to {len(images)}, the number of images; got {count}.")
    if seed is None:
        return to_float(images[:count])
    return to_float(images[np.random.default_rng(seed).permutation(len(images))[:count]])


def darken(images: Bytes, seed: int = 0, darkest: float = 1 / 1024) -> tuple[Floats, Floats]:
    """Show images as a sensor sees them in all kinds of light: each times its own exposure.

    Exposures are log-uniform: each halving of the light is as likely as the next.

    Args:
        images: [n, 28, 28] uint8.
        seed: of the exposures.
        darkest: the smallest exposure, above 0 and at most 1.

    Returns:
        Images [n, 28, 28] float32, image / 255 * exposure; exposures [n] float32.

    Raises:
        ValueError: the images are not uint8, or `darkest` is out of range.
    """
    if not 0 < darkest <= 1:
        raise ValueError(f"darkest must be above 0 and at most 1; got {darkest}.")
    dark = to_float(images)
    exposures = (darkest ** np.random.default_rng(seed).random(len(images))).astype(np.float32)
    dark *= exposures[:, None, None]
    return dark, exposures


def _check(images: Bytes) -> None:
    """Refuse images that are not uint8."""
    if images.dtype != np.uint8:
        raise ValueError(
            f"images must be uint8, 0 to 255; got {images.dtype}. Images of digits.load() are, "
            "and floats need no conversion."
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


class NoMirrorError(OSError):
    """No mirror gave the files."""


class NoNetworkError(NoMirrorError):
    """There is no network, or one that is too slow."""


def _too_slow() -> str:
    """Say why a download was given up."""
    return f"it takes longer than {DOWNLOAD_SECONDS:.0f} s"


class _Meter:
    """What pooch takes for a tqdm bar: hands on the bytes of one file to ours, until the limit."""

    def __init__(self, advance: Advance, size: int, deadline: float) -> None:
        self.total: int = 0  # pooch sets it
        self.left, self.advance, self.deadline = size, advance, deadline

    def update(self, count: int) -> None:
        """Count bytes; pooch counts whole chunks, so the last one counts too many."""
        if time.monotonic() > self.deadline:
            raise NoNetworkError(_too_slow())
        step = min(count, self.left)
        self.left -= step
        self.advance(step)

    def reset(self) -> None:
        """Pooch calls it once the file has come, to count it again."""
        self.left = 0

    def close(self) -> None:
        """Nothing to close: the bar goes on with the next file."""


def _retrieve(mirror: str, file: File, meter: _Meter | None = None) -> bytes:
    """Download one file and return its bytes, which have the right checksum.

    Raises:
        OSError: the mirror did not answer, or answered that it has no such file.
        ValueError: it sent something else.
    """
    import pooch

    pooch.get_logger().setLevel(logging.ERROR)
    get = pooch.HTTPDownloader(
        progressbar=meter or False,
        chunk_size=1 << 14,
        timeout=(_CONNECT_SECONDS, _READ_SECONDS),
    )
    with tempfile.TemporaryDirectory(prefix="qhelpers-") as folder:
        registry = {file.name: f"sha256:{file.packed_sha}"}
        retries = 1 if meter else 0
        source = pooch.create(folder, mirror, registry=registry, retry_if_failed=retries)
        return Path(source.fetch(file.name, downloader=get)).read_bytes()


def _within(seconds: float, work: Callable[[], _T]) -> _T:
    """Do the work in a thread of its own, which is left behind when the time is over.

    Raises:
        NoNetworkError: the time is over.
    """
    answers: queue.SimpleQueue[tuple[_T | None, BaseException | None]] = queue.SimpleQueue()

    def run() -> None:
        try:
            answers.put((work(), None))
        except BaseException as error:
            answers.put((None, error))

    threading.Thread(target=run, daemon=True).start()
    try:
        result, error = answers.get(timeout=max(seconds, 0))
    except queue.Empty:
        raise NoNetworkError(_too_slow()) from None
    if error is not None:
        raise error
    return result  # type: ignore[return-value]


def _reachable() -> list[str]:
    """Return the mirrors, one that works first; an empty list if none does within the time.

    Each is asked for the smallest file, and that is checked: the log-in page of a hotel's
    network is no mirror. The threads are left behind if the network hangs.
    """
    smallest = min(FILES, key=lambda file: file.packed_size)
    answers: queue.SimpleQueue[tuple[str, bool]] = queue.SimpleQueue()

    def ask(mirror: str) -> None:
        try:
            _retrieve(mirror, smallest)
            answers.put((mirror, True))
        except Exception:  # whatever it is, this mirror is of no use
            answers.put((mirror, False))

    for mirror in MIRRORS:
        threading.Thread(target=ask, args=(mirror,), daemon=True).start()
    deadline = time.monotonic() + PROBE_SECONDS
    for _ in MIRRORS:
        try:
            mirror, works = answers.get(timeout=max(deadline - time.monotonic(), 0))
        except queue.Empty:
            break
        if works:
            return [mirror, *(other for other in MIRRORS if other != mirror)]
    return []


def _download(have: dict[str, Bytes]) -> dict[str, Bytes]:
    """Download the files that are missing, into the cache.

    Args:
        have: arrays that are there already, by the names of their files.

    Returns:
        All four arrays, by the names of their files.

    Raises:
        NoMirrorError: no mirror answered in time or none sent the right bytes.
    """
    missing = [file for file in FILES if file.name not in have]
    arrays = dict(have)
    deadline = time.monotonic() + DOWNLOAD_SECONDS
    mirrors = _reachable()
    if not mirrors:
        raise NoNetworkError("no network")
    with progress(sum(file.packed_size for file in missing), "Downloading MNIST") as advance:
        for file in missing:
            left = deadline - time.monotonic()
            content = _within(left, functools.partial(_from_any, mirrors, file, advance, deadline))
            arrays[file.name] = unpack(file, content, True, "from a mirror")
            paths.keep(paths.data_cache() / file.name, content)
    return arrays


def _from_any(mirrors: list[str], file: File, advance: Advance, deadline: float) -> bytes:
    """Download one file from the first mirror that has it."""
    for mirror in mirrors:
        try:
            return _retrieve(mirror, file, _Meter(advance, file.packed_size, deadline))
        except NoNetworkError:
            raise
        except (OSError, ValueError):
            continue
    raise NoMirrorError(f"no mirror sent {file.name} whole and unchanged")
