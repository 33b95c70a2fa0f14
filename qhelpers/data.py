"""The images of the course: MNIST, or the small set of digits that ships inside scikit-learn.

MNIST: copyright Yann LeCun and Corinna Cortes, derived from the NIST data, licensed under
Creative Commons Attribution-ShareAlike 3.0. The built-in digits: E. Alpaydin and C. Kaynak,
"Optical Recognition of Handwritten Digits", UCI Machine Learning Repository, 1998, CC BY 4.0.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qhelpers import download, mnist

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]

_BUILTIN_TEST_IMAGES = 500
_BUILTIN_SIDE = 20  # of 28 pixels, like MNIST's digits


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
        folder = Path(chosen).expanduser()
        variable = "QHELPERS_DATA_DIR"
        digits = _digits("mnist", mnist.from_folder(folder, variable), f"from {variable}")
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


def _cached_or_downloaded() -> Digits | None:
    """Return MNIST from the cache or the mirrors, or None where neither has it."""
    arrays = mnist.from_cache()
    origin = "from the cache"
    if len(arrays) < len(mnist.FILES):
        if os.environ.get("QHELPERS_OFFLINE") == "1":
            return None
        try:
            arrays = download.download(arrays)
        except download.NoMirrorError as error:
            print(f"MNIST could not be downloaded ({error}): the built-in digits are used.")
            return None
        origin = "downloaded"
    return _digits("mnist", [arrays[file.name] for file in mnist.FILES], origin)


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
