"""`python -m qhelpers challenge file.tflite`: what lesson 14 says to a file."""

from __future__ import annotations

from pathlib import Path

from qhelpers.lessons.lesson14 import challenge
from qhelpers.quantizer import models

HELP = "check a .tflite file against the budget of lesson 14, on images without labels"
DESCRIPTION = (
    "Measure a file by the rules of lesson 14: integers, answers, bytes, activations, and whether "
    "LiteRT for Microcontrollers takes it. The level is bronze, silver or gold; below it is a hint "
    "on the first requirement that keeps the file from the next one. The images are a part of the "
    "test images that the lesson does not use: an honour system, for they are on this machine."
)


def report(path: Path) -> bool:
    """Print the score card of a file; say whether it has reached a level."""
    models._tensorflow()  # without its greetings
    with models.about(path):
        card = challenge.check(path)
    print(card)
    return bool(card.levels)
