"""`make colab`: can each notebook's set-up cell install what it asks for beside Colab's versions?

The list of Colab's packages, `versions.txt`, is taken as constraints: what a cell asks for has to
resolve without changing one of them, so that Colab's frameworks stay as they are. Nothing is
installed.
"""

from __future__ import annotations

import functools
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from unittest import mock

import nbformat

from qhelpers import paths

ROOT = Path(__file__).resolve().parents[2]
VERSIONS = ROOT / "tests" / "colab" / "versions.txt"
PYTHON = re.search(r"Python (3\.\d+)", VERSIONS.read_text(encoding="utf-8"))[1]
PINS = re.compile(r"^([\w.-]+)==(\S+)$", re.MULTILINE)


def pins(text: str) -> dict[str, str]:
    """Return versions by name, names as indexes write them."""
    return {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in PINS.findall(text)}


FROZEN = pins(VERSIONS.read_text(encoding="utf-8"))


def asked(notebook: Path) -> list[str]:
    """Return what a notebook's set-up cell gives to pip, with this clone as the package."""
    cells = nbformat.read(notebook, as_version=4).cells
    source = next(cell.source for cell in cells if cell.cell_type == "code")
    with mock.patch.object(metadata, "version", FROZEN.__getitem__):
        fitting = paths.torchao_for()
    names = re.findall(r'^ *%pip install -q "(.+)"$', source, re.MULTILINE)
    package = [re.sub(r" @ \{source\}.*$", f" @ {ROOT.as_uri()}", name) for name in names]
    return [name.replace("{fitting}", fitting) for name in package]


@functools.cache
def resolve(*wanted: str) -> subprocess.CompletedProcess[str]:
    """Let uv find versions for `wanted` that leave Colab's as they are."""
    # A package that the cell names itself, torchao, is meant to be another one than Colab's.
    named = {re.split(r"\W", name)[0] for name in wanted}
    lines = "\n".join(f"{name}=={version}" for name, version in FROZEN.items() if name not in named)
    uv = [
        str(Path(sys.executable).with_name("uv")),
        "pip",
        "compile",
        "--no-header",
        "--no-annotate",
    ]
    uv += ["--python-version", PYTHON, "--python-platform", "x86_64-manylinux_2_28"]
    constraints = ROOT / "generated" / "colab.txt"
    paths.write_atomically(constraints, lines.encode())
    command = [*uv, "--constraint", str(constraints), "-"]
    return subprocess.run(command, input="\n".join(wanted), capture_output=True, text=True)


def main() -> int:
    """Print a line for each notebook; return the exit status."""
    fine = True
    for notebook in sorted((ROOT / "notebooks").glob("*.ipynb")):
        wanted = asked(notebook)
        done = resolve(*wanted)
        ok = bool(wanted) and done.returncode == 0
        new = [f"{n} {v}" for n, v in pins(done.stdout).items() if FROZEN.get(n) != v]
        said = ", ".join(new) or "nothing new"
        print(
            f"{'OK  ' if ok else 'FAIL'}  {notebook.stem:32} {said if ok else done.stderr.strip()}"
        )
        fine = fine and ok
    return 0 if fine else 1


if __name__ == "__main__":
    if sys.argv[1:2] == ["run"]:
        sys.path.insert(0, str(ROOT / "tests"))
        from colab import run

        sys.exit(run.main(sys.argv[2:]))
    sys.exit(main())
