"""Files that every machine has, as the file-type network reads them."""

from __future__ import annotations

import importlib.util
import os
import sysconfig
from collections import defaultdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

# Packages that the course installs anyway, with data of many kinds among them.
_PACKAGES = ("numpy", "scipy", "sklearn", "matplotlib", "onnx", "jinja2", "requests", "certifi")
_HALF, _BLOCK, _PADDING, _SMALLEST = 1024, 4096, 256, 16
_SAME = ("c", "csv", "gif", "npy", "npz", "pdf", "png", "svg", "tar", "toml", "ttf", "wav", "xml")
CERTAIN = {f".{name}": name for name in _SAME} | {
    **{".gz": "gzip", ".jpg": "jpeg", ".py": "python", ".pyc": "pythonbytecode", ".zip": "zip"},
}
"""Suffixes that leave little doubt, and the network's name for the type."""


def pick(n: int, most: int = 8, seed: int = 0) -> list[Path]:
    """Return up to n files in random order, at most `most` of a suffix, equal ones once.

    They are of the standard library and of packages that the course installs.
    """
    specs = map(importlib.util.find_spec, _PACKAGES)
    roots = [Path(spec.origin).parent for spec in specs if spec and spec.origin]
    kinds: dict[str, list[Path]] = defaultdict(list)
    for root in (Path(sysconfig.get_path("stdlib")), *roots):
        for folder, inside, names in os.walk(root):
            inside[:] = sorted({*inside} - {"site-packages", "dist-packages"})
            for name in sorted(names):
                if os.access(Path(folder, name), os.R_OK):
                    kinds[Path(name).suffix.lower()].append(Path(folder, name))
    random, chosen = np.random.default_rng(seed), {}
    for _, group in sorted(kinds.items()):
        for place in random.permutation(len(group))[:most]:
            seen = features(group[place])
            if (seen != _PADDING).sum() >= _SMALLEST:
                chosen[seen.tobytes()] = group[place]
    every = list(chosen.values())
    return [every[place] for place in random.permutation(len(every))[:n]]


def features(path: Path) -> NDArray[np.int32]:
    """Return the 2,048 numbers that stand for a file: its first and last 1,024 bytes.

    White space at both ends is left out, and 256 stands where there is nothing.

    Source: magika 1.0.3, `Magika._extract_features_from_seekable`.
    """
    with path.open("rb") as stream:
        head = stream.read(_BLOCK)
        stream.seek(max(0, path.stat().st_size - _BLOCK))
        tail = stream.read(_BLOCK)
    first, last = head.lstrip()[:_HALF], tail.rstrip()[-_HALF:]
    numbers = np.full(2 * _HALF, _PADDING, np.int32)
    numbers[: len(first)] = np.frombuffer(first, np.uint8)
    numbers[2 * _HALF - len(last) :] = np.frombuffer(last, np.uint8)
    return numbers
