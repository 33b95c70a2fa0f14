"""Runs the notebooks headless: progress, time, peak memory, an HTML copy."""

from __future__ import annotations

import html
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qhelpers import paths
from qhelpers.progress import progress

CLAIM_HELD = "✓ "


@dataclass(frozen=True)
class Result:
    """What one run of one notebook gave.

    Attributes:
        name: the notebook's name without its ending.
        seconds: wall time, kernel start included.
        peak_bytes: highest resident memory of its kernel.
        claims: how many claims held.
        error: None, or which cell failed and how.
        page: the HTML copy of the executed notebook.
    """

    name: str
    seconds: float
    peak_bytes: int
    claims: int
    error: str | None
    page: Path

    def line(self) -> str:
        """Return the result as one line for the terminal."""
        verdict = "failed" if self.error else f"{self.claims} claims held"
        peak = f"{self.peak_bytes / 1e9:.2f} GB" if self.peak_bytes else "?"
        return f"{self.name:32} {self.seconds:6.1f} s   peak {peak:>8}   {verdict}"


def find(numbers: Sequence[str] = (), folder: Path | None = None) -> list[Path]:
    """Return the course's notebooks in their order.

    Args:
        numbers: such as "02" or "2"; none means all.
        folder: where they lie; by default `notebooks` of the clone, else of the working folder.

    Returns:
        Their paths, sorted by number.

    Raises:
        FileNotFoundError: there are no notebooks, or none with that number.
    """
    if folder is None:
        folder = (paths.clone() or Path.cwd()) / "notebooks"
    every = {path.name[:2]: path for path in sorted(folder.glob("[0-9][0-9]_*.ipynb"))}
    if not every:
        raise FileNotFoundError(f"no notebooks in {folder}. Run this from a clone of the course.")
    if not numbers:
        return list(every.values())
    missing = [number for number in numbers if number.zfill(2) not in every]
    if missing:
        raise FileNotFoundError(
            f"there is no notebook {', '.join(missing)}; there are {', '.join(every)}."
        )
    return [every[number] for number in sorted({number.zfill(2) for number in numbers})]


def resident_peak(pid: int) -> int:
    """Return the highest resident memory of a process so far, in bytes; 0 where it is gone.

    Linux keeps the peak itself (`VmHWM`); elsewhere it is the memory at this moment.
    """
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    psutil = paths.require("psutil", extra="lab")
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return 0


@contextmanager
def _watch(pid_of: Any) -> Iterator[list[int]]:
    """Sample the peak memory of the process `pid_of()` five times a second."""
    peak, done = [0], threading.Event()

    def sample() -> None:
        while not done.wait(0.2):
            pid = pid_of()
            if pid:
                peak[0] = max(peak[0], resident_peak(pid))

    thread = threading.Thread(target=sample, daemon=True)
    thread.start()
    try:
        yield peak
    finally:
        done.set()
        thread.join()


def execute(notebook: Any, folder: Path, label: str) -> tuple[str | None, int]:
    """Execute a notebook in place, in a kernel of its own.

    Args:
        notebook: an nbformat notebook; its outputs are replaced.
        folder: the kernel's working folder.
        label: what the progress bar says.

    Returns:
        None or a description of the cell that failed, and the kernel's peak memory in bytes.
    """
    nbclient = paths.require("nbclient", extra="lab")
    exceptions = paths.require("nbclient.exceptions", extra="lab")
    code = [index for index, cell in enumerate(notebook.cells) if cell.cell_type == "code"]
    with progress(len(code), label) as advance:
        client = nbclient.NotebookClient(
            notebook,
            timeout=600,
            kernel_name="python3",
            resources={"metadata": {"path": str(folder)}},
            on_cell_executed=lambda **_: advance(1),
        )

        def pid() -> int | None:
            provisioner = getattr(client.km, "provisioner", None)
            return getattr(provisioner, "pid", None)

        with _watch(pid) as peak:
            try:
                # A kernel's own log lines are no part of the report.
                client.execute(stderr=subprocess.DEVNULL)
            except exceptions.CellExecutionError as error:
                return _describe(notebook, code, error), peak[0]
            except exceptions.DeadKernelError:
                return "the kernel died (out of memory?)", peak[0]
            except TimeoutError:
                return "a cell took longer than 600 s", peak[0]
    return None, peak[0]


def _describe(notebook: Any, code: Sequence[int], error: Any) -> str:
    """Say which cell failed: its number, its first line, the error."""
    for number, index in enumerate(code, start=1):
        outputs = notebook.cells[index].get("outputs", [])
        if any(output.output_type == "error" for output in outputs):
            first = notebook.cells[index].source.strip().splitlines()[0]
            return f"cell [{number}] `{first}`: {error.ename}: {error.evalue}"
    return f"{error.ename}: {error.evalue}"


def count_claims(notebook: Any) -> int:
    """Return how many claims held in an executed notebook."""
    return sum(
        line.startswith(CLAIM_HELD)
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if output.output_type == "stream"
        for line in output.text.splitlines()
    )


def run_one(path: Path, out: Path) -> Result:
    """Execute one notebook; the copy with its outputs and an HTML page go to `out`.

    Args:
        path: the notebook; it is not changed.
        out: the folder for the copies.

    Returns:
        Time, memory, claims, and the error if there was one.
    """
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
    """Write the page that links all executed notebooks and shows the scorecard.

    Args:
        results: one per notebook, in order.
        scorecard_html: the scorecard as an HTML table.
        out: the folder that the pages lie in.

    Returns:
        The path of `index.html`.
    """
    rows = "\n".join(
        f'<li><a href="{html.escape(result.page.name)}">{html.escape(result.name)}</a>'
        f" ({result.seconds:.0f} s, {result.claims} claims held)</li>"
        for result in results
    )
    page = (
        "<!DOCTYPE html><html lang='en'><meta charset='utf-8'>"
        "<title>Quantization, byte for byte</title>"
        "<body style='font-family: sans-serif; max-width: 60rem; margin: 2rem auto'>"
        f"<h1>Quantization, byte for byte</h1><ol start='0'>{rows}</ol>{scorecard_html}"
    )
    return paths.write_atomically(out / "index.html", page.encode())


def run(numbers: Sequence[str] = ()) -> bool:
    """Run notebooks in order and report on the terminal.

    Args:
        numbers: which ones, such as "02"; none means all.

    Returns:
        True where every notebook ran without an error.
    """
    from qhelpers import data as digits
    from qhelpers.evaluation import scorecard

    out = paths.home() / "course"
    results = []
    for path in find(numbers):
        result = run_one(path, out)
        results.append(result)
        print(result.line(), flush=True)
        if result.error:
            print(f"    {path}, {result.error}", flush=True)
    card = scorecard.Scorecard.load(digits.load(quiet=True))
    print(f"\n{card.text()}\n")
    print(f"The course as web pages: {write_index(results, card.html(), out)}")
    return not any(result.error for result in results)
