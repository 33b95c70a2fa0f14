"""Runs the notebooks headless: progress, time, peak memory, an HTML copy."""

from __future__ import annotations

import atexit
import contextlib
import os
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qhelpers import paths
from qhelpers.progress import progress


@dataclass(frozen=True)
class Result:
    """What one run of one notebook gave."""

    name: str
    seconds: float  # wall time, kernel start included
    peak_bytes: int  # highest resident memory of its kernel
    claims: int  # how many held
    error: str | None  # which cell failed and how
    page: Path  # the HTML copy of the executed notebook

    def line(self) -> str:
        """Return the result as one line for the terminal."""
        verdict = "failed" if self.error else f"{self.claims} claims held"
        peak = f"{self.peak_bytes / 1e9:.2f} GB" if self.peak_bytes else "?"
        return f"{self.name:32} {self.seconds:6.1f} s   peak {peak:>8}   {verdict}"


def find(numbers: Sequence[str] = ()) -> list[Path]:
    """Return the paths of notebooks, such as "02" or "2", or of all, sorted by number.

    They lie in `notebooks` of the clone, else of the working folder. A FileNotFoundError says that
    there are none, or none with that number.
    """
    folder = (paths.clone() or Path.cwd()) / "notebooks"
    every = {path.name[:2]: path for path in sorted(folder.glob("[0-9][0-9]_*.ipynb"))}
    if not every:
        raise FileNotFoundError(f"no notebooks in {folder}. Run this from a clone of the course.")
    for number in numbers:
        if number.zfill(2) not in every:
            raise FileNotFoundError(f"there is no notebook {number}; there are {', '.join(every)}.")
    wanted = {number.zfill(2) for number in numbers} or set(every)
    return [path for number, path in every.items() if number in wanted]


def resident_peak(pid: int) -> int:
    """Return the highest resident memory of a process so far, in bytes; 0 where it is gone.

    Linux keeps the peak itself (`VmHWM`); elsewhere it is the memory at this moment: behind a cell.
    """
    with contextlib.suppress(OSError, IndexError):
        status = Path(f"/proc/{pid}/status").read_text()
        return 1024 * int(status.partition("VmHWM:")[2].split()[0])
    psutil = paths.require("psutil", extra="lab")
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return 0


def execute(notebook: Any, folder: Path, label: str) -> tuple[str | None, int]:
    """Execute an nbformat notebook in place, in a kernel of its own that works in `folder`.

    Returns:
        None or a description of the cell that failed, and the kernel's peak memory in bytes.
    """
    nbclient = paths.require("nbclient", extra="lab")
    failed: list[Any] = []
    peak = 0

    def executed(**_: Any) -> None:
        nonlocal peak
        pid = getattr(getattr(client.km, "provisioner", None), "pid", None)
        peak = max(peak, resident_peak(pid) if pid else 0)
        advance()

    total = sum(cell.cell_type == "code" for cell in notebook.cells)
    with progress(total, label) as advance:
        client = nbclient.NotebookClient(
            notebook,
            timeout=600,
            kernel_name="python3",
            resources={"metadata": {"path": str(folder)}},
            on_cell_executed=executed,
            on_cell_error=lambda cell, **_: failed.append(cell),
        )
        error = None
        try:
            # A kernel's own log lines are no part of the report.
            client.execute(stderr=subprocess.DEVNULL)
        except nbclient.exceptions.CellExecutionError as raised:
            number, first = failed[0].execution_count, failed[0].source.strip().splitlines()[0]
            error = f"cell [{number}] `{first}`: {raised.ename}: {raised.evalue}"
        except RuntimeError:  # DeadKernelError, or it has not even begun: a full disk
            error = "the kernel died (out of memory, or a full disk?)"
            atexit.unregister(client._cleanup_kernel)  # done already, fails a second time
        except TimeoutError:
            error = "a cell took longer than 600 s"
    return error, peak


def count_claims(notebook: Any) -> int:
    """Return how many claims held in an executed notebook."""
    outputs = (output for cell in notebook.cells for output in cell.get("outputs", []))
    texts = (output.text for output in outputs if output.output_type == "stream")
    return sum(line.startswith("✓ ") for text in texts for line in text.splitlines())


def run_one(path: Path, out: Path) -> Result:
    """Execute a copy of a notebook; the copy and an HTML page of it go to the folder `out`."""
    nbformat = paths.require("nbformat", extra="lab")
    nbconvert = paths.require("nbconvert", extra="lab")
    notebook = nbformat.read(path, as_version=4)
    started = time.perf_counter()
    error, peak = execute(notebook, path.parent, path.stem)
    seconds = time.perf_counter() - started
    paths.write_atomically(out / path.name, nbformat.writes(notebook).encode())
    body, _ = nbconvert.HTMLExporter().from_notebook_node(notebook)
    page = paths.write_atomically(out / f"{path.stem}.html", body.encode())
    return Result(path.stem, seconds, peak, count_claims(notebook), error, page)


def write_index(results: Sequence[Result], scorecard_html: str, out: Path) -> Path:
    """Write `index.html`, which links the pages in `out` and shows the scorecard's table."""
    rows = "\n".join(
        f'<li><a href="{r.page.name}">{r.name}</a> ({r.seconds:.0f} s, {r.claims} claims held)</li>'
        for r in results
    )
    title = "Quantization, byte for byte"
    page = (
        f"<!DOCTYPE html><html lang='en'><meta charset='utf-8'><title>{title}</title>"
        "<body style='font-family: sans-serif; max-width: 60rem; margin: 2rem auto'>"
        f"<h1>{title}</h1><ol start='0'>{rows}</ol>{scorecard_html}"
    )
    return paths.write_atomically(out / "index.html", page.encode())


def run(numbers: Sequence[str] = ()) -> bool:
    """Run notebooks, such as "02", or all, and report; say whether all ran without an error."""
    from qhelpers import data
    from qhelpers.evaluation import scorecard

    out = paths.home() / "course"
    results = []
    for path in find(numbers):
        result = run_one(path, out)
        results.append(result)
        print(result.line(), flush=True)
        if result.error:
            print(f"    {path}, {result.error}", flush=True)
    card = scorecard.Scorecard.load(data.load(quiet=True))
    print(f"\n{card.text()}\n")
    print(f"The course as web pages: {write_index(results, card.html(), out)}")
    return not any(result.error for result in results)


def prepare(numbers: Sequence[str] = ()) -> bool:
    """Fill `paths.home()` for others: the images, and the networks that lessons train.

    Lessons, such as "02", or all, are executed once; say whether all ran without an error.
    """
    from qhelpers import data

    nbformat = paths.require("nbformat", extra="lab")
    home = paths.writable(paths.home())
    data.load()
    fine = True
    for path in find(numbers):
        error, _ = execute(nbformat.read(path, as_version=4), path.parent, path.stem)
        print(f"{path.stem:32} {error or 'prepared'}", flush=True)
        fine = fine and not error
    images = os.environ.get("QHELPERS_DATA_DIR", "")
    also = f" QHELPERS_DATA_DIR={images}" if images else ""
    print(f"\nFor learners on this machine: QHELPERS_HOME={home}{also}")
    print("They may read it only: what they make goes to folders of their own.")
    return fine
