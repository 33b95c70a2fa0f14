"""The table that closes every lesson: one row per model, kept from lesson to lesson."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from html import escape
from pathlib import Path

import numpy as np
import tabulate

from qhelpers import paths
from qhelpers.data import Digits, to_float
from qhelpers.evaluation import metrics
from qhelpers.tflite.conversion import RECIPES
from qhelpers.tflite.file import Array
from qhelpers.tflite.litert import LiteModel

WIDTH = 78
"""Columns that a table and the lines below it take at most: those of a page."""

_COLUMNS = ("model", "bytes", "smaller", "accuracy % [95 %]", "flips", "time")


@dataclass(frozen=True)
class Row:
    """What was measured of one model; flips and ratios are against the row named `reference`.

    `lesson` is the first lesson that shows the row; `latency_ratio` is None if not measured.
    """

    model: str
    lesson: int
    data_key: str
    bytes: int
    file_sha: str
    correct: int
    n: int
    flips: int
    latency_ratio: float | None
    cpu: str
    threads: int
    reference: str
    reference_sha: str


_only_here: dict[Path, Row] = {}  # rows of this process that no file could be written for


def row(
    name: str,
    digits: Digits,
    content: bytes,
    outputs: Array,
    reference_outputs: Array,
    *,
    lesson: int,
    latency: metrics.Latency | None = None,
    threads: int = 1,
    reference: str = "float32",
    reference_content: bytes | None = None,
) -> Row:
    """Build a model's row from its file's content and its answers on all test images.

    Both outputs are [n, 10]. `reference` names the row of the float32 model that it is compared
    with, `reference_content` is that model's file, None if it is this one: once the reference has
    another file, the row is left out. `latency` is from `metrics.latency`, the reference first.
    """
    return Row(
        model=name,
        lesson=lesson,
        data_key=digits.key,
        bytes=len(content),
        file_sha=_sha(content),
        correct=metrics.accuracy(outputs, digits.test_labels).correct,
        n=len(digits.test_labels),
        flips=metrics.flips(reference_outputs, outputs),
        latency_ratio=latency.ratio if latency else None,
        cpu=metrics.cpu_name(),
        threads=threads,
        reference=reference,
        reference_sha=_sha(content if reference_content is None else reference_content),
    )


def add(row: Row) -> Path:
    """Store a row in a file of its own below `paths.home()`, in place of one of that name.

    A row that a lesson before has stored stays that lesson's. Where no file can be written, the row
    lives as long as this process.
    """
    path = _path(row.model, row.data_key)
    with contextlib.suppress(ValueError, OSError):
        old = _parse(path, row.data_key)
        row = replace(row, lesson=min(row.lesson, old.lesson))
        if row.latency_ratio is None and row.file_sha == old.file_sha:  # keep an earlier timing
            row = replace(row, latency_ratio=old.latency_ratio, cpu=old.cpu, threads=old.threads)
    content = json.dumps(asdict(row), indent=1, ensure_ascii=False).encode()
    if not paths.keep(path, content):
        _only_here[path] = row
    return path


def lesson(
    models: Mapping[str, LiteModel],
    digits: Digits,
    outputs: Mapping[str, Array] | None = None,
    *,
    upto: int,
) -> Scorecard:
    """Measure a lesson's models, store their rows, and return the card up to this lesson.

    The first model is the float32 one that the others are compared with. `outputs`, [n, 10] by
    name, are of models that have been run on the test images already. `upto` is the lesson.
    """
    images = digits.test_images
    times = metrics.latency({n: model.single(to_float(images[0])) for n, model in models.items()})
    known = dict(outputs or {})
    (first, reference), *_ = models.items()
    for name, model in models.items():
        if name not in known:  # in parts: as floats, all images would take 31 MB
            parts = (to_float(images[i : i + 1000]) for i in range(0, len(images), 1000))
            known[name] = np.concatenate([model.predict(part) for part in parts])
        measured = row(
            *(name, digits, model.content, known[name], known[first]),
            lesson=upto,
            latency=times[name],
            threads=model.threads,
            reference=first,
            reference_content=reference.content,
        )
        add(measured)
    return Scorecard.load(digits, upto)


@dataclass(frozen=True)
class Scorecard:
    """Rows that were measured on one data set, and remarks on those left out."""

    source: str
    rows: list[Row]
    notes: list[str] = field(default_factory=list)

    @classmethod
    def load(cls, digits: Digits, upto: int | None = None) -> Scorecard:
        """Return the card of the rows stored for `digits`, of lessons up to `upto` or of all."""
        stored, unreadable, notes = {}, [], []
        folder = _folder(digits.key)
        for path in sorted(folder.glob("*.json")):
            try:
                stored[path] = _parse(path, digits.key)
            except (ValueError, OSError):
                unreadable.append(path.name)
        if unreadable:
            notes.append(
                f"left out, damaged or of an older version of the course: {', '.join(unreadable)}. "
                "Run their lessons again."
            )
        stored |= {path: row for path, row in _only_here.items() if path.parent == folder}
        shas = {row.model: row.file_sha for row in stored.values()}
        rows = [row for row in stored.values() if upto is None or row.lesson <= upto]
        stale = [row for row in rows if shas.get(row.reference) not in (None, row.reference_sha)]
        notes += [
            f"{row.model} left out: it was compared with another {row.reference} file. "
            "Run its lesson again."
            for row in stale
        ]
        return cls(digits.source, sorted((r for r in rows if r not in stale), key=_place), notes)

    def _cells(self, row: Row) -> list[str]:
        """Return a row's texts, one for each column."""
        sizes = {other.model: other.bytes for other in self.rows}
        low, high = metrics.wilson(row.correct, row.n)
        share = f"{100 * row.correct / row.n:.2f} [{100 * low:.1f}, {100 * high:.1f}]"
        smaller, time = "–", "–"
        if row.reference in sizes:
            smaller = f"{sizes[row.reference] / row.bytes:.2f}x"
        if row.latency_ratio is not None:
            time = "1x" if row.model == row.reference else speed(row.latency_ratio)
        return [row.model, f"{row.bytes:,}", smaller, share, f"{row.flips:,}", time]

    def _footer(self) -> list[str]:
        """Return the lines below the table: what it was measured on."""
        cpus = sorted({f"{r.cpu}, {r.threads} thread{'s' * (r.threads > 1)}" for r in self.rows})
        images = sorted({r.n for r in self.rows})
        lines = [f"Data: {self.source}; n = {' / '.join(f'{n:,}' for n in images)}."]
        timed = any(r.latency_ratio is not None for r in self.rows)
        time = " Time: one image, fastest round against the baseline's." if timed else ""
        lines += [f"CPU: {'; '.join(cpus)}.{time}"]
        for name in sorted({r.reference for r in self.rows} - {"float32"}):
            others = [r.model for r in self.rows if r.reference == name and r.model != name]
            if others:
                lines.append(f"Compared with {name}: {'; '.join(others)}.")
        return lines + [f"Note: {note}" for note in self.notes]

    def text(self) -> str:
        """Return the table as lines of text."""
        return text_table(_COLUMNS, map(self._cells, self.rows), self._footer())

    def html(self) -> str:
        """Return the table as HTML."""
        head = '<table><caption style="text-align:left">Scorecard</caption>'
        table = _table(_COLUMNS, map(self._cells, self.rows), "html").replace("<table>", head, 1)
        table = re.sub(r"<th(?=[ >])", '<th scope="col"', table)
        below = "<br>".join(map(escape, self._footer()))
        return f'{table}<p style="font-size:.9em">{below}</p>'

    _repr_html_ = html
    __repr__ = text


def speed(ratio: float) -> str:
    """Say in words how a time compares with the reference's, such as "3.4x slower"."""
    times = max(ratio, 1 / ratio)
    if times < 1.1:
        return "the same"
    return f"{times:.1f}x {'slower' if ratio > 1 else 'faster'}"


def text_table(
    columns: Sequence[str], rows: Iterable[Sequence[str]], footer: Sequence[str] = ()
) -> str:
    """Return a table as lines of text, names to the left and figures to the right.

    The footer's lines stand below it; long ones are wrapped.
    """
    lines = (textwrap.fill(line, WIDTH) for line in footer)
    return "\n".join([_table(columns, rows, "simple"), *lines])


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]], style: str) -> str:
    """Return a table as tabulate sets it in `style`."""
    sides = ["left", *["right"] * (len(columns) - 1)]
    tabulate.MIN_PADDING = 0  # else a heading is two columns wider than its letters
    return str(tabulate.tabulate(list(rows), columns, style, disable_numparse=True, colalign=sides))


def _place(row: Row) -> tuple[int, bool, str, bool, str]:
    """Return what rows are sorted by: the recipes, then others behind what they compare with."""
    recipe = RECIPES.index(row.model) if row.model in RECIPES else len(RECIPES)
    return recipe, row.reference != "float32", row.reference, row.model != row.reference, row.model


def _sha(content: bytes) -> str:
    """Return 12 hexadecimal digits that stand for a file's content."""
    return hashlib.sha256(content).hexdigest()[:12]


def _path(model: str, key: str) -> Path:
    """Return the file of a model's row."""
    name = re.sub(r"[^A-Za-z0-9_-]+", "_", model)
    if name != model:  # "a b" and "a_b" are two models
        name += "-" + _sha(model.encode())[:6]
    return _folder(key) / f"{name}.json"


def _folder(key: str) -> Path:
    """Return the folder of the rows that belong to one data set."""
    return paths.home() / "scorecards" / key


def _parse(path: Path, key: str) -> Row:
    """Return the row in a file; a ValueError says that it is not a valid one for this data."""
    try:
        row = Row(**json.loads(path.read_bytes()))
        valid = (
            row.data_key == key
            and all(isinstance(text, str) for text in (row.model, row.cpu, row.reference))
            and 0 <= row.correct <= row.n
            and min(row.n, row.bytes, row.threads) >= 1
            and min(row.lesson, row.flips) >= 0
            and (row.latency_ratio is None or row.latency_ratio > 0)
        )
    except (TypeError, RecursionError):  # of another version, or a text where a number should be
        valid = False
    if not valid:
        raise ValueError(f"{path} holds no row of this data, or numbers that contradict each other")
    return row
