"""The report: one page that works offline and on a phone, the same as JSON, and as text."""

from __future__ import annotations

import json
import math
import textwrap
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from qhelpers import paths
from qhelpers.evaluation import layer_errors, metrics
from qhelpers.evaluation.layer_errors import TensorError
from qhelpers.evaluation.scorecard import WIDTH, text_table
from qhelpers.quantizer.recipes import Made
from qhelpers.quantizer.verdict import Row, Verdict

_PACKAGES = ("tensorflow", "tensorflow-cpu", "keras", "ai-edge-litert", "litert-quantizer", "numpy")


@dataclass(frozen=True)
class Findings:
    """All that a report says."""

    model: str  # its file's name
    verdict: Verdict
    target: str
    tolerance: float
    metric: str
    samples: str  # which of them the metric was measured on
    warnings: list[str]
    notes: list[str]
    rows: Sequence[Row]
    failed: Sequence[Made]
    cures: list[str]  # what was tried
    compared: str  # the file that is compared layer by layer, "" for none
    layers: Sequence[TensorError]
    seconds: float  # that all of it took


def text(found: Findings) -> str:
    """Return the report for a terminal: a table, what failed, and the verdict."""
    metric = "agreement" if found.metric.endswith("v. float32") else found.metric
    columns = ("file", "bytes", "smaller", f"{metric} % [95 %]", "flips", "dB", "ms")
    cells = []
    for row in found.rows:
        score = row.score
        shares = f"{percent(score.value)} [{percent(score.low, 1)}, {percent(score.high, 1)}]"
        flips = "–" if score.flips is None else f"{score.flips:,}"
        size, noise = (f"{row.bytes:,}", f"{row.smaller:.2f}x"), decibels(score.sqnr_db)
        cells.append([row.model, *size, shares, flips, noise, f"{row.latency_ms:.3g}"])
    lines = [f"{f.recipe}: failed. {sentence(f.why)} Try {f.advice}." for f in found.failed]
    lines += [f"Warning: {said}" for said in found.warnings]
    lines += [*found.cures, *found.verdict.why]
    return "\n".join([text_table(columns, cells), *(textwrap.fill(s, WIDTH) for s in lines)])


def as_json(found: Findings) -> str:
    """Return the findings as JSON, without the files; what is not finite becomes null."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: plain(v) for k, v in value.items() if k not in ("shift", "file")}
        if isinstance(value, list | tuple):
            return [plain(each) for each in value]
        return None if isinstance(value, float) and not math.isfinite(value) else value

    whole = asdict(found) | {"cpu": metrics.cpu_name(), "threads": 1}
    return json.dumps(plain(whole), indent=1, ensure_ascii=False)


def html(found: Findings) -> str:
    """Return the report as one page without any link to other files."""
    jinja2 = paths.require("jinja2", extra="")
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"db": decibels, "percent": percent, "sentence": sentence}
    source = Path(__file__).with_name("report.html").read_text(encoding="utf-8")
    versions = [v for v in map(paths.versions, _PACKAGES) if not v.endswith("-0")]
    own = [error for error in found.layers if "own" in error.alone]
    return str(
        environment.from_string(source).render(
            found=found,
            cpu=metrics.cpu_name(),
            versions=", ".join(versions),
            drawing=_drawing(found.layers),
            guilty=_guilty(found.layers),
            worst=min(own, key=lambda error: error.alone["own"], default=None),
        )
    )


def sentence(said: str) -> str:
    """Return a reason as a sentence."""
    return f"{said[:1].upper()}{said[1:].rstrip('.')}."


def percent(share: float, places: int = 2) -> str:
    """Return a share of 1 in percent; just below all of it, with two places at least."""
    places = max(places, 2) if 0.999 < share < 0.99995 else places
    return f"{100 * share:.{places}f}" if math.isfinite(share) else "–"


def decibels(ratio: float | None) -> str:
    """Return a ratio as text."""
    if ratio is None:
        return "–"
    return "equal" if ratio == math.inf else f"{ratio:.1f}"


def _guilty(errors: Sequence[TensorError]) -> str:
    """Say whether weights or activations cost more, over all layers with weights."""
    both = [error.alone for error in errors if {"weights", "inputs"} <= error.alone.keys()]
    weights, inputs = (sum(layer_errors.share(e[n]) for e in both) for n in ("weights", "inputs"))
    if max(weights, inputs) < 3 * min(weights, inputs):
        return "Rounding the weights and rounding the activations cost about the same."
    which = "weights" if weights > inputs else "activations"
    return f"Rounding the {which} costs most of it." if both else ""


def _drawing(errors: Sequence[TensorError]) -> dict[str, Any]:
    """Return the points and ticks of two lines over the layers, for an area of 720 by 300."""
    lines = {
        "own noise": [(i, e.alone["own"]) for i, e in enumerate(errors) if "own" in e.alone],
        "as it arrives": [(i, e.sqnr_db) for i, e in enumerate(errors)],
    }
    finite = [v for points in lines.values() for _, v in points if math.isfinite(v)]
    low, high = min([0.0, *finite]), min(max([1.0, *finite]), 80.0)

    def place(at: int, value: float) -> tuple[float, float]:
        across = 56 + at / max(1, len(errors) - 1) * 648
        return across, 40 + (high - min(max(value, low), high)) / (high - low) * 220

    ticks = range(math.ceil(low / 20) * 20, int(high) + 1, 20)
    return {
        "ticks": [(tick, place(0, tick)[1]) for tick in ticks],
        "lines": {
            name: [
                (*place(i, v), f"{i + 1}. {errors[i].name}: {decibels(v)} dB") for i, v in points
            ]
            for name, points in lines.items()
        },
    }
