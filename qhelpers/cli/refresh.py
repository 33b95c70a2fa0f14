"""For authors: execute the stored notebooks anew, and keep the README's picture in step."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from qhelpers import paths
from qhelpers.cli import run_notebooks

_KERNEL = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def refresh(numbers: Sequence[str] = (), folder: Path | None = None) -> bool:
    """Execute notebooks in place; one that fails keeps the outputs that it had.

    Args:
        numbers: which ones, such as "02"; none means all.
        folder: where they lie; by default the clone's `notebooks`.

    Returns:
        True where every notebook ran without an error.
    """
    nbformat = paths.require("nbformat", extra="lab")
    fine = True
    for path in run_notebooks.find(numbers, folder):
        notebook = nbformat.read(path, as_version=4)
        error, peak = run_notebooks.execute(notebook, path.parent, path.stem)
        if error:
            fine = False
            print(f"{path.stem}: kept as it was, {error}", flush=True)
            continue
        tidy(notebook)
        paths.write_atomically(path, nbformat.writes(notebook).encode() + b"\n")
        print(f"{path.stem}: stored, peak {peak / 1e9:.2f} GB", flush=True)
        if path.stem.startswith("00_"):
            picture = path.parent.parent / "docs" / "picture.png"
            paths.write_atomically(picture, first_picture(notebook))
    return fine


def tidy(notebook: Any) -> None:
    """Take out what differs from run to run: times, versions, bars; join the pieces of a stream."""
    notebook.metadata = _KERNEL
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        cell.metadata.pop("execution", None)
        joined: list[Any] = []
        for output in cell.outputs:
            if output.get("data") == {"text/plain": ""}:  # a progress bar has been here
                continue
            last = joined[-1] if joined else None
            stream = output.output_type == "stream"
            if stream and last is not None and last.get("name") == output.name:
                last.text += output.text
            else:
                joined.append(output)
        cell.outputs = joined


def first_picture(notebook: Any) -> bytes:
    """Return the first figure in a notebook's stored outputs, as PNG.

    Raises:
        ValueError: it holds none.
    """
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if "image/png" in output.get("data", {}):
                return base64.b64decode(output["data"]["image/png"])
    raise ValueError("the notebook holds no figure. Execute it first.")
