"""Checks whether this machine has what the course needs, and says what to do where it has not."""

from __future__ import annotations

import contextlib
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from qhelpers import data, paths

PYTHONS = ((3, 10), (3, 13))
MEMORY_GB = 1.5
DISK_GB = 0.5
CGROUP = Path("/sys/fs/cgroup")  # a container's limits, as Linux says them
_EXTRAS = ("", "litert", "tensorflow", "micro", "torch", "torchao", "quantizer", "real", "lab")
_OWN_FOLDER = "Set QHELPERS_HOME to a folder of yours, on a disk with room."


@dataclass(frozen=True)
class Check:
    """One line of the report: what was looked at, and what to do where it is not OK."""

    name: str
    ok: bool
    found: str
    advice: str = ""

    def line(self) -> str:
        """Return the check as one line for the terminal."""
        text = f"{'OK  ' if self.ok else 'FAIL'}  {self.name:18} {self.found}"
        return text if self.ok else f"{text}\n      -> {self.advice}"


def check_python() -> Check:
    """Check the running Python's version."""
    (low, high), (major, minor) = PYTHONS, sys.version_info[:2]
    versions = f"Install a Python from 3.{low[1]} to 3.{high[1]} and make the environment with it"
    advice = f"{versions}: make clean lab PYTHON=python3.12"
    return Check("Python", low <= (major, minor) <= high, f"{major}.{minor}", advice)


def check_packages(requirements: list[str]) -> Iterator[Check]:
    """Check each package that is required against its minimum: the course was seen to run with it.

    `requirements` are as in pyproject.toml, those of extras with their markers.
    """
    from packaging.requirements import Requirement

    seen = set()
    for wanted in map(Requirement, requirements):
        needed = [e for e in _EXTRAS if not wanted.marker or wanted.marker.evaluate({"extra": e})]
        if not needed or wanted.name in seen:
            continue
        seen.add(wanted.name)
        # Colab has tensorflow where we may ask for tensorflow-cpu.
        names = (wanted.name, wanted.name.removesuffix("-cpu"))
        name, found = next(((n, v) for n in names if (v := paths.version(n))), (wanted.name, None))
        ok = found is not None and wanted.specifier.contains(found, prereleases=True)
        advice = paths.install_command(needed[0])
        yield Check(name, ok, f"{found or 'not installed'} (needs {wanted.specifier})", advice)


def check_memory() -> Check:
    """Check how much memory is free: one kernel peaks at about 1.1 GB."""
    try:
        free = paths.require("psutil", extra="lab").virtual_memory().available
    except ImportError as error:
        return Check("memory free", False, "psutil is missing", str(error))
    with contextlib.suppress(OSError, ValueError):  # no container, or no limit: "max"
        limit, used = (int((CGROUP / f"memory.{name}").read_text()) for name in ("max", "current"))
        stat = (CGROUP / "memory.stat").read_text().split()
        free = min(free, limit - used + int(stat[stat.index("inactive_file") + 1]))  # file cache
    free /= 1e9
    advice = "Close other programs, or other notebooks' kernels (Kernel > Shut Down All)."
    return Check("memory free", free >= MEMORY_GB, f"{free:.1f} GB (needs {MEMORY_GB})", advice)


def check_write_access() -> Check:
    """Check that generated files can be written."""
    try:
        paths.write_atomically(paths.home() / ".doctor", b"probe").unlink()
    except OSError as error:
        return Check("write access", False, str(error), _OWN_FOLDER)
    return Check("write access", True, str(paths.home()))


def check_disk() -> Check:
    """Check how much room is left where generated files go."""
    try:
        free = shutil.disk_usage(paths.home()).free / 1e9
    except OSError as error:
        return Check("disk free", False, str(error), _OWN_FOLDER)
    return Check("disk free", free >= DISK_GB, f"{free:.1f} GB (needs {DISK_GB})", _OWN_FOLDER)


def check_data() -> Check:
    """Check which images the course will use, by loading them."""
    try:
        return Check("data", True, data.load(quiet=True).source)
    except (OSError, ValueError) as error:
        return Check("data", False, str(error), "Fix or unset QHELPERS_DATA_DIR.")


def checks() -> Iterator[Check]:
    """Yield every check, the quick ones first."""
    yield check_python()
    yield from check_packages(metadata.requires("qhelpers") or [])
    for check in (check_memory, check_write_access, check_disk, check_data):
        yield check()


def report() -> bool:
    """Print a line per check; say whether everything is OK."""
    fine = True
    for check in checks():
        print(check.line(), flush=True)
        fine = fine and check.ok
    print("\nEverything is there." if fine else "\nFix the lines that say FAIL, then try again.")
    return fine
