"""The command line: `python -m qhelpers doctor`, `run 02 05`, `quantize model.keras ...`."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from qhelpers.cli import address, doctor, quantize, refresh, run_notebooks
from qhelpers.notebook import progress
from qhelpers.quantizer import inspection

_INSPECT = (
    "Say in words what is in a .tflite file: its operations, types, scales and bytes, whether "
    "it computes in integers only and if not what keeps floats, and whether XNNPACK, the GPU "
    "delegate and LiteRT for Microcontrollers take it."
)


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
    for command in (runner, refresher):
        command.add_argument("numbers", nargs="*", metavar="NN", help="such as 02; none means all")
    forks = commands.add_parser("address", help="point badges and links at your fork")
    forks.add_argument("repository", metavar="OWNER/NAME")
    quantize.add_arguments(commands.add_parser("quantize", help=quantize.HELP))
    what = "say what is in a .tflite file: operations, types, scales, and who takes it"
    inspect = commands.add_parser("inspect", help=what, description=_INSPECT)
    inspect.add_argument("files", type=Path, nargs="+", metavar="file.tflite", help="the files")
    words = list(sys.argv[1:] if arguments is None else arguments)
    # argparse takes -inf and -1e3 for options, but not with a space in front.
    words = [f" {w}" if re.fullmatch(r"-(inf|[\d.]+e[-+]?\d+)", w) else w for w in words]
    chosen = parser.parse_args(words)
    # What each command does; False says that not all is well.
    work: dict[str, Callable[[], object]] = {
        "doctor": doctor.report,
        "run": lambda: run_notebooks.run(chosen.numbers),
        "refresh": lambda: refresh.refresh(chosen.numbers),
        "address": lambda: print(address.change(chosen.repository)),
        "quantize": lambda: quantize.run(chosen),
        "inspect": lambda: print("\n\n".join(map(inspection.describe, chosen.files))),
    }
    progress.install()
    try:
        return 1 if work[chosen.command]() is False else 0
    except (OSError, ValueError, ImportError) as error:
        print(f"python -m qhelpers {chosen.command}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
