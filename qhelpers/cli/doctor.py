"""Checks whether this machine has what the course needs, and says what to do where it has not."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from qhelpers import paths

PYTHONS = ((3, 10), (3, 13))
MEMORY_GB = 1.5
DISK_GB = 0.5
_EXTRAS = ("litert", "tensorflow", "micro", "torch", "torchao")


@dataclass(frozen=True)
class Check:
    """One line of the report.

    Attributes:
        name: what was looked at.
        ok: whether the course can work with it.
        found: what was found.
        advice: what to do where it is not OK.
    """

    name: str
    ok: bool
    found: str
    advice: str = ""

    def line(self) -> str:
        """Return the check as one line for the terminal."""
        text = f"{'OK  ' if self.ok else 'FAIL'}  {self.name:18} {self.found}"
        return text if self.ok else f"{text}\n      -> {self.advice}"


def check_python(version: tuple[int, int] | None = None) -> Check:
    """Check the running Python's version."""
    found = version or sys.version_info[:2]
    low, high = PYTHONS
    return Check(
        "Python",
        low <= found <= high,
        f"{found[0]}.{found[1]}",
        "Install a Python from 3.10 to 3.13 and make the environment with it: "
        "make clean lab PYTHON=python3.12",
    )


def check_packages(requirements: list[str] | None = None) -> Iterator[Check]:
    """Check each installed package against the minimum that pyproject.toml states.

    A minimum is a version with which the course was seen to run.

    Args:
        requirements: requirement strings; by default those of qhelpers with all extras.
    """
    from packaging.requirements import Requirement

    extras = {"extra": ""}, *({"extra": e} for e in _EXTRAS)
    lab = {"extra": "lab"}
    seen = set()
    for text in requirements if requirements is not None else metadata.requires("qhelpers") or []:
        wanted = Requirement(text)
        needed = [e for e in (*extras, lab) if not wanted.marker or wanted.marker.evaluate(e)]
        if not needed or wanted.name in seen:
            continue
        seen.add(wanted.name)
        extra = needed[0]["extra"]
        advice = paths.install_command(extra)
        name = _installed_name(wanted.name)
        if name is None:
            yield Check(wanted.name, False, f"not installed (needs {wanted.specifier})", advice)
            continue
        version = metadata.version(name)
        ok = wanted.specifier.contains(version, prereleases=True)
        yield Check(name, ok, f"{version} (needs {wanted.specifier})", advice)


def _installed_name(name: str) -> str | None:
    """Return the distribution that serves for `name`: Colab has tensorflow, we may ask for -cpu."""
    for candidate in (name, name.removesuffix("-cpu")):
        try:
            metadata.version(candidate)
        except metadata.PackageNotFoundError:
            continue
        return candidate
    return None


def check_memory() -> Check:
    """Check how much memory is free: one kernel peaks at about 1.1 GB."""
    free = paths.require("psutil", extra="lab").virtual_memory().available / 1e9
    return Check(
        "memory free",
        free >= MEMORY_GB,
        f"{free:.1f} GB (needs {MEMORY_GB})",
        "Close other programs, or shut down other notebooks' kernels (Kernel > Shut Down All).",
    )


def check_write_access(home: Callable[[], Path] = paths.home) -> Check:
    """Check that generated files can be written."""
    try:
        folder = home()
        probe = paths.write_atomically(folder / ".doctor", b"probe")
        probe.unlink()
    except OSError as error:
        return Check("write access", False, str(error), "Set QHELPERS_HOME to a folder of yours.")
    return Check("write access", True, str(folder))


def check_disk(home: Callable[[], Path] = paths.home) -> Check:
    """Check how much room is left where generated files go."""
    try:
        free = shutil.disk_usage(home()).free / 1e9
    except OSError as error:
        return Check("disk free", False, str(error), "Set QHELPERS_HOME to a folder of yours.")
    return Check(
        "disk free",
        free >= DISK_GB,
        f"{free:.1f} GB (needs {DISK_GB})",
        "Free some room, or set QHELPERS_HOME to a folder on another disk.",
    )


def check_data() -> Check:
    """Check which images the course will use, by loading them."""
    from qhelpers import data as digits

    try:
        loaded = digits.load(quiet=True)
    except (OSError, ValueError) as error:
        return Check("data", False, str(error), "Fix or unset QHELPERS_DATA_DIR.")
    return Check("data", True, loaded.source)


def checks() -> Iterator[Check]:
    """Yield every check, the quick ones first."""
    yield check_python()
    yield from check_packages()
    try:
        yield check_memory()
    except ImportError as error:
        yield Check("memory free", False, "psutil is missing", str(error))
    yield check_write_access()
    yield check_disk()
    yield check_data()


def report() -> bool:
    """Print a line per check.

    Returns:
        True where everything is OK.
    """
    fine = True
    for check in checks():
        print(check.line(), flush=True)
        fine = fine and check.ok
    print("\nEverything is there." if fine else "\nFix the lines that say FAIL, then try again.")
    return fine
