"""For authors: execute the stored notebooks anew, and keep the README's picture in step."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

from qhelpers import paths
from qhelpers.cli import run_notebooks

_KERNEL = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def refresh(numbers: Sequence[str] = ()) -> bool:
    """Execute notebooks, such as "02", or all, in place; say whether all ran without an error.

    One that fails keeps the outputs that it had.
    """
    nbformat = paths.require("nbformat", extra="lab")
    fine = True
    for path in run_notebooks.find(numbers):
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
    preprocessors = paths.require("nbconvert.preprocessors", extra="lab")
    notebook.metadata = _KERNEL
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":  # an empty text is where a progress bar has been
            cell.outputs = [o for o in cell.outputs if o.get("data") != {"text/plain": ""}]
    preprocessors.CoalesceStreamsPreprocessor().preprocess(notebook, {})


def first_picture(notebook: Any) -> bytes:
    """Return the first figure in a notebook's stored outputs, as PNG, or raise a ValueError."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if "image/png" in output.get("data", {}):
                return base64.b64decode(output["data"]["image/png"])
    raise ValueError("the notebook holds no figure. Execute it first.")
