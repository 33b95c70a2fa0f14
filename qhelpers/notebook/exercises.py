"""The checks behind "Your turn": a nudge, a tick, or a hint that says why.

The checks of a lesson are in its own folder (`qhelpers.lessons.lesson03.exercises`). `check` finds
them by name with importlib when one is asked for: so this module can stand below the lessons, and
only `qhelpers.cli` imports them.
"""

from __future__ import annotations

import importlib
import inspect
import re
import reprlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import numpy as np

__all__ = [
    "ExerciseError",
    "Verdict",
    "check",
    "exercise",
    "hint",
    "right",
    "unanswered",
    "verdict",
]

Expected = type | Literal["callable"]
_Check = TypeVar("_Check", bound="Callable[..., Verdict]")

_NAMES: dict[object, str] = {
    int: "a whole number",
    float: "a number",
    bool: "True or False",
    str: "a text",
    list: "a list",
    np.ndarray: "an array of numbers",
    "callable": "a function",
}


class ExerciseError(KeyError):
    """An exercise is unknown, or is checked without what its check needs: the author's mistake."""

    def __str__(self) -> str:
        """Return the message; a KeyError would put it in quotes."""
        return str(self.args[0])


@dataclass(frozen=True)
class Verdict:
    """What a check finds: right (True), wrong (False) or not answered yet (None), and the text."""

    correct: bool | None
    text: str


@dataclass(frozen=True)
class _Exercise:
    check: Callable[..., Verdict]
    expects: Expected


_exercises: dict[str, _Exercise] = {}


def right(text: str) -> Verdict:
    """Return the verdict of a right answer; `text` says what it shows."""
    return Verdict(True, text)


def hint(text: str) -> Verdict:
    """Return the verdict of a wrong answer; `text` says why, and not the answer."""
    return Verdict(False, text)


def unanswered() -> Verdict:
    """Return the verdict of a cell that is as it was: a function whose body is still `...`."""
    return Verdict(None, "Your turn: replace the ... and run this cell again.")


def exercise(number: str, expects: Expected) -> Callable[[_Check], _Check]:
    """Register a function as the check of an exercise.

    Args:
        number: lesson and exercise, such as "03.1".
        expects: int, float, bool, str, list, np.ndarray or "callable": what an answer has to be.
            The check gets the answer converted to it.

    Returns:
        A decorator for a function `(answer, **context) -> Verdict`.

    Raises:
        ValueError: another check has that number, or `expects` is something else.
    """
    if expects not in _NAMES:
        raise ValueError(f"an exercise expects int, float, ... or 'callable'; got {expects!r}.")

    def register(function: _Check) -> _Check:
        old = _exercises.get(number)
        # The same function again is a module that was reloaded.
        if old is not None and _origin(old.check) != _origin(function):
            raise ValueError(f"exercise {number} has a check: {'.'.join(_origin(old.check))}.")
        _exercises[number] = _Exercise(function, expects)
        return function

    return register


def check(number: str, answer: object, /, **context: Any) -> None:
    """Print what is to be said to an answer: a nudge, a tick, or a hint.

    Args:
        number: lesson and exercise, such as "03.1".
        answer: whatever the reader's cell holds; `...` is the cell as it was.
        context: the values of the notebook that the check compares with.

    Raises:
        ExerciseError: there is no such exercise, or the context is not what its check needs.
    """
    found = verdict(number, answer, **context)
    mark = {None: "○", True: "✓", False: "✗"}[found.correct]
    print(f"{mark} {number} {found.text}", flush=True)


def verdict(number: str, answer: object, /, **context: Any) -> Verdict:
    """Return what `check` prints, as a value.

    Args:
        number: lesson and exercise, such as "03.1".
        answer: the reader's answer.
        context: the values of the notebook that the check compares with.

    Returns:
        The verdict. An answer that makes the check fail is wrong, with the error as the hint.

    Raises:
        ExerciseError: there is no such exercise, or the context is not what its check needs.
        TypeError: the check returned something else than a Verdict.
    """
    task = _find(number)
    try:
        inspect.signature(task.check).bind(answer, **context)
    except TypeError as error:
        raise ExerciseError(f"the check of exercise {number}: {error}.") from None
    if answer is ... or (isinstance(answer, (list, tuple)) and any(a is ... for a in answer)):
        return unanswered()
    try:
        converted = _convert(answer, task.expects)
    except Exception:  # an object's own conversion may raise whatever it likes
        expected = _NAMES[task.expects]
        return hint(f"Expected {expected}; got {_shown(answer)} ({type(answer).__name__}).")
    try:
        found = task.check(converted, **context)
    # SystemExit: an answer that calls exit() must not end the notebook.
    except (Exception, SystemExit) as error:
        who = "Your function" if task.expects == "callable" else "The check of your answer"
        message = str(error)
        return hint(f"{who} raised {type(error).__name__}{': ' if message else ''}{message}")
    if not isinstance(found, Verdict):
        raise TypeError(f"the check of exercise {number} returned {found!r}, not a Verdict.")
    return found


def _find(number: str) -> _Exercise:
    """Return an exercise, importing its lesson's checks on demand."""
    if number not in _exercises and re.fullmatch(r"\d\d\.\w+", number):
        module = f"qhelpers.lessons.lesson{number[:2]}.exercises"
        try:
            importlib.import_module(module)
        except ModuleNotFoundError as error:
            if error.name not in (module, module.rpartition(".")[0]):
                raise
    if number not in _exercises:
        raise ExerciseError(f"there is no exercise {number!r}.")
    return _exercises[number]


def _convert(answer: Any, expects: Expected) -> Any:
    """Return `answer` as the type that is expected, or raise TypeError or ValueError."""
    if expects == "callable":
        return _if(callable(answer), answer)
    if expects is np.ndarray:
        if isinstance(answer, (str, bytes, dict, set)) or np.ndim(answer) == 0:
            raise TypeError
        array = np.asarray(answer)
        return _if(array.dtype.kind in "biuf", array)
    if isinstance(answer, np.ndarray):
        answer = answer.item() if answer.ndim == 0 else answer.tolist()
    truth = isinstance(answer, (bool, np.bool_))
    if expects is bool:
        return bool(_if(truth, answer))
    if expects is int:
        return int(_if(isinstance(answer, (int, np.integer)) and not truth, answer))
    if expects is float:
        number = isinstance(answer, (int, float, np.integer, np.floating))
        return float(_if(number and not truth, answer))
    if expects is str:
        return str(_if(isinstance(answer, str), answer))
    return list(_if(isinstance(answer, (list, tuple)), answer))


def _if(fits: bool, answer: Any) -> Any:
    """Return `answer` if it fits, or raise TypeError."""
    if not fits:
        raise TypeError
    return answer


def _shown(answer: object) -> str:
    """Return `answer` in one short line, whatever its own `__repr__` does."""
    try:
        text = " ".join(reprlib.repr(answer).split())
    except Exception:
        return "something that cannot be shown"
    return text if len(text) <= 60 else f"{text[:57]}..."


def _origin(function: Callable[..., Any]) -> tuple[str, str]:
    """Return where a function is defined: its module and its name there."""
    return function.__module__, function.__qualname__
