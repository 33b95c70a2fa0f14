"""`python -m qhelpers inspect`: what is in a .tflite file, in words."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "say what is in a .tflite file: operations, types, scales, and who takes it"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's arguments to its parser."""
    parser.description = (
        "Say in words what is in a .tflite file: its operations, types, scales and bytes, whether "
        "it computes in integers only and if not what keeps floats, and whether XNNPACK, the GPU "
        "delegate and LiteRT for Microcontrollers take it."
    )
    parser.add_argument("files", type=Path, nargs="+", metavar="file.tflite", help="the files")


def run(chosen: argparse.Namespace) -> None:
    """Print what the files hold; a ValueError or OSError says that one is no .tflite file."""
    from qhelpers.quantizer import inspection

    print("\n\n".join(map(inspection.describe, chosen.files)))
