"""Can the course be installed here? Asked before anything is: the standard library alone.

    python3 scripts/before_installing.py [python] [disk] [memory] [index]

Names what to look at, by default everything. Prints a line each and exits with 1 where one fails.
"""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

LOW, HIGH = (3, 10), (3, 13)
GB = 1e9
# Measured: the environment with the small build of PyTorch, and with the plain one on Linux, whose
# CUDA libraries are more than half of it.
SMALL_GB, PLAIN_GB, MEMORY_GB = 4, 8, 1.5
INDEX_SECONDS = 14
KIT = Path("wheels")


def python():
    """Is it a version that the course runs with, and can it make an environment?"""
    found = "{}.{} ({})".format(*sys.version_info[:2], sys.executable)
    if not LOW <= sys.version_info[:2] <= HIGH:
        return False, found, "The course needs Python 3.10 to 3.13: make lab PYTHON=python3.12"
    if importlib.util.find_spec("ensurepip") is None:
        return False, found, "It makes no environments: install python3-venv (Debian, Ubuntu)"
    return True, found, ""


def disk(needed=SMALL_GB):
    """Is there room for the environment, here?"""
    if any(KIT.glob("nvidia*.whl")):
        needed = PLAIN_GB
    free = shutil.disk_usage(".").free / GB
    found = f"{free:.1f} GB free (needs {needed}"
    if needed < PLAIN_GB and sys.platform == "linux" and not KIT.is_dir():
        found += f"; {PLAIN_GB} where PyTorch's small build cannot be had"
    return free >= needed, found + ")", "Make room, or work in a folder on another disk"


def plain_disk():
    """Is there room for the plain build of PyTorch, with CUDA's libraries?"""
    return disk(PLAIN_GB if sys.platform == "linux" else SMALL_GB)


def memory():
    """Is there room for a notebook's kernel?"""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        free = next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable")) / 1e6
    except (OSError, StopIteration):
        return True, "not known before the environment is there", ""
    advice = "Close other programs"
    return free >= MEMORY_GB, f"{free:.1f} GB free (needs {MEMORY_GB})", advice


def index():
    """Does the index answer that pip's configuration names? Not asked where wheels are at hand."""
    if KIT.is_dir():
        return True, f"not needed: {len(list(KIT.glob('*.whl')))} wheels are here", ""
    advice = (
        "Connect; behind a proxy or with an index of your own, tell pip (`pip config`) and uv.\n"
        "      Without network: an offline kit, see docs/teach/README.md"
    )
    if Path(".venv/bin/jupyter").exists():
        advice += (
            "\n      Until then the environment that is here goes on working: touch .venv/.ready"
        )
    pip = _pip()
    if not pip:
        return True, "not known before the environment is there", ""
    ask = [sys.executable, *pip, "index", "versions", "uv", "--timeout", "5", "--retries", "0"]
    seconds = patience()
    try:
        done = subprocess.run(ask, capture_output=True, timeout=seconds)
    except subprocess.TimeoutExpired:
        return False, f"no answer within {seconds:.0f} seconds", advice
    return (True, "answers", "") if done.returncode == 0 else (False, "cannot be reached", advice)


def patience():
    """Return how many seconds an answer may take: more where others keep the machine busy."""
    if not hasattr(os, "getloadavg"):  # Windows
        return INDEX_SECONDS
    return INDEX_SECONDS * max(1, os.getloadavg()[0] / os.cpu_count())


def _pip():
    """Return what starts pip: this Python's, else the one that it puts into environments."""
    if importlib.util.find_spec("pip"):
        return ["-m", "pip"]
    import ensurepip

    folders = (Path(ensurepip.__file__).parent / "_bundled", Path("/usr/share/python-wheels"))
    wheels = [str(wheel / "pip") for folder in folders for wheel in folder.glob("pip-*.whl")]
    return wheels[:1]


def main(names):
    """Look at what is named; return the exit status."""
    looks = {"python": python, "disk": disk, "memory": memory, "index": index}
    fine = True
    for name in names or looks:
        ok, found, advice = {**looks, "plain-disk": plain_disk}[name]()
        if not ok or not names:
            print(f"{'OK  ' if ok else 'FAIL'}  {name:18} {found}")
        if not ok:
            print(f"      -> {advice}")
        fine = fine and ok
    if not names:
        print()
        print(
            "Nothing is installed yet: make lab" if fine else "Fix the lines that say FAIL first."
        )
    return 0 if fine else 1


if __name__ == "__main__":
    os.chdir(Path(__file__).resolve().parent.parent)
    sys.exit(main(sys.argv[1:]))
