"""Runs one of our modules in a process of its own: frameworks that do not get along, or memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from qhelpers.data import Digits, load
from qhelpers.progress import progress


def run(module: str, digits: Digits, label: str, steps: int) -> dict[str, str]:
    """Run `python -m module` and return what it says it has done.

    Args:
        module: its name; it prints a line for each step and at last calls `answer`.
        digits: the data; the other process loads the same.
        label: what the progress bar says.
        steps: how many lines are to come.

    Returns:
        What the other process gave to `answer`.

    Raises:
        RuntimeError: it failed (the message ends with its last line), or has other digits.
    """
    package = str(Path(__file__).resolve().parent.parent)
    path = os.pathsep.join(filter(None, (package, os.environ.get("PYTHONPATH"))))
    # The kernel's own back end for figures may be unknown there.
    environment = {**os.environ, "PYTHONPATH": path, "MPLBACKEND": "agg", "PYTHONUTF8": "1"}
    # As in a lesson: no GPU, so that figures are the same with one and without.
    environment.setdefault("CUDA_VISIBLE_DEVICES", "-1")
    command, last = [sys.executable, "-m", module], ""
    with tempfile.TemporaryFile() as complaints, progress(steps, label) as advance:
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=complaints, env=environment, encoding="utf-8"
        ) as process:
            try:
                for line in process.stdout or ():
                    last = line.strip()
                    if not last.startswith("{"):
                        advance(text=last)
            except BaseException:
                process.kill()
                raise
        complaints.seek(0)
        said = complaints.read().decode(errors="replace").strip().splitlines()
    if process.returncode or not last.startswith("{"):
        reason = said[-1] if said else "it said nothing"
        raise RuntimeError(f"{module} ended with status {process.returncode}: {reason}")
    found = json.loads(last)
    if found["key"] != digits.key:
        raise RuntimeError(f"{module} loaded other digits than this process. Run it again.")
    return dict(found["done"])


def data() -> Digits:
    """Return the digits, in the other process: without a line about them."""
    return load(quiet=True)


def answer(digits: Digits, done: dict[str, str]) -> None:
    """Hand what was done to the process that waits for it."""
    print(json.dumps({"key": digits.key, "done": done}), flush=True)
