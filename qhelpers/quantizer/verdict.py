"""What was measured of each file, and which of them to ship."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from qhelpers.evaluation import metrics
from qhelpers.progress import progress
from qhelpers.quantizer import inspection
from qhelpers.quantizer.inspection import Support
from qhelpers.quantizer.recipes import RECIPES, Made
from qhelpers.quantizer.samples import Data
from qhelpers.quantizer.tasks import Score
from qhelpers.tflite.litert import LiteModel

TARGETS = {
    "desktop": "a desktop's or a server's CPU",
    "phone": "a phone's CPU",
    "microcontroller": "a microcontroller",
    "npu": "an NPU that computes in integers",
}


@dataclass(frozen=True)
class Row:
    """What was measured of one file."""

    model: str  # its recipe
    what: str  # that in words
    note: str  # how it was made, if not as usual
    bytes: int
    smaller: float  # how many times smaller than float32
    score: Score  # on unseen samples
    latency_ms: float  # of one sample
    latency_ratio: float  # over float32's
    engine: str
    floats: list[str]  # operations that compute in floating point
    activation_bytes: int  # that must be kept at once
    microcontroller: Support
    facts: dict[str, str]  # what else there is to know, in words


def measure(
    made: Sequence[Made], judge: Callable[[LiteModel], Score], samples: Data
) -> tuple[list[Row], list[Made]]:
    """Measure every file, "float32" first; return the rows, and what failed here or before.

    `judge` gives a file's score; the first of the samples is run for the times.
    """
    opened, failed, scores, rows = {}, [one for one in made if one.file is None], {}, []
    with progress(2 * len(made), "Measuring") as advance:
        for one in made:
            advance(1, one.recipe)
            try:
                if one.file is not None:
                    scores[one.recipe], opened[one.recipe] = judge(one.file), one.file
            except ValueError as error:
                failed.append(Made(one.recipe, None, str(error), "another recipe"))
        first = {name: values[0] for name, values in samples.items()}
        times = metrics.latency({name: file.single(first) for name, file in opened.items()})
        notes = {one.recipe: one.why for one in made}
        for name, file in opened.items():
            advance(1, name)
            row = Row(
                model=name,
                what=RECIPES.get(name, "int8 with cures"),
                note=notes[name],
                bytes=file.size,
                smaller=opened["float32"].size / file.size,
                score=scores[name],
                latency_ms=1000 * times[name].median_s,
                latency_ratio=times[name].ratio,
                engine=file.engine,
                floats=file.float_operations(),
                activation_bytes=inspection.peak_memory(file),
                microcontroller=inspection.microcontrollers(file.content),
                facts=inspection.facts(file),
            )
            rows.append(row)
    return rows, failed


@dataclass(frozen=True)
class Verdict:
    """Which file to ship: its name or None, and why, in sentences."""

    ship: str | None
    why: list[str]


def choose(rows: Sequence[Row], target: str, tolerance: float, metric: str, n: int) -> Verdict:
    """Choose the file to ship.

    Of the files that the target can run, those count whose metric is at most `tolerance` below
    float32's; of these the smallest. On a desktop time counts as much as bytes: the least product.
    For other targets, time on this machine says nothing. `n` samples were unseen.
    """
    can = [row for row in rows if _fits(row, target)]
    good = [row for row in can if row.score.loss <= tolerance]
    where = TARGETS[target]
    if not can:
        about = "Microcontroller" if target == "microcontroller" else "Integers"
        said = [f"{r.model}: {r.facts[about]}" for r in rows if r.model.startswith("int8")]
        advice = "Take what is in the way out of the model, and do it before or behind."
        return Verdict(None, [f"None of these files runs on {where}.", *said, advice])
    if not good:
        best = min(can, key=lambda row: row.score.loss)
        nearest = f"The nearest is {best.model}, which loses {best.score.loss:.2%} of {metric}."
        short = f"No file for {where} stays within {tolerance:.1%} of float32."
        return Verdict(None, [short, nearest, _advice(rows)])

    def cost(row: Row) -> tuple[float, float]:
        time, size = row.latency_ratio, row.bytes * (0.95 if row.model == "float32" else 1)
        return (size * time if target == "desktop" else size), time  # 5 % must be won at least

    best = min(good, key=cost)
    ship = f"Ship {best.model}.tflite to {where}:"
    if best.model == "float32":
        return Verdict("float32", [f"{ship} no smaller file runs there as well and as fast."])
    said = [
        f"{ship} {best.bytes:,} bytes, {best.smaller:.2f} times smaller than float32.",
        _evidence(best.score, rows[0].score, metric, n),
        _risk(best.score, tolerance, n),
    ]
    if target == "microcontroller":
        said.append(f"It takes {best.microcontroller.said}.")
    if target == "desktop" and not 0.8 < best.latency_ratio < 1.25:
        said.append(f"One sample takes {best.latency_ratio:.2f} times as long as in float32 here.")
    return Verdict(best.model, said)


def _fits(row: Row, target: str) -> bool:
    """Say whether a target can run a file."""
    if target == "microcontroller" and row.microcontroller.takes is not None:
        return row.microcontroller.takes
    return target not in ("microcontroller", "npu") or not row.floats


def _evidence(score: Score, float32: Score, metric: str, n: int) -> str:
    """Say how good a file is, and whether the difference to float32 can be told from chance."""
    what = f"{metric[:1].upper()}{metric[1:]} on {n:,} unseen samples"
    said = f"{what}: {score.value:.2%}, float32's {float32.value:.2%}"
    if score.p_value is None:
        return said + "."
    if score.p_value >= 0.05:
        return f"{said}; no difference can be shown (McNemar's p = {score.p_value:.2g})."
    return f"{said}; the difference is real (McNemar's p = {score.p_value:.2g}), and small enough."


def _risk(score: Score, tolerance: float, n: int) -> str:
    """Say how large a loss these samples cannot exclude, and how many would."""
    if score.most <= tolerance:
        return f"With 95 % it loses {max(score.most, 0):.2%} at most."
    if not math.isfinite(score.most):
        return "One sample says nothing about the loss on others."
    room, advice = tolerance - score.loss, ""
    if room > 0:
        enough = math.ceil(n * ((score.most - score.loss) / room) ** 2 / 100) * 100
        advice = f"; about {enough:,} would tell"
    most = f"With {n:,} samples a loss of up to {score.most:.2%} cannot be excluded"
    return f"{most}, and {tolerance:.1%} is accepted{advice}."


def _advice(rows: Sequence[Row]) -> str:
    """Say what to do where every file loses too much."""
    by = {row.model: row.score.sqnr_db for row in rows}
    if not {"int8", "int16x8"} <= set(by):
        return "Look at the layers below, and at the cures that were tried."
    if (gain := by["int16x8"] - by["int8"]) >= 3:  # three decibels are half of the noise
        return f"16-bit activations win {gain:.1f} dB: better ranges, or 16x8 where it has kernels."
    return (
        f"16-bit activations bring {gain:+.1f} dB: the weights are to blame, or ranges that clip; "
        "the layers below say which. Train with the rounding in the loop, or calibrate anew."
    )
