"""The command line: `python -m qhelpers run`, `doctor`, `quantize`."""
