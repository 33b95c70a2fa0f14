"""`python -m qhelpers quantize`: a .keras file in, five .tflite files and a report out."""

from __future__ import annotations

import argparse
import html
import os
import shutil
import tempfile
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from qhelpers import paths
from qhelpers.evaluation import comparison, layer_errors
from qhelpers.progress import progress
from qhelpers.tflite import conversion, silence
from qhelpers.tflite.file import Array

HELP = "quantize your own Keras model by every recipe, measure it, write a report"
_CALIBRATION = 300
_DESCRIPTION = f"""\
Convert a Keras model to .tflite by every recipe of the course, run all files on your inputs, and
write DIR/report.html with the scorecard and the error tensor by tensor, DIR/scorecard.json, and the
files themselves. DIR appears when all of it is done, or not at all.

model.keras    a model with one input and one output, saved by model.save("model.keras") (Keras 3;
               not .h5, not a SavedModel). It is loaded in Keras' safe mode: no code in the file is
               run.
calibration    an .npz file with one array: typical inputs, scaled as in training, float32
               [n, *the input's shape]. The first {_CALIBRATION} give int8 and int16x8 their ranges;
               all are used to compare. Written by: np.savez("x.npz", x=inputs)
labels         an .npz file with one array: for each of these inputs its class, [n] whole numbers
               from 0. Without it accuracy is left out.
"""
_EPILOG = (
    "Exit status: 0 all done; 1 something is wrong with a file, said in one line; 2 wrong usage."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's arguments to its parser."""
    parser.description, parser.epilog = _DESCRIPTION, _EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("model", type=Path, metavar="model.keras", help="the trained model")
    parser.add_argument("--calibration", type=Path, required=True, metavar="x.npz", help="inputs")
    parser.add_argument("--labels", type=Path, metavar="y.npz", help="their classes")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="a new folder")
    parser.add_argument(
        "--range",
        type=float,
        nargs=2,
        default=(0.0, 1.0),
        metavar=("LOW", "HIGH"),
        help="what the inputs may hold; 0 1 by default, such as -1 1, or -inf inf for anything",
    )


def run(chosen: argparse.Namespace) -> None:
    """Do what the command line asks, and say on the terminal where the report is.

    Args:
        chosen: what `add_arguments` describes.

    Raises:
        ValueError: a file does not hold what it must.
        OSError: a file cannot be read, or the folder cannot be written.
    """
    out, inputs, labels = chosen.out, _array(chosen.calibration, "inputs"), None
    if out.exists():
        raise FileExistsError(f"{out} exists already; name a folder that does not.")
    paths.writable(out.absolute().parent)  # before the work, not after it
    low, high = chosen.range
    if not low < high:
        raise ValueError(f"--range {low:g} {high:g}: LOW must be below HIGH.")
    if chosen.labels is not None:
        labels = _array(chosen.labels, "labels")
        if labels.shape != inputs.shape[:1]:
            advice = ""
            if labels.ndim == 2 and len(labels) == len(inputs):
                advice = " Use " + ("y.ravel()." if labels.shape[1] == 1 else "y.argmax(axis=1).")
            raise ValueError(
                f"{chosen.labels} holds labels of shape {list(labels.shape)}; the {len(inputs)} "
                f"inputs of {chosen.calibration} need [{len(inputs)}].{advice}"
            )
    model = load(chosen.model)
    value_range = (low, high)
    try:
        shape = conversion.input_shape(model)
    except ValueError as error:
        raise ValueError(f"{chosen.model}: {error}") from error
    try:
        conversion.checked(inputs, shape, "int8", value_range)
    except ValueError as error:
        advice = (
            " Trained on other values? Say which: --range -1 1." if "values" in str(error) else ""
        )
        raise ValueError(f"{chosen.calibration}: {error}{advice}") from error
    if labels is not None:
        try:
            comparison.check_labels(labels, (len(inputs), *model.outputs[0].shape[1:]))
        except ValueError as error:
            raise ValueError(f"{chosen.labels}: {error}") from error
    files, refused = conversion.quantize_all(model, inputs[:_CALIBRATION], value_range)
    source = f"{len(inputs):,} inputs of {chosen.calibration.name}; the first "
    source += f"{min(_CALIBRATION, len(inputs))} also gave the ranges"
    with progress(1, "Comparing") as advance:
        found = comparison.compare(files, inputs, labels, refused=refused, source=source)
        advance(1)
    contents = {f"{name}.tflite": content for name, content in files.items()}
    contents["scorecard.json"] = found.card.json().encode()
    contents["report.html"] = _page(chosen.model.name, found).encode()
    write_folder(out, contents)
    print(found.card.text())
    if found.errors:
        worst = layer_errors.worst(found.errors)
        print(
            f"int8: most noise comes in at {worst.name}, {100 * worst.added:.2g} % of the signal."
        )
    print(f"Report: {out / 'report.html'}")


def load(path: Path) -> Any:
    """Load a .keras file in Keras' safe mode.

    Args:
        path: the file.

    Returns:
        The model, not compiled.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no .keras file, or Keras cannot load it.
    """
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}.")
    if path.suffix != ".keras" or not zipfile.is_zipfile(path):
        raise ValueError(f"{path} is not a .keras file. Save one: model.save('model.keras').")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
    with silence.quiet():
        paths.require("tensorflow", extra="tensorflow")
        keras = paths.require("keras", extra="tensorflow")
        keras.config.disable_interactive_logging()
        try:
            return keras.models.load_model(path, compile=False, safe_mode=True)
        except Exception as error:  # whatever a strange file makes Keras raise
            reason = str(error).strip().splitlines()[0]
            if "Lambda" in reason or "lambda" in reason:
                reason = "it holds a Lambda layer, which is code, and code is not loaded."
            raise ValueError(f"Keras cannot load {path} in safe mode: {reason}") from error


def _array(path: Path, what: str) -> Array:
    """Return the one array of an .npz file; nothing in it is unpickled."""
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}.")
    if not zipfile.is_zipfile(path):
        raise ValueError(f"{path} is damaged or not an .npz file. Write it with np.savez.")
    with np.load(path, allow_pickle=False) as archive:
        if len(archive.files) != 1:
            names = sorted(archive.files)
            raise ValueError(f"{path} must hold one array of {what}; it has {names}.")
        try:
            array = np.asarray(archive[archive.files[0]])
        except (zipfile.BadZipFile, zlib.error, EOFError) as error:
            raise ValueError(f"{path} is damaged. Write it again with np.savez.") from error
        except ValueError as error:
            raise ValueError(
                f"{path} holds no array of numbers, and other objects are not loaded: they could "
                "run code."
            ) from error
    if array.ndim == 0 or len(array) == 0:
        raise ValueError(f"{path} must hold {what}; its array has shape {list(array.shape)}.")
    return array


def _page(name: str, found: comparison.Comparison) -> str:
    """Return the report as one HTML page."""
    title = f"{html.escape(name)}, quantized"
    worst = ""
    if found.errors:
        at = layer_errors.worst(found.errors)
        where = f"{html.escape(at.name)}, {100 * at.added:.2g} % of the signal"
        worst = f"<p>Most noise comes in at {where}.</p>"
    packages = ("tensorflow", "tensorflow-cpu", "keras", "ai-edge-litert", "numpy")
    made = [v for v in map(paths.versions, packages) if not v.endswith("-0")]
    return (
        f"<!DOCTYPE html><html lang='en'><meta charset='utf-8'>"
        f"<meta name='viewport' content='width=device-width'><title>{title}</title>"
        "<body style='font-family:sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem'>"
        f"<h1>{title}</h1>{found.html()}{worst}"
        "<p>Flips: inputs whose class changed. Latency ratio: time over float32's. Noise: the "
        "energy of the error over that of the signal. SQNR: the same in decibels. Added here: "
        "noise that came in at this tensor.</p>"
        f"<p style='font-size:.9em'>Made with {html.escape(', '.join(made))}.</p>"
    )


def write_folder(out: Path, contents: dict[str, bytes]) -> None:
    """Write files into a new folder that appears when all of them are whole.

    Args:
        out: the folder; it must not exist.
        contents: by file name.

    Raises:
        OSError: it cannot be written, or has come into being meanwhile.
    """
    parent = paths.writable(out.absolute().parent)
    building = Path(tempfile.mkdtemp(prefix=f".{out.name}.", suffix=".part", dir=parent))
    try:
        for name, content in contents.items():
            (building / name).write_bytes(content)
        building.chmod(0o755)  # mkdtemp's is for the owner only
        building.rename(out)
    except BaseException:
        shutil.rmtree(building, ignore_errors=True)
        raise
