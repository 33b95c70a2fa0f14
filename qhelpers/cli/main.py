"""The command line: `python -m qhelpers doctor`, `run 02 05`, `quantize model.keras ...`."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from qhelpers.cli import address, challenge, doctor, quantize, refresh, run_notebooks
from qhelpers.notebook import progress
from qhelpers.quantizer import inspection
from qhelpers.tflite.explain import explain
from qhelpers.tflite.operations.rules import RULES

_INSPECT = (
    "Say in words what is in a .tflite file: its operations, types, scales and bytes, whether "
    "it computes in integers only and if not what keeps floats, and whether XNNPACK, the GPU "
    "delegate and LiteRT for Microcontrollers take it."
)

_EXPLAIN = (
    "Take apart one number that an operation of a .tflite file makes: the integers and weights "
    "that go in, their sum, the multiplier, rounding, zero point and clipping, and what each "
    "engine makes of the same inputs. The inputs are those of the file, in its type: an array "
    "[n, *shape], or one without n; the index begins with the input's place in it."
)


def _index(text: str) -> tuple[int, ...]:
    """Return numbers with commas between them."""
    return tuple(int(part) for part in text.split(","))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command: the words after `python -m qhelpers`, by default those of the terminal.

    Returns:
        The exit status: 0 where all is well, 1 where a check, a notebook or a file failed,
        130 where it was interrupted.
    """
    parser = argparse.ArgumentParser(prog="python -m qhelpers", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("doctor", help="is everything here that the course needs?")
    runner = commands.add_parser("run", help="execute notebooks headless and report")
    refresher = commands.add_parser("refresh", help="for authors: execute notebooks in place")
    what = "for instructors: fill QHELPERS_HOME with all images and trained networks"
    preparer = commands.add_parser("prepare", help=what)
    for command in (runner, refresher, preparer):
        command.add_argument("numbers", nargs="*", metavar="NN", help="such as 02; none means all")
    forks = commands.add_parser("address", help="point badges and links at your fork")
    forks.add_argument("repository", metavar="OWNER/NAME")
    quantize.add_arguments(commands.add_parser("quantize", help=quantize.HELP))
    what = "say what is in a .tflite file"
    inspect = commands.add_parser("inspect", help=what, description=_INSPECT)
    inspect.add_argument("files", type=Path, nargs="+", metavar="file.tflite", help="the files")
    challenger = commands.add_parser(
        "challenge", help=challenge.HELP, description=challenge.DESCRIPTION
    )
    challenger.add_argument("file", type=Path, metavar="file.tflite", help="what you hand in")
    what = "say where one number of a .tflite file comes from: the integers that went in"
    explainer = commands.add_parser("explain", help=what, description=_EXPLAIN)
    explainer.add_argument("file", type=Path, metavar="file.tflite", help="a network on integers")
    explainer.add_argument("--input", type=Path, required=True, metavar="x.npy", help="raw inputs")
    explainer.add_argument("--tensor", required=True, metavar="NAME", help="or a part of the name")
    explainer.add_argument("--index", type=_index, required=True, metavar="0,3,5,2", help="in it")
    explainer.add_argument("--engine", choices=[*RULES], default="xnnpack", help="who computes")
    words = list(sys.argv[1:] if arguments is None else arguments)
    # argparse takes -inf and -1e3 for options, but not with a space in front.
    words = [f" {w}" if re.fullmatch(r"-(inf|[\d.]+e[-+]?\d+)", w) else w for w in words]
    chosen = parser.parse_args(words)
    # What each command does; False says that not all is well.
    work: dict[str, Callable[[], object]] = {
        "doctor": doctor.report,
        "run": lambda: run_notebooks.run(chosen.numbers),
        "prepare": lambda: run_notebooks.prepare(chosen.numbers),
        "refresh": lambda: refresh.refresh(chosen.numbers),
        "address": lambda: print(address.change(chosen.repository)),
        "quantize": lambda: quantize.run(chosen),
        "inspect": lambda: print("\n\n".join(map(inspection.describe, chosen.files))),
        "challenge": lambda: challenge.report(chosen.file),
        "explain": lambda: print(
            explain(chosen.file, np.load(chosen.input), chosen.tensor, chosen.index, chosen.engine)
        ),
    }
    progress.install()
    try:
        return 1 if work[chosen.command]() is False else 0
    except (OSError, ValueError, ArithmeticError, ImportError) as error:
        print(f"python -m qhelpers {chosen.command}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
