"""One run of `quantize`: load, convert, judge, cure, decide, report; all or nothing."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from qhelpers import paths
from qhelpers.progress import progress
from qhelpers.quantizer import cures, layers, models, recipes, report, samples, tasks, verdict
from qhelpers.quantizer.recipes import Made
from qhelpers.quantizer.report import Findings
from qhelpers.quantizer.running import Data, Runner


@dataclass(frozen=True)
class Options:
    """What is asked for; the command's options, one for one."""

    model: Path
    calibration: Path
    out: Path
    evaluation: Path | None = None
    labels: Path | None = None
    output: str | None = None
    recipes: str | None = None
    io: str = "uint8"
    target: str = "desktop"
    tolerance: float = 0.01
    cure: str = "auto"
    shapes: Mapping[str, Sequence[int]] = field(default_factory=dict)
    custom: Sequence[str] = ()
    limits: tuple[float, float] | None = None
    image_size: tuple[int, int] | None = None
    scale: tuple[float, float] | None = None


def quantize(options: Options) -> Findings:
    """Quantize a model and write files and report into a new folder.

    Args:
        options: what is asked for.

    Returns:
        What the report says.

    Raises:
        ValueError: a file does not hold what it must; the message says what to do.
        OSError: a file cannot be read, or the folder cannot be written.
    """
    started = time.perf_counter()
    if options.out.exists():
        raise FileExistsError(f"{options.out} exists already; name a folder that does not.")
    paths.writable(options.out.absolute().parent)  # before the work, not after it
    names = recipes.chosen(options.recipes)
    with tempfile.TemporaryDirectory(prefix="qhelpers-") as work:
        with progress(1, "Loading") as advance:
            model = models.load(options.model, Path(work), options.shapes, options.custom)
            advance(1)
        if recipes.already(model.float32):
            raise ValueError(
                f"{options.model} is quantized already. See what is in it: python -m qhelpers "
                f"inspect {options.model}"
            )
        data = samples.read(
            model,
            options.calibration,
            options.evaluation,
            options.labels,
            limits=options.limits,
            image_size=options.image_size,
            scale=options.scale,
        )
        try:
            reference = Runner(model.float32).run(data.evaluation)
            judged = tasks.build(model, data, reference, options.output)
        except ValueError as error:
            place = options.labels if data.labels and options.labels else options.calibration
            raise ValueError(f"{place}: {error}") from error
        made = recipes.make(model, names, data.calibration, options.io)
        outputs: dict[str, Data] = {"float32": reference}
        tried, lines = _cured(options, model.float32, data, judged, outputs, made)
        made += tried
        rows, failed = verdict.measure(made, judged, data.evaluation, outputs)
        errors, compared, more = _layers(rows, data.evaluation)
    metric, few = tasks.metric_names(judged), [*data.warnings, *tasks.doubts(judged, reference)]
    found = Findings(
        model.name,
        verdict.choose(rows, options.target, options.tolerance, metric, data.count),
        options.target,
        options.tolerance,
        metric,
        rows,
        failed,
        data.split,
        few + _floats(rows) + _saturation(errors, compared),
        (*model.notes, *more),
        compared,
        errors,
        lines,
        time.perf_counter() - started,
    )
    contents = {f"{row.name}.tflite": row.runner.content for row in rows}
    contents["scorecard.json"] = report.as_json(found).encode()
    contents["report.html"] = report.html(found).encode()
    write_folder(options.out, contents)
    return found


def _cured(
    options: Options,
    float32: bytes,
    data: samples.Samples,
    judged: list[tasks.Task],
    outputs: dict[str, Data],
    made: list[Made],
) -> tuple[list[Made], tuple[str, ...]]:
    """Return the cures' files, where int8 needs them, and what was tried."""
    int8 = next((one for one in made if one.recipe == "int8"), None)
    if options.cure == "never" or int8 is None:
        return [], ()
    if options.cure == "auto" and tasks.doubts(judged, outputs["float32"]):
        return [], ("Cures were not tried: float32 itself is in doubt, see the warnings.",)
    start = None
    if int8.content is not None:
        try:
            outputs["int8"] = Runner(int8.content).run(data.evaluation)
        except ValueError:
            return [], ()
        start = tasks.score(judged, outputs["float32"], outputs["int8"])
        if options.cure == "auto" and start.loss <= options.tolerance:
            return [], ()
    cured = cures.cure(
        float32, data.calibration, data.evaluation, judged, outputs["float32"], start,
        options.tolerance, options.io,
    )  # fmt: skip
    return list(cured.made), cured.lines


def _layers(
    rows: list[verdict.Row], evaluation: Data
) -> tuple[list[layers.LayerError], str, tuple[str, ...]]:
    """Compare the int8 file layer by layer, or the first other one whose activations are small."""
    by = {row.name: row.runner.content for row in rows}
    for name in ("int8", "int8_cured", "int16x8", "int16x8_bias32", "dynamic_range", "float16"):
        if name in by:
            try:
                return layers.compare(by["float32"], by[name], evaluation), name, ()
            except (ValueError, RuntimeError) as error:
                return [], "", (f"Not compared layer by layer: {error}",)
    return [], "", ()


def _floats(rows: list[verdict.Row]) -> list[str]:
    """Return a warning for each file that should compute in integers and does not."""
    said = []
    for row in rows:
        floats = recipes.float_operations(row.runner)
        if row.name in ("int8", "int16x8", "int16x8_bias32") and floats:
            said.append(
                f"{row.name} is not integer only: {', '.join(floats)} stay in floating point."
            )
    return said


def _saturation(errors: list[layers.LayerError], compared: str) -> list[str]:
    """Return a warning where the ranges cut much of the unseen values off."""
    most = max(errors, key=lambda error: error.saturated, default=None)
    if most is None or most.saturated < 0.01:
        return []
    return [
        f"{compared}: {most.saturated:.1%} of {most.name}'s values on unseen samples lie outside "
        "the calibrated range. Are the calibration samples typical?"
    ]


def write_folder(out: Path, contents: Mapping[str, bytes]) -> None:
    """Write files into a new folder that appears when all of them are whole.

    Args:
        out: the folder; it must not exist.
        contents: by file name.

    Raises:
        OSError: it cannot be written, or has come into being meanwhile.
    """
    parent = paths.writable(out.absolute().parent)
    building = Path(tempfile.mkdtemp(prefix=f".{out.name}.", suffix=".part", dir=parent))
    try:
        for name, content in contents.items():
            (building / name).write_bytes(content)
        building.chmod(0o755)  # mkdtemp's is for the owner only
        building.rename(out)
    except BaseException:
        shutil.rmtree(building, ignore_errors=True)
        raise
