"""What was measured of each file, and which of them to ship."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from qhelpers.evaluation import metrics
from qhelpers.progress import progress
from qhelpers.quantizer import inspection, tasks
from qhelpers.quantizer.inspection import Support
from qhelpers.quantizer.recipes import Made, float_operations
from qhelpers.quantizer.running import Data, Runner, multiply_adds, peak_memory
from qhelpers.quantizer.tasks import Score, Task

TARGETS = {
    "desktop": "a desktop's or a server's CPU",
    "phone": "a phone's CPU",
    "microcontroller": "a microcontroller",
    "npu": "an NPU that computes in integers",
}
_SLOWER = 1.25  # a ratio of times that is worth a sentence


@dataclass(frozen=True)
class Row:
    """What was measured of one file.

    Attributes:
        made: the file and how it was made.
        runner: the file, opened.
        score: on unseen samples.
        time: of one sample.
        micro, xnnpack, gpu: what these say to the file.
    """

    made: Made
    runner: Runner
    score: Score
    time: metrics.Latency
    micro: Support
    xnnpack: Support
    gpu: Support

    @property
    def name(self) -> str:
        """The recipe's name."""
        return self.made.recipe

    @property
    def integer_only(self) -> bool:
        """Whether no operation computes in floating point."""
        return not float_operations(self.runner)

    @property
    def work(self) -> tuple[int, int]:
        """Multiply-adds for one sample, and bytes of the activations kept at once."""
        return multiply_adds(self.runner), peak_memory(self.runner)


def measure(
    made: Sequence[Made], judged: list[Task], evaluation: Data, outputs: dict[str, Data]
) -> tuple[list[Row], list[Made]]:
    """Measure every file that there is; "float32" comes first.

    Args:
        made: what the recipes gave.
        judged: from `tasks.build`.
        evaluation: unseen samples, by input.
        outputs: by recipe, what is known already of the outputs; filled with the rest.

    Returns:
        The rows, and what failed: also a file that fails on these samples.
    """
    opened, failed = {}, [one for one in made if one.content is None]
    with progress(2 * len(made), "Measuring") as advance:
        for one in made:
            if one.content is None:
                continue
            advance(1, one.recipe)
            try:
                runner = Runner(one.content)
                outputs.setdefault(one.recipe, {}).update(runner.run(evaluation))
            except ValueError as error:
                failed.append(Made(one.recipe, None, str(error), "another recipe", one.seconds))
                continue
            opened[one.recipe] = one, runner
        calls = {name: runner.single(evaluation) for name, (_, runner) in opened.items()}
        times = metrics.latency(calls)
        rows = []
        for name, (one, runner) in opened.items():
            advance(1, name)
            score = tasks.score(judged, outputs["float32"], outputs[name])
            asks = (inspection.microcontrollers, inspection.xnnpack, inspection.gpu)
            said = [ask(runner.content) for ask in asks]
            rows.append(Row(one, runner, score, times[name], *said))
    return rows, failed


@dataclass(frozen=True)
class Verdict:
    """Which file to ship: its name or None, and why, in sentences."""

    name: str | None
    sentences: tuple[str, ...]


def choose(rows: Sequence[Row], target: str, tolerance: float, metric: str, n: int) -> Verdict:
    """Choose the file to ship.

    Of the files that the target can run, those count whose metric is at most `tolerance` below
    float32's; of these the smallest. On a desktop time counts as much as bytes: the least product.
    For other targets, time on this machine says nothing.

    Args:
        rows: "float32" first.
        target: of TARGETS.
        tolerance: the loss that is accepted, such as 0.01 for one percent.
        metric: its name.
        n: how many samples were unseen.
    """
    can = [row for row in rows if _fits(row, target)]
    good = [row for row in can if row.score.loss <= tolerance]
    where = TARGETS[target]
    if not can:
        why = [f"{r.name}: {_refusal(r, target)}" for r in rows if r.name.startswith("int8")]
        return Verdict(None, (f"None of these files runs on {where}.", *why))
    if not good:
        best = min(can, key=lambda row: row.score.loss)
        return Verdict(
            None,
            (
                f"No file for {where} stays within {tolerance:.1%} of float32.",
                f"The nearest is {best.name}, which loses {best.score.loss:.2%} of {metric}.",
                _advice(rows),
            ),
        )

    def cost(row: Row) -> tuple[float, float]:
        size, time = len(row.runner.content), row.time.ratio
        return (size * time if target == "desktop" else size), time

    best = min(good, key=cost)
    return Verdict(best.name, tuple(_why(best, rows, where, tolerance, metric, n)))


def _fits(row: Row, target: str) -> bool:
    """Say whether a target can run a file."""
    if target == "microcontroller":
        return row.micro.takes is True or (row.micro.takes is None and row.integer_only)
    return row.integer_only if target == "npu" else True


def _refusal(row: Row, target: str) -> str:
    """Say why a target does not run a file."""
    return row.micro.said if target == "microcontroller" else inspection.integer_only(row.runner)


def _why(
    best: Row, rows: Sequence[Row], where: str, tolerance: float, metric: str, n: int
) -> list[str]:
    """Return the reasons, in sentences."""
    first, score, size = rows[0], best.score, len(best.runner.content)
    if best.name == "float32":
        return [f"Ship float32.tflite to {where}: no smaller file runs there as well and as fast."]
    ratio = len(first.runner.content) / size
    than = f"{ratio:.2f} times smaller than" if ratio >= 1 else f"{1 / ratio:.2f} times as large as"
    said = [f"Ship {best.name}.tflite to {where}: {size:,} bytes, {than} float32."]
    value = f"Its {metric} on {n:,} unseen samples is {tasks.shown(score.value)} %, "
    value += f"float32's {tasks.shown(first.score.value)} %"
    if score.p_value is not None and score.p_value >= 0.05:
        value += f"; no difference can be shown (McNemar's p = {score.p_value:.2g})"
    elif score.p_value is not None:
        value += f"; the difference is real (McNemar's p = {score.p_value:.2g}), and small enough"
    said.append(value + ".")
    if score.most <= tolerance:
        said.append(f"With 95 % it loses {max(score.most, 0):.2%} at most.")
    else:
        half = max(score.most - score.loss, 1e-9)
        room = tolerance - score.loss
        needed = f" about {math.ceil(n * (half / room) ** 2 / 100) * 100:,} would tell" * (room > 0)
        few = "so few samples" if n < 1000 else f"{n:,} samples"
        said.append(
            f"With {few} a loss of up to {score.most:.2%} cannot be excluded, and {tolerance:.1%} "
            f"is accepted{';' if needed else ''}{needed}."
        )
    if best.micro.arena and where == TARGETS["microcontroller"]:
        said.append(f"It takes {best.micro.said}.")
    if best.time.ratio > _SLOWER and where == TARGETS["desktop"]:
        said.append(f"It takes {best.time.ratio:.1f} times as long as float32 here.")
    if best.time.ratio < 1 / _SLOWER and where == TARGETS["desktop"]:
        said.append(f"It is {1 / best.time.ratio:.1f} times as fast as float32 here.")
    return said


def _advice(rows: Sequence[Row]) -> str:
    """Say what to do where every file loses too much."""
    by = {row.name: row.score for row in rows}
    if "int8" in by and "int16x8" in by:
        won = by["int16x8"].sqnr_db - by["int8"].sqnr_db
        if won < 6:
            return (
                "16-bit activations win next to nothing: the weights are to blame; train with "
                "the rounding in the loop."
            )
        return "16-bit activations win much: better ranges, or 16x8 where there are kernels."
    return "Look at the layers below, and at the cures that were tried."
