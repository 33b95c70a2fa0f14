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

    def store(result: run_notebooks.Result) -> str:
        path = result.path
        if result.error:
            return f"{path.stem}: kept as it was, {result.error}"
        tidy(result.notebook)
        paths.write_atomically(path, result.content())
        if path.stem.startswith("00_"):
            picture = path.parent.parent / "docs" / "picture.png"
            paths.write_atomically(picture, first_picture(result.notebook))
        return f"{path.stem}: stored, peak {result.peak_bytes / 1e9:.2f} GB"

    return run_notebooks.each(numbers, store)


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
