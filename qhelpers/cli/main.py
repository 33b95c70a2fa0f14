"""The command line: `python -m qhelpers doctor`, `run 02 05`, `quantize model.keras ...`."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence

from qhelpers.notebook import progress


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: the words after `python -m qhelpers`; by default those of the command line.

    Returns:
        The exit status: 0 where all is well, 1 where a check, a notebook or a file failed,
        130 where it was interrupted.
    """
    from qhelpers.cli import inspect, quantize

    parser = argparse.ArgumentParser(prog="python -m qhelpers", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("doctor", help="is everything here that the course needs?")
    runner = commands.add_parser("run", help="execute notebooks headless and report")
    refresher = commands.add_parser("refresh", help="for authors: execute notebooks in place")
    for command in (runner, refresher):
        command.add_argument("numbers", nargs="*", metavar="NN", help="such as 02; none means all")
    address = commands.add_parser("address", help="point badges and links at your fork")
    address.add_argument("repository", metavar="OWNER/NAME")
    quantize.add_arguments(commands.add_parser("quantize", help=quantize.HELP))
    inspect.add_arguments(commands.add_parser("inspect", help=inspect.HELP))
    words = list(sys.argv[1:] if arguments is None else arguments)
    # argparse takes -inf and -1e3 for options, but not with a space in front.
    words = [f" {w}" if re.fullmatch(r"-(inf|[\d.]+e[-+]?\d+)", w) else w for w in words]
    chosen = parser.parse_args(words)
    progress.install()
    try:
        return 0 if _done(chosen) else 1
    except (OSError, ValueError, ImportError) as error:
        print(f"python -m qhelpers {chosen.command}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


def _done(chosen: argparse.Namespace) -> bool:
    """Run the chosen command; say whether all is well."""
    from qhelpers.cli import address, doctor, inspect, quantize, refresh, run_notebooks

    if chosen.command == "doctor":
        return doctor.report()
    if chosen.command == "run":
        return run_notebooks.run(chosen.numbers)
    if chosen.command == "refresh":
        return refresh.refresh(chosen.numbers)
    if chosen.command == "address":
        print(address.change(chosen.repository))
    elif chosen.command == "inspect":
        inspect.run(chosen)
    else:
        quantize.run(chosen)
    return True
