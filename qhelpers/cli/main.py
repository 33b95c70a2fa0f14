"""The command line: `python -m qhelpers doctor`, `run 02 05`, `quantize model.keras ...`."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: the words after `python -m qhelpers`; by default those of the command line.

    Returns:
        The exit status: 0 where all is well, 1 where a check, a notebook or a file failed.
    """
    parser = argparse.ArgumentParser(prog="python -m qhelpers", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("doctor", help="is everything here that the course needs?")
    runner = commands.add_parser("run", help="execute notebooks headless and report")
    runner.add_argument("numbers", nargs="*", metavar="NN", help="such as 02 05; none means all")
    refresher = commands.add_parser("refresh", help="for authors: execute notebooks in place")
    refresher.add_argument("numbers", nargs="*", metavar="NN", help="such as 02 05; none means all")
    address = commands.add_parser("address", help="point badges and links at your fork")
    address.add_argument("repository", metavar="OWNER/NAME")
    from qhelpers.cli import inspect, quantize

    for name, module in (("quantize", quantize), ("inspect", inspect)):
        module.add_arguments(commands.add_parser(name, help=module.HELP))
    words = list(sys.argv[1:] if arguments is None else arguments)
    # argparse takes -inf and -1e3 for options, but not with a space in front.
    words = [f" {w}" if re.fullmatch(r"-(inf|[\d.]+e[-+]?\d+)", w) else w for w in words]
    chosen = parser.parse_args(words)
    from qhelpers.notebook import progress

    progress.install()
    try:
        if chosen.command == "doctor":
            from qhelpers.cli import doctor

            return 0 if doctor.report() else 1
        if chosen.command == "address":
            from qhelpers.cli import fork as addresses

            print(addresses.change(chosen.repository))
            return 0
        if chosen.command in ("quantize", "inspect"):
            (quantize if chosen.command == "quantize" else inspect).run(chosen)
            return 0
        if chosen.command == "refresh":
            from qhelpers.cli import refresh

            return 0 if refresh.refresh(chosen.numbers) else 1
        from qhelpers.cli import run_notebooks

        return 0 if run_notebooks.run(chosen.numbers) else 1
    except (OSError, ValueError, ImportError) as error:
        print(f"python -m qhelpers {chosen.command}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
