"""The checks behind "Your turn": a nudge, a tick, or a hint that says why."""

from __future__ import annotations

import functools
import importlib
import inspect
import numbers
import re
import reprlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import numpy as np

Expected = type | Literal["callable"]
_Check = TypeVar("_Check", bound="Callable[..., Verdict]")

# What an answer may be expected to be: how that is called, and which types serve for it.
_KINDS: dict[Expected, tuple[str, tuple[type, ...]]] = {
    int: ("a whole number", (numbers.Integral,)),
    float: ("a number", (numbers.Real,)),
    str: ("a text", (str,)),
    list: ("a list", (list, tuple)),
    bytes: ("the bytes of a file", (bytes,)),
    "callable": ("a function", ()),
}
_exercises: dict[str, tuple[Callable[..., Verdict], Expected]] = {}


class ExerciseError(LookupError):
    """An exercise is unknown, or is checked without what its check needs: the author's mistake."""


@dataclass(frozen=True)
class Verdict:
    """What a check finds: right (True), wrong (False) or not answered yet (None), and the text."""

    correct: bool | None
    text: str


def right(text: str) -> Verdict:
    """Return the verdict of a right answer; `text` says what it shows."""
    return Verdict(True, text)


def hint(text: str) -> Verdict:
    """Return the verdict of a wrong answer; `text` says why, and not the answer."""
    return Verdict(False, text)


def exercise(number: str, expects: Expected) -> Callable[[_Check], _Check]:
    """Register a function `(answer, **context) -> Verdict` as the check of an exercise.

    Args:
        number: lesson and exercise, such as "03.1".
        expects: int, float, str, list, bytes or "callable": what an answer has to be. The check
            gets the answer converted to it; a function that returns None or `...` ends its check
            with a hint.
    """

    def register(function: _Check) -> _Check:
        _exercises[number] = function, expects
        return function

    return register


def choice(number: str, answers: Sequence[str], praise: str, *hints: Mapping[str, str]) -> None:
    """Register an exercise whose answer is a word, or a list with a word for each of some cases.

    Args:
        number: lesson and exercise, such as "03.1".
        answers: the right word of each case. Capitals, "-" and "_" for a space do not matter.
        praise: what is said where all are right.
        hints: for each case wrong word -> what is said to it; "" stands for all other words.
    """
    words = sorted({*answers, *(word for case in hints for word in case if word)})

    @exercise(number, str if len(answers) == 1 else list)
    def check_words(given: str | list[Any]) -> Verdict:
        chosen = [_plain(word) for word in ([given] if isinstance(given, str) else given)]
        if len(chosen) != len(answers) or not {*chosen} <= {_plain(word) for word in words}:
            what = "Choose one" if len(answers) == 1 else f"Make a list of {len(answers)}, each one"
            return hint(f"{what} of {', '.join(map(repr, words))}.")
        for word, answer, case in zip(chosen, answers, hints, strict=True):
            if word != _plain(answer):
                texts = {_plain(key): text for key, text in case.items()}
                return hint(texts.get(word) or texts[""])
        return right(praise)


def _plain(word: object) -> str:
    return " ".join(re.sub("[-_]", " ", str(word).lower()).split())


def check(number: str, answer: object, /, **context: Any) -> None:
    """Print what is to be said to an answer: a nudge, a tick, or a hint; see `verdict`."""
    found = verdict(number, answer, **context)
    mark = {None: "○", True: "✓", False: "✗"}[found.correct]
    print(f"{mark} {number} {found.text}", flush=True)


def verdict(number: str, answer: object, /, **context: Any) -> Verdict:
    """Return what `check` prints; an answer that makes the check fail is wrong, with the error.

    Args:
        number: lesson and exercise, such as "03.1".
        answer: whatever the reader's cell holds; `...` is the cell as it was.
        context: the values of the notebook that the check compares with.

    Raises:
        ExerciseError: there is no such exercise, or the context is not what its check needs.
    """
    task, expects = _find(number)
    try:
        inspect.signature(task).bind(answer, **context)
    except TypeError as error:
        raise ExerciseError(f"the check of exercise {number}: {error}.") from None
    if answer is ... or (isinstance(answer, (list, tuple)) and any(a is ... for a in answer)):
        return Verdict(None, "Your turn: replace the ... and run this cell again.")
    try:
        converted = _convert(answer, expects)
    except Exception:  # an object's own conversion may raise whatever it likes
        converted = None
    if expects == "callable" and str(getattr(answer, "__module__", "")).startswith("qhelpers"):
        return hint("That is the course's own function. Write one of yours, with NumPy alone.")
    if converted is None:
        return hint(
            f"Expected {_KINDS[expects][0]}; got {_shown(answer)} ({type(answer).__name__})."
        )
    try:
        return task(_returning(converted) if expects == "callable" else converted, **context)
    except _NothingReturnedError:
        return hint("Your function returns nothing yet: add return.")
    # SystemExit: an answer that calls exit() must not end the notebook.
    except (Exception, SystemExit) as error:
        who = "Your function" if expects == "callable" else "The check of your answer"
        message = str(error)
        return hint(f"{who} raised {type(error).__name__}{': ' if message else ''}{message}")


class _NothingReturnedError(Exception):
    pass


def _returning(function: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a reader's function so that it returns something or raises."""

    @functools.wraps(function)
    def called(*arguments: Any, **options: Any) -> Any:
        result = function(*arguments, **options)
        if result is None or result is ...:
            raise _NothingReturnedError
        return result

    return called


def _find(number: str) -> tuple[Callable[..., Verdict], Expected]:
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
    """Return `answer` as the type that is expected, or None where it is none such."""
    if not isinstance(expects, type):
        return answer if callable(answer) else None
    if isinstance(answer, np.ndarray):
        answer = answer.tolist()
    fits = isinstance(answer, _KINDS[expects][1]) and not isinstance(answer, bool)
    return expects(answer) if fits else None


def _shown(answer: object) -> str:
    """Return `answer` in one short line, whatever its own `__repr__` does."""
    try:
        text = " ".join(reprlib.repr(answer).split())
    except Exception:
        return "something that cannot be shown"
    return text if len(text) <= 60 else f"{text[:57]}..."
