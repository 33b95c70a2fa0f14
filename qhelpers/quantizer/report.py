"""The report: one page that works offline and on a phone, the same as JSON, and as text."""

from __future__ import annotations

import json
import math
import textwrap
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from html import escape
from pathlib import Path

from qhelpers import paths
from qhelpers.evaluation import metrics
from qhelpers.evaluation.scorecard import WIDTH, text_table
from qhelpers.quantizer import inspection, layers, tasks
from qhelpers.quantizer.layers import LayerError
from qhelpers.quantizer.recipes import RECIPES, Made
from qhelpers.quantizer.verdict import Row, Verdict

_LAYER_COLUMNS = (
    "layer", "operation", "arrives, dB", "own, dB", "weights, dB", "inputs, dB", "cut off, %",
    "offset, %",
)  # fmt: skip


@dataclass(frozen=True)
class Findings:
    """All that a report says.

    Attributes:
        model: its name.
        verdict: which file to ship.
        target, tolerance: as chosen.
        metric: its name.
        rows: what was measured; failed: the recipes without a file.
        split: on which samples.
        warnings, notes: about model and samples.
        compared: the name of the file that is compared layer by layer; "" for none.
        errors: its layers.
        cures: what was tried, one line each.
        seconds: that all of it took.
    """

    model: str
    verdict: Verdict
    target: str
    tolerance: float
    metric: str
    rows: Sequence[Row]
    failed: Sequence[Made]
    split: str
    warnings: Sequence[str]
    notes: Sequence[str]
    compared: str
    errors: Sequence[LayerError]
    cures: Sequence[str]
    seconds: float


def text(found: Findings) -> str:
    """Return the report for a terminal: a table, what failed, and the verdict."""
    columns = ("file", "bytes", "smaller", f"{_short(found.metric)} % [95 %]", "flips", "dB", "ms")
    table = text_table(columns, (_cells(row, found.rows[0]) for row in found.rows))
    lines = [
        f"{one.recipe}: failed. {_sentence(one.why)} Try {one.advice}." for one in found.failed
    ]
    lines += [f"Warning: {said}" for said in found.warnings]
    lines += [*found.cures, *found.verdict.sentences]
    return "\n".join([table, *(textwrap.fill(line, WIDTH) for line in lines)])


def _short(metric: str) -> str:
    """Return a metric's name for the head of a table."""
    return "agreement" if metric.endswith("v. float32") else metric


def _sentence(said: str) -> str:
    """Return a reason as a sentence."""
    return f"{said[:1].upper()}{said[1:].rstrip('.')}."


def _cells(row: Row, first: Row) -> list[str]:
    """Return a file's cells of the table."""
    score = row.score
    shares = f"{tasks.shown(score.value)} [{_tenths(score.low)}, {_tenths(score.high)}]"
    return [
        row.name,
        f"{len(row.runner.content):,}",
        f"{len(first.runner.content) / len(row.runner.content):.2f}x",
        shares,
        "–" if score.flips is None else f"{score.flips:,}",
        _decibels(score.sqnr_db),
        _milliseconds(row),
    ]


def _tenths(share: float) -> str:
    return f"{100 * share:.1f}" if math.isfinite(share) else "–"


def _decibels(ratio: float | None) -> str:
    """Return a ratio as text."""
    if ratio is None:
        return "–"
    return "equal" if ratio == math.inf else f"{ratio:.1f}"


def _milliseconds(row: Row) -> str:
    return f"{1000 * row.time.median_s:.3g}"


def as_json(found: Findings) -> str:
    """Return the findings as JSON, without the files' contents."""
    rows = []
    for row in found.rows:
        work, memory = row.work
        rows.append(
            {
                "model": row.name,
                "bytes": len(row.runner.content),
                "file_sha": row.runner.sha,
                **{k: _finite(v) for k, v in asdict(row.score).items()},
                "latency_ms": 1000 * row.time.median_s,
                "latency_ratio": row.time.ratio,
                "engine": row.runner.engine,
                "types": row.runner.stored(),
                "multiply_adds": work,
                "activation_bytes": memory,
                "arena_bytes": row.micro.arena,
                "microcontroller": row.micro.said,
                "xnnpack": row.xnnpack.said,
                "gpu": row.gpu.said,
                "inputs_outputs": inspection.lines_of_code(row.runner),
                "notes": list(row.made.notes),
            }
        )
    layer_rows = [
        {
            "name": e.name,
            "operation": e.operation,
            "errors": e.errors,
            "saturated": e.saturated,
            "offset": e.offset,
        }
        for e in found.errors
    ]
    whole = {
        "model": found.model,
        "ship": found.verdict.name,
        "why": list(found.verdict.sentences),
        "target": found.target,
        "tolerance": found.tolerance,
        "metric": found.metric,
        "samples": found.split,
        "warnings": list(found.warnings),
        "notes": list(found.notes),
        "cpu": metrics.cpu_name(),
        "threads": 1,
        "rows": rows,
        "failed": [{"recipe": f.recipe, "why": f.why, "try": f.advice} for f in found.failed],
        "cures": list(found.cures),
        "compared": found.compared,
        "layers": layer_rows,
    }
    return json.dumps(whole, indent=1, ensure_ascii=False)


def _finite(value: float | int | None) -> float | int | None:
    """Return a number that JSON has; infinities become None."""
    return value if value is None or math.isfinite(value) else None


def html(found: Findings) -> str:
    """Return the report as one page without any link to other files."""
    packages = (
        "tensorflow",
        "tensorflow-cpu",
        "keras",
        "ai-edge-litert",
        "litert-quantizer",
        "numpy",
    )
    made = ", ".join(v for v in map(paths.versions, packages) if not v.endswith("-0"))
    title = f"{escape(found.model)}, quantized"
    kind = "verdict" if found.verdict.name else "verdict no"
    said = "".join(f"<p>{escape(s)}</p>" for s in found.verdict.sentences)
    warnings = "".join(f"<p class='warn'>{escape(w)}</p>" for w in found.warnings)
    return (
        "<!DOCTYPE html><html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width,initial-scale=1'>"
        f"<title>{title}</title><style>{_read('report.css')}</style></head><body><h1>{title}</h1>"
        f"<section class='{kind}'>{said}</section>{warnings}"
        f"<p class='soft'>{escape(found.split)} {escape(' '.join(found.notes))}</p>"
        f"<h2>The files</h2>{_files(found)}{_failed(found)}{_cures(found)}{_layers(found)}"
        f"<h2>Each file</h2>{''.join(_details(row) for row in found.rows)}"
        "<h2>How it was measured</h2><p class='soft'>"
        f"{escape(found.metric.capitalize())}: the mean over unseen samples with its 95 % interval "
        "(Wilson's for right and wrong, Student's for others). Loss: float32's less the file's, on "
        "the same samples. Flips: samples whose answer differs from float32's. dB: energy of "
        "float32's outputs over that of the difference. Times: one sample, median, one thread on "
        f"{escape(metrics.cpu_name())}, float32 and the others in turn. Memory: activations that "
        "must be kept at once, computed from the graph; the arena is what LiteRT for "
        "Microcontrollers took on this machine. A cure is chosen on the samples that it is judged "
        f"on. Made in {found.seconds:.0f} s with {escape(made)}.</p>"
        f"<script>{_read('report.js')}</script></body></html>"
    )


def _read(name: str) -> str:
    """Return a file that lies beside this one."""
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


def _table(columns: Sequence[str], rows: Sequence[tuple[str, Sequence[tuple[str, object]]]]) -> str:
    """Return a sortable table: rows of a class and of cells, (text, value to sort by)."""
    heads = "".join(f"<th scope='col'><button>{escape(c)}</button></th>" for c in columns)
    picks = "".join(f"<option value='{i}'>{escape(c)}</option>" for i, c in enumerate(columns))
    body = ""
    for kind, cells in rows:
        body += f"<tr class='{kind}'>" + "".join(
            f"<td data-l='{escape(column, quote=True)}' data-v='{escape(str(value), quote=True)}'>"
            f"{escape(said)}</td>"
            for column, (said, value) in zip(columns, cells, strict=True)
        )
    return (
        f"<p class='sort soft'><label>Sort by <select>{picks}</select></label></p>"
        f"<table class='s'><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>"
    )


def _files(found: Findings) -> str:
    """Return the table of files."""
    columns = (
        "file", "bytes", "smaller", f"{found.metric}, %", "loss [95 %], %", "flips", "dB", "ms",
        "v. float32", "memory, bytes", "arena, bytes",
    )  # fmt: skip
    rows, first = [], found.rows[0]
    for row in found.rows:
        cells, score = _cells(row, first), row.score
        loss = f"{100 * score.loss:.2f} [{100 * score.least:.2f}, {100 * score.most:.2f}]"
        memory = row.work[1]
        arena = "refused" if row.micro.takes is False else f"{row.micro.arena or 0:,}"
        values: list[tuple[str, object]] = [
            (row.name, row.name),
            (cells[1], len(row.runner.content)),
            (cells[2], len(first.runner.content) / len(row.runner.content)),
            (cells[3], score.value),
            (loss if row.name != "float32" else "–", score.loss),
            (cells[4], score.flips or 0),
            (cells[5], min(score.sqnr_db, 999.0)),
            (cells[6], row.time.median_s),
            (f"{row.time.ratio:.2f}x", row.time.ratio),
            (f"{memory:,}", memory),
            (arena if row.micro.takes is not None else "not asked", row.micro.arena or 1e18),
        ]
        rows.append(("best" if row.name == found.verdict.name else "", values))
    return _table(columns, rows)


def _failed(found: Findings) -> str:
    """Return what failed, and what to try."""
    if not found.failed:
        return ""
    items = "".join(
        f"<li><b>{escape(one.recipe)}</b>: failed. {escape(_sentence(one.why))} Try "
        f"{escape(one.advice)}.</li>"
        for one in found.failed
    )
    return f"<h2>What failed</h2><ul>{items}</ul>"


def _cures(found: Findings) -> str:
    """Return what was tried against a loss."""
    if not found.cures:
        return ""
    return f"<h2>Cures</h2><ul>{''.join(f'<li>{escape(c)}</li>' for c in found.cures)}</ul>"


def _layers(found: Findings) -> str:
    """Return the layers: a sentence, a drawing and a table."""
    if not found.errors:
        return ""
    errors, worst = list(found.errors), layers.worst(list(found.errors))
    said = layers.guilty(errors)
    if worst is not None:
        said += f" Most noise of its own makes {worst.name} ({worst.operation}), "
        said += f"{_decibels(worst.decibels('own'))} dB."
    rows = []
    for error in errors:
        ratios = [error.decibels(n) for n in ("arrived", "own", "weights", "activations")]
        cells: list[tuple[str, object]] = [(error.name, error.name), (error.operation,) * 2]
        cells += [(_decibels(r), 999.0 if r is None else min(r, 998.0)) for r in ratios]
        cells += [(f"{100 * v:.2f}", v) for v in (error.saturated, error.offset)]
        rows.append(("", cells))
    return (
        f"<h2>Layer by layer: {escape(found.compared)} against float32</h2><p>{escape(said)}</p>"
        f"{_drawing(errors)}"
        "<p class='soft'>On unseen samples, signal over error in decibels; higher is better. "
        "Arrives: with the inputs that the layer really gets. Own: with float32's inputs, so what "
        "this layer adds. Weights, inputs: with only these rounded. Cut off: values beyond the "
        "calibrated range. Offset: the share of the error that is the same for all samples, which "
        "a bias can mend.</p>"
        f"<details><summary>All {len(errors)} layers as a table</summary>"
        f"{_table(_LAYER_COLUMNS, rows)}</details>"
    )


def _drawing(errors: Sequence[LayerError]) -> str:
    """Return the layers as two lines over their order; it stays readable with hundreds."""
    width, height, left, top = 720, 300, 56, 40
    lines = {n: [e.decibels(n) for e in errors] for n in ("own", "arrived")}
    finite = [v for some in lines.values() for v in some if v is not None and math.isfinite(v)]
    if not finite:
        return ""
    low, high = min(0.0, *finite), min(max(finite), 80.0)
    span, steps = (high - low) or 1.0, max(1, len(errors) - 1)

    def place(at: int, value: float) -> tuple[float, float]:
        across = left + at / steps * (width - left - 16)
        return across, top + (high - min(value, high)) / span * (height - top - 40)

    parts = []
    for tick in range(math.ceil(low / 20) * 20, int(high) + 1, 20):
        y = place(0, tick)[1]
        parts.append(f"<line x1='{left}' x2='{width}' y1='{y:.1f}' y2='{y:.1f}' stroke='#d1d9e0'/>")
        parts.append(f"<text x='{left - 8}' y='{y + 6:.1f}' text-anchor='end'>{tick}</text>")
    for (which, values), colour in zip(lines.items(), ("#c2410c", "#0b57d0"), strict=True):
        points = [(i, v) for i, v in enumerate(values) if v is not None]
        marks = [(*place(i, v), i, v) for i, v in points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y, _, _ in marks)
        parts.append(
            f"<polyline points='{path}' fill='none' stroke='{colour}' stroke-width='2.5'/>"
        )
        for x, y, i, v in marks:
            hint = escape(f"{i + 1}. {errors[i].name}: {_decibels(v)} dB {which}")
            parts.append(
                f"<circle cx='{x:.1f}' cy='{y:.1f}' r='{4 if steps < 60 else 2.5}' "
                f"fill='{colour}'><title>{hint}</title></circle>"
            )
    parts.append(f"<text x='{left}' y='24' fill='#c2410c'>own noise</text>")
    parts.append(f"<text x='{left + 140}' y='24' fill='#0b57d0'>as it arrives</text>")
    parts.append(f"<text x='{left}' y='{height - 8}'>first layer</text>")
    parts.append(f"<text x='{width - 8}' y='{height - 8}' text-anchor='end'>last, of "
                 f"{len(errors)}</text>")  # fmt: skip
    parts.append("<text x='8' y='24'>dB</text>")
    return (
        f"<svg viewBox='0 0 {width} {height}' font-size='20' fill='#1b1f24' role='img' "
        f"aria-label='Signal to noise of each layer'>{''.join(parts)}</svg>"
    )


def _details(row: Row) -> str:
    """Return what there is to know about one file."""
    work, memory = row.work
    facts = {
        "What it is": RECIPES.get(row.name, "int8 with cures"),
        "Types": row.runner.stored(),
        "Integers": inspection.integer_only(row.runner),
        "Time": f"{_milliseconds(row)} ms a sample, {row.time.ratio:.2f} times float32's, on "
        f"{row.runner.engine}, 1 thread",
        "Work": f"{work:,} multiply-adds; activations of {memory:,} bytes at the worst step",
        "Constants": ", ".join(f"{n:,} bytes of {k}" for k, n in row.runner.stored_bytes().items()),
        "XNNPACK": row.xnnpack.said,
        "GPU delegate": row.gpu.said,
        "Microcontroller": row.micro.said,
    }
    if row.made.notes:
        facts["Note"] = " ".join(row.made.notes)
    listed = "".join(f"<dt>{k}</dt><dd>{escape(v)}</dd>" for k, v in facts.items())
    code = escape("\n".join(inspection.lines_of_code(row.runner)))
    return (
        f"<details><summary>{escape(row.name)}.tflite</summary><dl>{listed}</dl><p>Real values in, "
        f"real values out:</p><pre>{code}</pre></details>"
    )
