"""One run of `quantize`: load, convert, judge, cure, decide, report; all or nothing."""

from __future__ import annotations

import argparse
import functools
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from qhelpers import paths
from qhelpers.evaluation.layer_errors import TensorError
from qhelpers.progress import progress
from qhelpers.quantizer import cures, models, recipes, report, samples, tasks, verdict
from qhelpers.quantizer.report import Findings
from qhelpers.quantizer.samples import Data
from qhelpers.quantizer.tasks import Score
from qhelpers.quantizer.verdict import Row
from qhelpers.tflite.litert import LiteModel


def quantize(options: argparse.Namespace) -> Findings:
    """Quantize a model as the command line asks: see `qhelpers.cli.quantize`.

    An OSError or ValueError says which file does not hold what it must, and what to do.
    """
    started = time.perf_counter()
    if options.out.exists():
        raise FileExistsError(f"{options.out} exists already; name a folder that does not.")
    paths.writable(options.out.absolute().parent)  # before the work, not after it
    names = recipes.chosen(options.recipes)
    with tempfile.TemporaryDirectory(prefix="qhelpers-") as work:
        with progress(1, "Loading") as advance:
            model = models.load(options.model, Path(work), options.shape, options.custom_objects)
            advance(1)
        data = samples.read(
            model,
            options.calibration,
            options.evaluation,
            options.labels,
            limits=options.range,
            image_size=options.image_size,
            scale=options.scale,
        )
        with models.about(options.labels or options.calibration):
            reference = model.file.run(data.evaluation)
            judged = tasks.build(model, data, reference)

        @functools.cache
        def judge(file: LiteModel) -> Score:
            return tasks.score(judged, reference, file.run(data.evaluation))

        made = recipes.make(model, names, data.calibration, options.io)
        doubts = tasks.doubts(judged, reference)
        cured, lines = cures.cure(options, data.calibration, judge, made, bool(doubts))
        rows, failed = verdict.measure([*made, *cured], judge, data.evaluation)
        files = {one.recipe: one.file.content for one in (*made, *cured) if one.file}
        errors, compared, notes = _layers(files, data.evaluation)
    metric, n = ", ".join(dict.fromkeys(t.name for t in judged)), samples.count(data.evaluation)
    found = Findings(
        model=options.model.name,
        verdict=verdict.choose(rows, options.target, options.tolerance, metric, n),
        target=options.target,
        tolerance=options.tolerance,
        metric=metric,
        samples=data.split,
        warnings=[*data.warnings, *doubts, *_warnings(rows, errors, compared)],
        notes=[*model.notes, *notes],
        rows=rows,
        failed=failed,
        cures=lines,
        compared=compared,
        layers=errors,
        seconds=time.perf_counter() - started,
    )
    contents = {f"{row.model}.tflite": files[row.model] for row in rows}
    contents["scorecard.json"] = report.as_json(found).encode()
    contents["report.html"] = report.html(found).encode()
    write_folder(options.out, contents)
    return found


def _layers(files: Mapping[str, bytes], unseen: Data) -> tuple[list[TensorError], str, list[str]]:
    """Compare one file layer by layer: the int8 file, else the first that there is."""
    name = next((n for n in ("int8", "int8_cured", *files) if n in files and n != "float32"), "")
    if not name:
        return [], "", []
    try:
        return cures.compared(files["float32"], files[name], unseen), name, []
    except ValueError as error:
        return [], "", [f"Not compared layer by layer: {error}"]


def _warnings(rows: Sequence[Row], errors: Sequence[TensorError], compared: str) -> list[str]:
    """Return warnings about files that keep floats, and ranges that cut unseen values off."""
    said = [
        f"{row.model} is not integer only. In floating point: {', '.join(row.floats)}."
        for row in rows
        if row.floats and row.model in ("int8", "int16x8", "int16x8_bias32")
    ]
    most = max(errors, key=lambda error: error.saturated, default=None)
    if most and most.saturated >= 0.01:
        said.append(
            f"{compared}: {most.saturated:.1%} of {most.name}'s values on unseen samples lie "
            "outside the calibrated range. Are the calibration samples typical?"
        )
    return said


def write_folder(out: Path, contents: Mapping[str, bytes]) -> None:
    """Write files, by name, into a new folder that appears when all of them are whole."""
    parent = paths.writable(out.absolute().parent)
    with tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=parent) as building:
        whole = Path(building) / out.name
        for name, content in contents.items():
            paths.write_atomically(whole / name, content)
        whole.rename(out)
