"""`make colab RUN=1`: run each notebook alone beside Colab's versions, through its own set-up cell.

One environment, `build/colab`, holds what Colab has of what a notebook imports, in the versions of
`versions.txt`. Each notebook gets a copy of it (of links), an empty folder and an empty cache; its
set-up cell is executed as it stands; git takes the repository's address for a copy of this clone,
with the tag. CUDA's libraries come as PyTorch's plain build asks for them, or not at all where the
build for CPUs can be had. UV_PYTHON names another Python.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from colab.check import FROZEN, PYTHON, ROOT

from qhelpers.cli import address

UV = str(Path(sys.executable).with_name("uv"))
BASE = ROOT / "build" / "colab"
# What a notebook or its set-up cell takes from Colab; the rest follows.
TAKEN = (
    *("tensorflow", "keras", "torch", "torchvision", "torchao", "ml-dtypes", "protobuf"),
    *("numpy", "scipy", "scikit-learn", "pandas", "matplotlib", "tabulate", "psutil"),
    *("ipykernel", "ipython", "ipywidgets", "nbclient", "pip", "setuptools"),
)
SECONDS = 1500  # for a cell
# Executed in the environment of one notebook: prints what its cells printed, and how it ended.
DRIVER = """
import json, sys, nbclient, nbformat
notebook = nbformat.read(sys.argv[1], as_version=4)
for cell in notebook.cells:
    if cell.cell_type == "code":
        cell.outputs = []
client = nbclient.NotebookClient(notebook, kernel_name="python3", timeout=int(sys.argv[2]))
error = ""
try:
    client.execute()
except Exception as wrong:
    error = str(wrong).strip() or type(wrong).__name__
outputs = [o for c in notebook.cells if c.cell_type == "code" for o in c.outputs]
said = "".join(o.text for o in outputs if o.output_type == "stream" and o.name == "stdout")
print(json.dumps({"error": error, "said": said}))
"""


def base() -> None:
    """Make the environment with Colab's versions, unless it is there."""
    made_of = "\n".join(f"{name}=={FROZEN[name]}" for name in TAKEN)
    done = BASE / "made-of.txt"
    if not done.exists() or done.read_text(encoding="utf-8") != made_of:
        shutil.rmtree(BASE, ignore_errors=True)
        environment = {"UV_PYTHON": PYTHON} | os.environ
        subprocess.run([UV, "venv", "--quiet", str(BASE)], env=environment, check=True)
        pins = BASE / "pins.txt"
        # PyTorch says itself which of CUDA's libraries it needs; Colab's list has another build's.
        lines = [f"{n}=={v}" for n, v in FROZEN.items() if not n.startswith("nvidia-")]
        pins.write_text("\n".join(lines), encoding="utf-8")
        install = [UV, "pip", "install", "--quiet", "--python", str(BASE), "-c", str(pins), *TAKEN]
        if subprocess.run([*install, "--torch-backend=cpu"], capture_output=True).returncode:
            print("PyTorch's build for CPUs could not be had: the plain one", flush=True)
            subprocess.run(install, check=True)
        done.write_text(made_of, encoding="utf-8")


def source(folder: Path) -> dict[str, str]:
    """Copy what git tracks, commit and tag it; return what lets git take it for the repository.

    It is no clone: pip leaves out files as it clones, and of a shallow clone never gets them.
    """
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    for name in tracked.stdout.decode().strip("\0").split("\0"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    project = (folder / "pyproject.toml").read_text(encoding="utf-8")
    tag = "v" + re.findall(r'^version = "(.+)"$', project, re.MULTILINE)[0]
    git = ["git", "-c", "user.name=colab", "-c", "user.email=colab@localhost"]
    for command in (["init"], ["add", "--all"], ["commit", "--message", tag], ["tag", tag]):
        subprocess.run([*git, *command], cwd=folder, capture_output=True, check=True)
    return {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{folder.as_uri()}.insteadOf",
        "GIT_CONFIG_VALUE_0": f"https://github.com/{address.current(folder)}",
    }


def alone(notebook: Path, git: dict[str, str]) -> tuple[str, str]:
    """Run a notebook; return its error, "" for none, and what it printed."""
    with tempfile.TemporaryDirectory(prefix="colab-", dir=BASE.parent) as name:
        folder = Path(name)
        environment, empty, cache = (folder / part for part in ("environment", "empty", "cache"))
        empty.mkdir()
        shutil.copytree(BASE, environment, symlinks=True, copy_function=os.link)
        given = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "QHELPERS_HOME")}
        given |= git | {"XDG_CACHE_HOME": str(cache), "QHELPERS_PROGRESS": "0"}
        given |= {"VIRTUAL_ENV": str(environment)}
        given["PATH"] = f"{environment / 'bin'}:{os.environ['PATH']}"
        command = [str(environment / "bin" / "python"), "-c", DRIVER, str(notebook), str(SECONDS)]
        done = subprocess.run(command, cwd=empty, env=given, capture_output=True, text=True)
        if done.returncode:
            return done.stderr.strip() or f"exit status {done.returncode}", ""
        found = json.loads(done.stdout.splitlines()[-1])
        left = sorted(path.name for path in empty.iterdir())
        return found["error"] or (f"left in its folder: {left}" if left else ""), found["said"]


def main(names: list[str]) -> int:
    """Run the notebooks that `names` begin, by default all; return the exit status."""
    base()
    fine = True
    with tempfile.TemporaryDirectory(prefix="colab-") as folder:
        git = source(Path(folder) / "source")
        for notebook in sorted((Path(folder) / "source" / "notebooks").glob("*.ipynb")):
            if names and not notebook.name.startswith(tuple(names)):
                continue
            begin = time.monotonic()
            error, said = alone(notebook, git)
            ready = re.search(r"^Lesson \d\d is ready\. (.+)\.$", said, re.MULTILINE)
            found = f"{said.count('✓')} claims, {ready[1] if ready else 'not set up'}"
            spent = f"{time.monotonic() - begin:4.0f} s"
            print(f"{'FAIL' if error else 'OK  '}  {notebook.stem:32} {spent}, {found}", flush=True)
            if error:
                print("\n".join(error.splitlines()[-40:]), flush=True)
            fine = fine and not error
    return 0 if fine else 1
