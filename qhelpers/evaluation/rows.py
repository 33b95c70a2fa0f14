"""One row per model: what was measured of it, and the file that keeps it."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy.typing as npt

from qhelpers import paths
from qhelpers.data import Digits
from qhelpers.evaluation import metrics

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Row:
    """What was measured of one model; flips and ratios are against the row named `reference`.

    `correct` and `flips` are None where they mean nothing: no labels, or outputs without classes.
    """

    model: str
    framework: str
    data_key: str
    data_name: str
    bytes: int
    file_sha: str
    correct: int | None
    n: int
    flips: int | None
    latency_ratio: float | None
    latency_low: float | None
    latency_high: float | None
    cpu: str
    threads: int
    stored: str
    reference: str = "float32"
    reference_sha: str = ""


def row(
    name: str,
    digits: Digits,
    bytes_: int,
    sha: str,
    outputs: Array,
    reference_outputs: Array,
    *,
    framework: str,
    stored: str,
    latency: metrics.Latency | None = None,
    threads: int = 1,
    reference: str = "float32",
    reference_sha: str = "",
) -> Row:
    """Build a row from a model's answers on all test images.

    Args:
        name: the model's name in the table.
        framework: "litert" or "pytorch".
        bytes_: size of its file.
        sha: 12 hexadecimal digits that stand for the file's content.
        outputs: [n, 10] for `digits.test_images`.
        reference_outputs: [n, 10] of the float32 model that it is compared with.
        digits: the data.
        stored: which types it stores what in.
        latency: from `metrics.latency` with the reference first; None if not measured.
        threads: how many threads it ran on.
        reference: the row's name of that float32 model.
        reference_sha: that model's `sha`; the row is left out once the reference has another.
    """
    got = metrics.accuracy(outputs, digits.test_labels)
    flips, cpu = metrics.flips(reference_outputs, outputs), metrics.cpu_name()
    ratios: tuple[float | None, float | None, float | None] = (None, None, None)
    if latency:
        ratios = (latency.ratio, latency.ratio_low, latency.ratio_high)
    head = (name, framework, digits.key, digits.name, bytes_, sha, got.correct, got.n, flips)
    return Row(*head, *ratios, cpu, threads, stored, reference, reference_sha)


def add(row: Row) -> Path:
    """Store a row in a file of its own below `paths.home()`, in place of one of that name."""
    content = json.dumps(asdict(row), indent=1, ensure_ascii=False).encode()
    return paths.write_atomically(_path(row.model, row.data_key), content)


def unchanged(model: str, key: str, sha: str, reference_sha: str) -> bool:
    """Tell whether a model's stored row was measured on this very file, and on this processor.

    Args:
        model: the row's name.
        key: of the data.
        sha: of the model's file as it is now.
        reference_sha: of the file that it is to be compared with.
    """
    try:
        row = parse(_path(model, key), key)
    except (ValueError, OSError):
        return False
    found = (row.file_sha, row.reference_sha, row.cpu)
    return found == (sha, reference_sha, metrics.cpu_name())


def _path(model: str, key: str) -> Path:
    """Return the file of a model's row."""
    name = re.sub(r"[^A-Za-z0-9_-]+", "_", model)
    if name != model:  # "a b" and "a_b" are two models
        name += "-" + hashlib.sha256(model.encode()).hexdigest()[:6]
    return folder(key) / f"{name}.json"


def folder(key: str) -> Path:
    """Return the folder of the rows that belong to one data set."""
    return paths.home() / "scorecards" / key


def parse(path: Path, key: str) -> Row:
    """Return the row in a file; a ValueError says why there is none."""
    loaded = json.loads(path.read_bytes())
    kinds = {
        "str": str,
        "int": int,
        "int | None": (int, type(None)),
        "float | None": (int, float, type(None)),
    }
    wanted = {f.name: kinds[str(f.type)] for f in fields(Row)}
    if not isinstance(loaded, dict) or set(loaded) != set(wanted):
        raise ValueError("it is no row of this version of the course")
    for name, kind in wanted.items():
        if not isinstance(loaded[name], kind) or isinstance(loaded[name], bool):  # type: ignore[arg-type]
            raise ValueError(f"{name} is {loaded[name]!r}")
    if loaded["data_key"] != key:
        raise ValueError("it belongs to other data")
    if not 0 <= (loaded["correct"] or 0) <= loaded["n"] or min(loaded["n"], loaded["bytes"]) < 1:
        raise ValueError("its numbers contradict each other")
    return Row(**loaded)
