"""`python -m qhelpers quantize`: a model in; files, a scorecard and a report that decides out."""

from __future__ import annotations

import argparse
from pathlib import Path

from qhelpers.quantizer import report, session
from qhelpers.quantizer.recipes import RECIPES
from qhelpers.quantizer.samples import CALIBRATION
from qhelpers.quantizer.verdict import TARGETS

HELP = "quantize your own model, measure every file on unseen samples, say which to ship"
_DESCRIPTION = """\
Quantize a Keras, SavedModel or .tflite model by several recipes, run all files on samples that
none of them was calibrated with, and write DIR: the files, report.html with the verdict first, and
scorecard.json. Where int8 loses more than --tolerance, cures are tried. DIR appears when all of it
is done, or not at all. A recipe that fails costs no other one.

model          .keras or .h5 (loaded in Keras' safe mode: no code in the file is run; custom layers
               by --custom-objects), a SavedModel folder (refused where its operations run code or
               touch files), or a float .tflite file
samples        an .npz file with one array for each input, by name, or an .npy file with one array,
               [n, *the input's shape], scaled as in training; or a folder of images, in
               subfolders by class if you have labels. Written by: np.savez("x.npz", x=inputs).
               At most {most} give int8 and int16x8 their ranges
labels         .npz or .npy: classes [n], yes and no for a sigmoid [n, 1], several labels or real
               targets of the output's shape, a class for each pixel. Without them, files are
               compared with float32, an autoencoder with its input

The recipes:
{recipes}
"""
_EPILOG = (
    "Exit status: 0 all done; 1 something is wrong with a file, said in one line; 2 wrong usage. "
    "What the report says: docs/quantize.md."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's arguments to its parser."""
    listed = "\n".join(f"  {name:15}{what}" for name, what in RECIPES.items())
    parser.description = _DESCRIPTION.format(most=CALIBRATION, recipes=listed)
    parser.epilog, parser.formatter_class = _EPILOG, argparse.RawDescriptionHelpFormatter
    add = parser.add_argument
    add("model", type=Path, metavar="MODEL", help="the trained model")
    add("--calibration", type=Path, required=True, metavar="X", help="samples; half are unseen")
    add("--evaluation", type=Path, metavar="X", help="unseen samples of their own")
    add("--labels", type=Path, metavar="Y", help="their labels, or those of --calibration")
    add("--out", type=Path, required=True, metavar="DIR", help="a new folder")
    add("--recipes", metavar="A,B", help="such as int8,float16; or all; the course's five if left")
    add("--io", choices=("uint8", "int8", "float32"), default="uint8", help="int8's in and out")
    add("--target", choices=tuple(TARGETS), default="desktop", help="what to choose a file for")
    add("--tolerance", type=float, default=0.01, metavar="0.01", help="the loss you accept")
    add("--cure", choices=("auto", "always", "never"), default="auto", help="mend int8's loss")
    add("--shape", action="append", default=[], metavar="[NAME=]H,W,C", help="fixes an open size")
    add("--custom-objects", action="append", default=[], metavar="module:Class", help="your layer")
    add("--image-size", type=int, nargs=2, metavar=("H", "W"), help="of a folder of images")
    add("--scale", type=float, nargs=2, metavar=("LOW", "HIGH"), help="black and white become")
    add("--range", type=float, nargs=2, metavar=("LOW", "HIGH"), help="what float inputs may hold")


def run(chosen: argparse.Namespace) -> None:
    """Do what the command line asks, and say on the terminal where the report is."""
    for name in ("range", "scale"):
        ends = getattr(chosen, name)
        if ends and not ends[0] < ends[1]:
            raise ValueError(f"--{name} {ends[0]:g} {ends[1]:g}: LOW must be below HIGH.")
    if not 0 <= chosen.tolerance < 1:
        raise ValueError(f"--tolerance {chosen.tolerance:g}: a share of 1, such as 0.01 for 1 %.")
    chosen.shape = dict(map(_shape, chosen.shape))
    print(report.text(session.quantize(chosen)))
    print(f"Report: {chosen.out / 'report.html'}")


def _shape(text: str) -> tuple[str, tuple[int, ...]]:
    """Return the name ("" for none) and the sizes of NAME=32,32,3."""
    name, _, sizes = text.rpartition("=")
    if not all(side.isdecimal() and int(side) > 0 for side in sizes.split(",")):
        raise ValueError(f"--shape {text}: write whole numbers, such as 32,32,3 or NAME=32,32,3.")
    return name, tuple(map(int, sizes.split(",")))
