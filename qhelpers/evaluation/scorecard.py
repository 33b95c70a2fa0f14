"""The table that closes every lesson: one row per model, kept from lesson to lesson."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from qhelpers.data import Digits, to_float
from qhelpers.evaluation import metrics, tables
from qhelpers.evaluation.rows import Row, add, folder, parse, row
from qhelpers.tflite.litert import RECIPES, LiteModel

__all__ = ["Row", "Scorecard", "add", "lesson", "measure", "row"]

Array = npt.NDArray[Any]

_COLUMNS = ("model", "bytes", "smaller", "accuracy [95 %]", "flips", "latency ratio", "stored")


def measure(
    name: str,
    model: LiteModel,
    digits: Digits,
    reference_outputs: Array | None = None,
    latency: metrics.Latency | None = None,
    *,
    outputs: Array | None = None,
    reference: str = "float32",
    reference_sha: str = "",
) -> Row:
    """Run a .tflite model on all test images and build its row.

    Args:
        name: the model's name in the table.
        model: the opened file.
        digits: the data.
        reference_outputs: [n, 10] of the float32 model; None if this is that model.
        latency: as in `row`.
        outputs: [n, 10] of the model, where it has been run already.
        reference: as in `row`.
        reference_sha: as in `row`; this model's own if it is the reference.
    """
    if outputs is None:
        outputs = model.predict(to_float(digits.test_images))
    return row(
        name,
        digits,
        *(model.size, model.sha, outputs),
        outputs if reference_outputs is None else reference_outputs,
        framework="litert",
        stored=model.stored(),
        latency=latency,
        threads=model.threads,
        reference=reference,
        reference_sha=model.sha if reference_outputs is None else reference_sha,
    )


def lesson(
    models: Mapping[str, LiteModel],
    digits: Digits,
    images: Array | None = None,
    outputs: Mapping[str, Array] | None = None,
) -> Scorecard:
    """Measure a lesson's models, store their rows, and return the card with all rows so far.

    Args:
        models: name -> opened file; the first is the float32 model to compare with.
        digits: the data.
        images: float32 [n, 28, 28] in place of `digits.test_images`, such as darkened ones.
        outputs: name -> [n, 10] of models that have been run on these images already.
    """
    images = to_float(digits.test_images) if images is None else images
    times = metrics.latency({name: model.single(images[0]) for name, model in models.items()})
    known = dict(outputs or {})
    (first, reference), *_ = models.items()
    for name, model in models.items():
        known[name] = known[name] if name in known else model.predict(images)
        add(
            measure(
                *(name, model, digits, known[first], times[name]),
                outputs=known[name],
                reference=first,
                reference_sha=reference.sha,
            )
        )
    return Scorecard.load(digits)


@dataclass(frozen=True)
class Scorecard:
    """All rows that were measured on one data set, and remarks on those left out."""

    source: str
    rows: list[Row]
    notes: list[str] = field(default_factory=list)

    @classmethod
    def load(cls, digits: Digits) -> Scorecard:
        """Return the card of the rows stored for `digits`, float32 first."""
        rows, notes = [], []
        for path in sorted(folder(digits.key).glob("*.json")):
            try:
                rows.append(parse(path, digits.key))
            except (ValueError, OSError) as error:
                notes.append(f"{path.name} left out: {error}.")
        shas = {row.model: row.file_sha for row in rows}
        stale = [r for r in rows if shas.get(r.reference, r.reference_sha) != r.reference_sha]
        notes += [
            f"{r.model} left out: it was compared with another {r.reference} file. "
            "Run its lesson again."
            for r in stale
        ]
        kept = [row for row in rows if row not in stale]
        rank = {name: place for place, name in enumerate(RECIPES)}
        kept.sort(
            key=lambda row: (
                rank.get(row.model, len(rank)),
                row.reference,
                row.model != row.reference,  # the model that others are compared with goes first
                row.model,
            )
        )
        return cls(digits.source, kept, notes)

    def _cells(self, row: Row) -> list[str]:
        """Return a row's texts, one for each column."""
        sizes = {other.model: other.bytes for other in self.rows}
        share, smaller, ratio = "–", "–", "–"
        if row.correct is not None:
            right = np.arange(row.n) < row.correct
            share = str(metrics.accuracy(right, np.ones(row.n, bool)))
        if row.reference in sizes:
            smaller = f"{sizes[row.reference] / row.bytes:.2f}x"
        if row.latency_ratio is not None:
            places = 2 if row.latency_ratio < 10 else 1
            ratio = f"{row.latency_ratio:.{places}f}x"
            if row.model != row.reference:
                ratio += f" ({row.latency_low:.{places}f}–{row.latency_high:.{places}f})"
        return [
            row.model,
            f"{row.bytes:,}",
            smaller,
            share,
            "–" if row.flips is None else f"{row.flips:,}",
            ratio,
            row.stored,
        ]

    def _footer(self) -> list[str]:
        """Return the lines below the table: what it was measured on."""
        cpus = sorted({f"{r.cpu}, {r.threads} thread{'s' * (r.threads > 1)}" for r in self.rows})
        images = sorted({r.n for r in self.rows})
        lines = [f"Data: {self.source}; n = {' / '.join(f'{n:,}' for n in images)}."]
        timed = any(r.latency_ratio is not None for r in self.rows)
        latency = " Latency: one image, median (quartiles)." if timed else ""
        lines += [f"CPU: {'; '.join(cpus)}.{latency}"]
        for name in sorted({r.reference for r in self.rows} - {"float32"}):
            others = [r.model for r in self.rows if r.reference == name and r.model != name]
            if others:
                lines.append(f"Compared with {name}: {', '.join(others)}.")
        return lines + [f"Note: {note}" for note in self.notes]

    def text(self) -> str:
        """Return the table as lines of text."""
        return tables.text(_COLUMNS, [self._cells(row) for row in self.rows], self._footer())

    def html(self) -> str:
        """Return the table as HTML that reads in light and in dark themes."""
        cells = [self._cells(row) for row in self.rows]
        return tables.html("Scorecard", _COLUMNS, cells, self._footer())

    def json(self) -> str:
        """Return source, rows and notes as JSON."""
        return json.dumps(asdict(self), indent=1, ensure_ascii=False)

    def _repr_html_(self) -> str:
        return self.html()

    def __repr__(self) -> str:
        return self.text()
