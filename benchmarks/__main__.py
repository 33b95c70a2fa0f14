"""`make bench`: every ratio that the course promises, printed and written as JSON."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import course_files
import numpy as np
import reading_time
from ml_dtypes import float8_e4m3fn

from qhelpers import data as digits
from qhelpers import paths
from qhelpers.arithmetic import float_formats
from qhelpers.cli import run_notebooks
from qhelpers.evaluation import metrics

Row = dict[str, Any]


def measured(module: str, *which: str) -> dict[str, float]:
    command = [sys.executable, "-m", f"benchmarks.{module}", *which]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    result: dict[str, float] = json.loads(out.strip().splitlines()[-1])
    return result


def row(what: str, value: float, target: float, unit: str, *, at_least: bool) -> Row:
    reached = value >= target if at_least else value <= target
    return {
        "what": what,
        "value": value,
        "must": f"{'at least' if at_least else 'at most'} {target:g} {unit}",
        "unit": unit,
        "reached": reached,
    }


def training() -> Iterator[Row]:
    usual, ours = measured("keras_training", "usual"), measured("keras_training", "course")
    faster = usual["seconds"] / ours["seconds"]
    yield row("training the CNN, against `model.fit`", faster, 2.5, "x", at_least=True)
    lost = 100 * (usual["accuracy"] - ours["accuracy"])
    yield row("  its accuracy below that of `model.fit`", lost, 0.2, "points", at_least=False)
    usual, ours = measured("torch_training", "usual"), measured("torch_training", "course")
    faster = usual["seconds"] / ours["seconds"]
    yield row("training the PyTorch network, against DataLoader", faster, 5, "x", at_least=True)


def integers() -> Iterator[Row]:
    taken = measured("integer_network", "cnn")
    faster = taken["reference"] / taken["NumPy, reference"]
    yield row("int8 in NumPy, against LiteRT's reference kernels", faster, 1, "x", at_least=True)
    slower = taken["NumPy, xnnpack"] / taken["xnnpack"]
    yield row("int8 in NumPy, its time over XNNPACK's", slower, 3, "x", at_least=False)
    taken = measured("integer_network", "mobilenet")
    faster = taken["reference"] / taken["NumPy, reference"]
    yield row("MobileNetV2 in NumPy, against the reference", faster, 1, "x", at_least=True)


def floats() -> Iterator[Row]:
    """Conversion to FP8 in NumPy against `ml_dtypes`, a million normally distributed numbers."""
    x = np.random.default_rng(0).standard_normal(10**6).astype(np.float32)
    seconds: dict[str, list[float]] = {"course": [], "ml_dtypes": []}
    for _ in range(9):
        for name, taken in seconds.items():  # in turn, so that a busy moment hits both alike
            started = time.perf_counter()
            float_formats.E4M3.encode(x) if name == "course" else x.astype(float8_e4m3fn)
            taken.append(time.perf_counter() - started)
    ours, theirs = map(statistics.median, seconds.values())
    yield row("FP8 in NumPy, its time over ml_dtypes'", ours / theirs, 5, "x", at_least=False)


def language() -> Iterator[Row]:
    """GPTQ of the whole language model, its inputs and Hessians included, on one thread."""
    taken = measured("gptq_of_a_model")["seconds"]
    yield row("GPTQ of the language model, 3 bits in groups of 32", taken, 10, "s", at_least=False)


# Seconds that a notebook may take alone, with nothing cached, by its first digits; else 45.
ALONE = {"07": 90, "08": 90, "09": 90, "11": 90, "12": 30, "1": 60, "2": 60}
PEAK_GB, RUNS = {"10": 1.2, "13": 1.2}, 3


def reading() -> Iterator[Row]:
    """What each lesson takes to read, by the formula that the tests hold it to."""
    for path in run_notebooks.find():
        found = reading_time.minutes(course_files.read(path.stem))
        limit = reading_time.MINUTES[path.name[:2]]
        yield row(f"{path.stem}, to read", found, limit, "min", at_least=False)


def notebooks() -> Iterator[Row]:
    """Each alone with nothing cached, three times for its peak; then 00 to 09 in order."""
    chosen = run_notebooks.find()
    for path in chosen:
        number = path.name[:2]
        limit = ALONE.get(number, ALONE.get(number[0], 45))
        results = [executed(path) for _ in range(RUNS)]
        seconds = statistics.median(result.seconds for result in results)
        yield row(f"{path.stem}, nothing cached", seconds, limit, "s", at_least=False)
        peak = max(result.peak_bytes for result in results) / 1e9
        yield row(
            f"  its highest peak of {RUNS}", peak, PEAK_GB.get(number, 1.1), "GB", at_least=False
        )
    with tempfile.TemporaryDirectory() as home:
        walk = [path for path in chosen if path.name.startswith("0")]
        total = sum(executed(path, home).seconds for path in walk)
    yield row("notebooks 00 to 09 in order", total, 240, "s", at_least=False)


def executed(path: Path, home: str | None = None) -> run_notebooks.Result:
    before = os.environ.get("QHELPERS_HOME")
    with tempfile.TemporaryDirectory() as empty:
        os.environ["QHELPERS_HOME"] = home or empty
        try:
            result = run_notebooks.execute(path)
        finally:
            os.environ.pop("QHELPERS_HOME")
            if before is not None:
                os.environ["QHELPERS_HOME"] = before
    if result.error:
        raise SystemExit(f"{path}: {result.error}")
    return result


def imports() -> Iterator[Row]:
    times: dict[str, list[float]] = {"numpy": [], "qhelpers": []}
    for _ in range(7):
        for module, taken in times.items():
            started = time.perf_counter()
            subprocess.run([sys.executable, "-c", f"import numpy, {module}"], check=True)
            taken.append(time.perf_counter() - started)
    more = statistics.median(times["qhelpers"]) - statistics.median(times["numpy"])
    yield row("`import qhelpers` beyond `import numpy`", more, 0.1, "s", at_least=False)


def main() -> None:
    data = digits.load(quiet=True)
    print(f"{data.source}; {metrics.cpu_name()}, {os.cpu_count()} CPUs\n", flush=True)
    rows = []
    for part in (reading, imports, training, integers, floats, language, notebooks):
        for entry in part():
            rows.append(entry)
            verdict = "reached" if entry["reached"] else "NOT REACHED"
            value = f"{entry['value']:8.2f} {entry['unit']:6}"
            print(f"{entry['what']:52} {value} {entry['must']:20} {verdict}", flush=True)
    report = {"data": data.source, "cpu": metrics.cpu_name(), "rows": rows}
    path = paths.home() / "bench.json"
    paths.write_atomically(path, json.dumps(report, indent=2).encode())
    print(f"\nWritten to {path}")


if __name__ == "__main__":
    main()
