"""Runs the notebooks headless: progress, time, peak memory, the web site with what came out."""

from __future__ import annotations

import atexit
import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qhelpers import paths
from qhelpers.progress import progress

_SITE = ("sphinx", "sphinx-book-theme", "myst-nb")  # the extra "site"


@dataclass(frozen=True)
class Result:
    """What one run of one notebook gave."""

    path: Path
    notebook: Any  # as executed
    seconds: float  # wall time, kernel start included
    peak_bytes: int  # highest resident memory of its kernel
    error: str | None  # which cell failed and how

    def content(self) -> bytes:
        """Return the notebook as it is stored in a file."""
        nbformat = paths.require("nbformat", extra="lab")
        return bytes(nbformat.writes(self.notebook).encode() + b"\n")

    def line(self) -> str:
        """Return the result as a line for the terminal; one more says what failed."""
        verdict = f"{count_claims(self.notebook)} claims held"
        if self.error:
            verdict = f"failed\n    {self.path}, {self.error}"
        peak = f"{self.peak_bytes / 1e9:.2f} GB" if self.peak_bytes else "?"
        return f"{self.path.stem:32} {self.seconds:6.1f} s   peak {peak:>8}   {verdict}"


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


def execute(path: Path, folder: Path | None = None) -> Result:
    """Execute a notebook in memory, in a kernel of its own that works in `folder`, else in its."""
    nbclient = paths.require("nbclient", extra="lab")
    notebook = paths.require("nbformat", extra="lab").read(path, as_version=4)
    failed: list[Any] = []
    peak = 0

    def executed(**_: Any) -> None:
        nonlocal peak
        pid = getattr(getattr(client.km, "provisioner", None), "pid", None)
        peak = max(peak, resident_peak(pid) if pid else 0)
        advance()

    total = sum(cell.cell_type == "code" for cell in notebook.cells)
    started = time.perf_counter()
    with progress(total, path.stem) as advance:
        client = nbclient.NotebookClient(
            notebook,
            timeout=600,
            kernel_name="python3",
            resources={"metadata": {"path": str(folder or path.parent)}},
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
    return Result(path, notebook, time.perf_counter() - started, peak, error)


def count_claims(notebook: Any) -> int:
    """Return how many claims held in an executed notebook."""
    outputs = (output for cell in notebook.cells for output in cell.get("outputs", []))
    texts = (output.text for output in outputs if output.output_type == "stream")
    return sum(line.startswith("✓ ") for text in texts for line in text.splitlines())


def each(numbers: Sequence[str], done: Callable[[Result], str]) -> bool:
    """Execute notebooks, such as "02", or all; say whether all ran without an error.

    What `done` makes of each is printed.
    """
    fine = True
    for path in find(numbers):
        result = execute(path)
        print(done(result), flush=True)
        fine = fine and not result.error
    return fine


def run(numbers: Sequence[str] = ()) -> bool:
    """Run notebooks, such as "02", or all, and report; say whether all went well."""
    from qhelpers import data
    from qhelpers.evaluation import scorecard

    out = paths.home().resolve() / "course"

    def kept(result: Result) -> str:
        paths.write_atomically(out / result.path.name, result.content())
        return result.line()

    fine = each(numbers, kept)
    print(f"\n{scorecard.Scorecard.load(data.load(quiet=True)).text()}\n")
    return build_site(out) and fine


def build_site(out: Path) -> bool:
    """Build the web site with the outputs of the notebooks in `out`; say whether that went well.

    Where it cannot be built, a line says what is missing; that is no failure.
    """
    clone = paths.clone()
    if not clone or not all(map(paths.version, _SITE)):
        print(f'Executed: {out}. For web pages, in a clone of the course: pip install -e ".[site]"')
        return True
    print("Building the web site: less than a minute, mostly", flush=True)
    told = {**os.environ, "QHELPERS_SITE_NOTEBOOKS": str(out)}
    return not subprocess.run([sys.executable, clone / "docs/site/build.py"], env=told).returncode


def prepare(numbers: Sequence[str] = ()) -> bool:
    """Fill `paths.home()` for others: the images, and the networks that lessons train.

    Lessons, such as "02", or all, are executed once; say whether all ran without an error.
    """
    from qhelpers import data

    home = paths.writable(paths.home())
    data.load()
    fine = each(numbers, lambda result: f"{result.path.stem:32} {result.error or 'prepared'}")
    images = os.environ.get("QHELPERS_DATA_DIR", "")
    also = f" QHELPERS_DATA_DIR={images}" if images else ""
    print(f"\nFor learners on this machine: QHELPERS_HOME={home}{also}")
    print("They may read it only: what they make goes to folders of their own.")
    return fine
