"""`python -m qhelpers`: the command line, see `qhelpers.cli.main`."""

import sys

from qhelpers.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
