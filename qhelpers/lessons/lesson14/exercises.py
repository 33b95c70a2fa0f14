"""The checks of lesson 14: a file for each level."""

from __future__ import annotations

import functools

from qhelpers.data import Digits
from qhelpers.lessons.lesson14 import challenge
from qhelpers.notebook.exercises import Verdict, exercise, hint, right


def reaches(level: str, answer: bytes, digits: Digits) -> Verdict:
    """Check the bytes of a file: right where they reach a level."""
    try:
        card = challenge.check(answer, digits)
    except ValueError as error:
        return hint(str(error))
    return (right if level in card.levels else hint)(f"{level}\n{card}")


for _number, _level in zip(("14.1", "14.2", "14.3"), challenge.LEVELS, strict=True):
    exercise(_number, expects=bytes)(functools.partial(reaches, _level))
