"""The images of the course: MNIST, or the small set of digits that ships inside scikit-learn.

MNIST: copyright Yann LeCun and Corinna Cortes, derived from the NIST data, licensed under
Creative Commons Attribution-ShareAlike 3.0. The built-in digits: E. Alpaydin and C. Kaynak,
"Optical Recognition of Handwritten Digits", UCI Machine Learning Repository, 1998, CC BY 4.0.
"""

from __future__ import annotations

import contextlib
import datetime
import gzip
import hashlib
import os
import queue
import threading
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qhelpers import paths
from qhelpers.progress import progress

Array = NDArray[Any]
Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]

PROBE_SECONDS = 8.0
"""After so long without an answer from a mirror there is no network."""
DOWNLOAD_SECONDS = 60.0
"""A download that takes longer in all is given up."""

FILES = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
"""MNIST's files and the SHA-256 of their content, unpacked."""
_PACKED_BYTES = 11_594_722  # of all four, packed with gzip as the mirrors have them
MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)


@dataclass(frozen=True, eq=False)
class Digits:
    """Handwritten digits to train on and to test on; the arrays are uint8 and read-only."""

    name: str  # "mnist" or "builtin"
    source: str  # what and how many they are and where they come from, in one line
    train_images: Bytes  # [n, 28, 28], 0 is background and 255 is ink
    train_labels: Bytes  # [n], 0 to 9
    test_images: Bytes  # [m, 28, 28]
    test_labels: Bytes  # [m]
    key: str  # 12 hexadecimal digits that stand for the content of the four arrays


def load(quiet: bool = False) -> Digits:
    """Load the digits from the first place that has them, and say, unless `quiet`, which it is.

    The places: the folder `QHELPERS_DATA_DIR`; the user's cache; MNIST's mirrors, unless
    `QHELPERS_OFFLINE` is 1; the 1,797 digits inside scikit-learn.

    Raises:
        FileNotFoundError: `QHELPERS_DATA_DIR` names no folder, or a file is missing in it.
        PermissionError: a file in it cannot be read.
        ValueError: a file in it is damaged; the message names the file and its checksum.
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
    title = {"mnist": "MNIST", "builtin": "scikit-learn's digits"}[name]
    train, train_labels, test, test_labels = arrays
    source = f"{title}, {len(train):,} training and {len(test):,} test images ({origin})"
    return Digits(name, source, train, train_labels, test, test_labels, content.hexdigest()[:12])


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
    """Read the four files, packed or not, from the folder that the user named."""
    where = f"QHELPERS_DATA_DIR is {folder}"
    advice = "Put the files there, or unset QHELPERS_DATA_DIR."
    if not folder.is_dir():
        raise FileNotFoundError(f"{where}, but there is no such folder. {advice}")
    arrays = []
    for name in FILES:
        path = next((p for p in (folder / f"{name}.gz", folder / name) if p.is_file()), None)
        if path is None:
            raise FileNotFoundError(f"{where}, but there is no {name}.gz in it. {advice}")
        try:
            arrays.append(_unpacked(path.read_bytes(), name, path))
        except PermissionError as error:
            refused = f"{path} is there and cannot be read. Ask its owner for: chmod a+r"
            raise PermissionError(refused) from error
    return arrays


def _from_cache() -> dict[str, Bytes]:
    """Return what the cache holds, by file name; a damaged file is reported and removed."""
    arrays = {}
    for name in FILES:
        path = paths.data_cache() / f"{name}.gz"
        content = paths.read_if_there(path)
        if content is None:
            continue
        try:
            arrays[name] = _unpacked(content, name, path)
        except ValueError:
            print(f"{path.name} in the cache is damaged: not used.")
            with contextlib.suppress(OSError):  # a cache for reading alone
                path.unlink()
    return arrays


def _unpacked(content: bytes, name: str, place: object) -> Bytes:
    """Check the content of a file, packed with gzip or not, and return the array inside.

    A ValueError says that it is not what the file should hold, and what to do.
    """
    try:
        plain = gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content
        found = hashlib.sha256(plain).hexdigest()
    except (OSError, EOFError, zlib.error) as error:
        plain, found = b"", f"unknown ({error})"
    if found != FILES[name]:
        raise ValueError(
            f"{place} is damaged: the SHA-256 of its content is {found}, expected {FILES[name]}. "
            f"Replace it with a fresh copy from {MIRRORS[0]}{name}.gz"
        )
    rank = plain[3]
    shape = np.frombuffer(plain, ">u4", rank, offset=4)
    return np.frombuffer(plain, np.uint8, offset=4 + 4 * rank).reshape(shape)


def _cached_or_downloaded() -> Digits | None:
    """Return MNIST from the cache or the mirrors, or None where neither has it."""
    arrays = _from_cache()
    missing = [name for name in FILES if name not in arrays]
    origin = "downloaded" if missing else "from the cache"
    if missing:
        if os.environ.get("QHELPERS_OFFLINE") == "1":
            return None
        today = datetime.date.today().isoformat().encode()
        gave_up = paths.data_cache().with_name("no-network-today")
        if paths.read_if_there(gave_up) == today:
            print("MNIST could not be downloaded earlier today. To try again, delete")
            print(paths.shown(gave_up))
            return None
        begin = time.monotonic()
        try:
            arrays |= _download(missing)
        except ConnectionError as error:
            print(f"MNIST could not be downloaded: {error}.")
            print("The built-in digits are used. QHELPERS_OFFLINE=1 skips the download.")
            if time.monotonic() - begin > 1:  # so that it costs this time once a day
                paths.keep(gave_up, today)
            return None
    return _digits("mnist", [arrays[name] for name in FILES], origin)


def _download(missing: list[str]) -> dict[str, Bytes]:
    """Download files into the cache and return their arrays, by name.

    Threads talk to the mirrors, since one that hangs can only be left behind. First all mirrors
    are asked for the smallest file: a log-in page in its place is no mirror. A ConnectionError
    says that no mirror answered in time, or that none sent the right bytes.
    """
    begin = time.monotonic()
    answers: queue.SimpleQueue[tuple[str, bytes]] = queue.SimpleQueue()
    parts: queue.SimpleQueue[int | tuple[str, bytes]] = queue.SimpleQueue()

    def ask(mirror: str) -> None:
        answers.put((mirror, _fetched("t10k-labels-idx1-ubyte", [mirror])))

    def fetch_all(mirrors: list[str]) -> None:
        for name in missing:
            parts.put((name, _fetched(name, mirrors, count)))

    def count(part: bytes) -> bytes:
        if time.monotonic() - begin > DOWNLOAD_SECONDS:
            raise TimeoutError
        parts.put(len(part))
        return part

    for mirror in MIRRORS:
        threading.Thread(target=ask, args=[mirror], daemon=True).start()
    found = (_next(answers, begin + PROBE_SECONDS) for _ in MIRRORS)
    best = next((answer[0] for answer in found if answer and answer[1]), None)
    if best is None:
        raise ConnectionError("no network")
    mirrors = sorted(MIRRORS, key=lambda mirror: mirror != best)
    threading.Thread(target=fetch_all, args=[mirrors * 2], daemon=True).start()
    arrays: dict[str, Bytes] = {}
    with progress(_PACKED_BYTES, "Downloading MNIST") as advance:
        while len(arrays) < len(missing):
            part = _next(parts, begin + DOWNLOAD_SECONDS)
            if part is None:
                raise ConnectionError(f"it takes longer than {DOWNLOAD_SECONDS:.0f} s")
            if isinstance(part, int):
                advance(part)
                continue
            name, content = part
            if not content:
                raise ConnectionError(f"no mirror sent {name} whole")
            arrays[name] = _unpacked(content, name, "the download")
            paths.keep(paths.data_cache() / f"{name}.gz", content)
    return arrays


def _next(messages: queue.SimpleQueue[Any], deadline: float) -> Any:
    """Wait for a message of a thread; None when the time is over."""
    try:
        return messages.get(timeout=max(deadline - time.monotonic(), 0))
    except queue.Empty:
        return None


def _fetched(name: str, mirrors: Sequence[str], count: Callable[[bytes], bytes] = bytes) -> bytes:
    """Return a file from the first mirror that sends it whole; nothing where none does.

    `count` gets each part of it as it comes, and hands it on.
    """
    import requests

    for mirror in mirrors:
        try:
            # A mirror that is silent for six seconds is left for the next one.
            with requests.get(f"{mirror}{name}.gz", stream=True, timeout=6) as answer:
                content = b"".join(map(count, answer.iter_content(1 << 14)))
            _unpacked(content, name, mirror)
            return content
        except Exception:  # whatever it is, this mirror is of no use
            continue
    return b""


def _builtin() -> Digits:
    """Return scikit-learn's 8x8 digits as 28x28 images, 1,297 to train on and 500 to test on."""
    from sklearn.datasets import load_digits

    pixels, target = load_digits(return_X_y=True)
    images, labels = _enlarged(pixels.reshape(-1, 8, 8).astype(np.int64)), target.astype(np.uint8)
    # The raw output of a bit generator is fixed for good, NumPy's permutations are not.
    order = np.argsort(np.random.PCG64(0).random_raw(len(images)), kind="stable")
    test, train = order[:500], order[500:]
    arrays = [images[train], labels[train], images[test], labels[test]]
    return _digits("builtin", arrays, "built in")


def _enlarged(images: NDArray[np.int64]) -> Bytes:
    """Enlarge [n, 8, 8], 0 to 16, to 20x20 (bilinear) in the middle of 28x28, like MNIST's digits.

    It computes in integers, so that every machine gets the same bytes.
    """
    # Where the middle of each new pixel lies among the middles of the old ones.
    place = (np.arange(20) + 0.5) * 8 / 20 - 0.5
    fortieths = [40 * np.interp(place, np.arange(8), one) for one in np.eye(8)]
    weights = np.rint(fortieths).astype(np.int64)  # [8, 20]
    one = 16 * 40**2
    pixels = (weights.T @ images @ weights * 255 + one // 2) // one
    return np.pad(pixels.astype(np.uint8), ((0, 0), (4, 4), (4, 4)))


def to_float(images: Bytes) -> Floats:
    """Divide images by 255: float32 in [0, 1], of the same shape.

    They are uint8 of any shape, such as [n, 28, 28]; anything else is a ValueError.
    """
    if images.dtype != np.uint8:
        raise ValueError(
            f"images must be uint8, 0 to 255; got {images.dtype}. Floats need no conversion."
        )
    return images.astype(np.float32) / np.float32(255)


def representative(images: Bytes, count: int = 100) -> Floats:
    """Take the first images as a converter wants them for calibration: see `to_float`."""
    return to_float(images[:count])
