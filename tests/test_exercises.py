from __future__ import annotations

import sys
import types

import numpy as np
import pytest

from qhelpers import lessons
from qhelpers.notebook import exercises
from qhelpers.notebook.exercises import (
    ExerciseError,
    Verdict,
    check,
    choice,
    exercise,
    hint,
    right,
    verdict,
)

NUDGE = "Your turn: replace the ... and run this cell again."


@pytest.fixture(autouse=True)
def _empty(monkeypatch):
    monkeypatch.setattr(exercises, "_exercises", {})


def register(expects, number="97.1"):
    """Register a check that finds every answer right and shows what it was given."""

    @exercise(number, expects=expects)
    def shows(answer):
        return right(f"{type(answer).__name__} {answer!r}")


def said(capsys, number, answer, **context):
    check(number, answer, **context)
    return capsys.readouterr().out


# what is printed


def test_an_untouched_cell_gets_a_nudge(capsys):
    register(int)
    assert said(capsys, "97.1", ...) == f"○ 97.1 {NUDGE}\n"


@pytest.mark.parametrize("answer", [[..., 2], (...,)])
def test_a_half_filled_list_gets_a_nudge(answer, capsys):
    register(list)
    assert said(capsys, "97.1", answer) == f"○ 97.1 {NUDGE}\n"


def test_right_and_wrong_answers(capsys):
    @exercise("97.2", expects=int)
    def _(answer, bits):
        if answer == 2**bits:
            return right("That is how many levels there are.")
        return hint("Count zero as well.")

    assert said(capsys, "97.2", 256, bits=8) == "✓ 97.2 That is how many levels there are.\n"
    assert said(capsys, "97.2", 255, bits=8) == "✗ 97.2 Count zero as well.\n"
    assert verdict("97.2", 256, bits=8) == Verdict(True, "That is how many levels there are.")
    assert verdict("97.2", 255, bits=8).correct is False


@pytest.mark.parametrize("nothing", [None, ...])
def test_a_function_that_returns_nothing_is_said_so(nothing):
    calling()
    found = verdict("97.1", lambda x: nothing)
    assert found == hint("Your function returns nothing yet: add return.")


# types


@pytest.mark.parametrize(
    ("expects", "answer", "given"),
    [
        (int, 3, "int 3"),
        (int, np.uint8(3), "int 3"),
        (int, np.array(3), "int 3"),
        (float, 3, "float 3.0"),
        (float, np.float32(0.5), "float 0.5"),
        (float, np.int64(2), "float 2.0"),
        (str, "int8", "str 'int8'"),
        (str, np.str_("int8"), "str 'int8'"),
        (list, (1, "a"), "list [1, 'a']"),
        (list, np.array([1, 2]), "list [1, 2]"),
    ],
)
def test_answers_that_fit_are_converted(expects, answer, given):
    register(expects)
    assert verdict("97.1", answer) == right(given)


@pytest.mark.parametrize(
    ("expects", "answer", "text"),
    [
        (int, "abc", "Expected a whole number; got 'abc' (str)."),
        (int, 3.0, "Expected a whole number; got 3.0 (float)."),
        (int, True, "Expected a whole number; got True (bool)."),
        (int, np.array([1, 2]), "Expected a whole number; got array([1, 2]) (ndarray)."),
        (int, None, "Expected a whole number; got None (NoneType)."),
        (float, "1.5", "Expected a number; got '1.5' (str)."),
        (float, False, "Expected a number; got False (bool)."),
        (float, 1j, "Expected a number; got 1j (complex)."),
        (str, 8, "Expected a text; got 8 (int)."),
        (list, 3, "Expected a list; got 3 (int)."),
        (list, {"a": 1}, "Expected a list; got {'a': 1} (dict)."),
        ("callable", 3, "Expected a function; got 3 (int)."),
    ],
)
def test_answers_of_the_wrong_type_are_told_what_is_expected(expects, answer, text, capsys):
    register(expects)
    assert said(capsys, "97.1", answer) == f"✗ 97.1 {text}\n"


class Awkward:
    def __repr__(self):
        raise RuntimeError("no")

    def __len__(self):
        raise RuntimeError("no")

    def __array__(self, dtype=None, copy=None):
        raise RuntimeError("no")


@pytest.mark.parametrize("expects", [int, float, str, list, "callable"])
@pytest.mark.parametrize(
    "answer",
    [Awkward(), "x" * 10_000, 10**5_000, np.zeros((50, 50), object), np.array([]), [], object, {}],
    ids=lambda answer: type(answer).__name__,
)
def test_no_answer_raises_and_each_gets_one_short_line(expects, answer, capsys):
    @exercise("97.1", expects=expects)
    def _(answer):
        return right("fits")

    out = said(capsys, "97.1", answer)
    assert out[:7] in {"✓ 97.1 ", "✗ 97.1 "}
    assert out.count("\n") == 1
    assert len(out) < 140


# functions that fail


def calling(number="97.1"):
    @exercise(number, expects="callable")
    def _(answer):
        return right(str(answer(0)))


@pytest.mark.parametrize(
    ("function", "text"),
    [
        (lambda x: 1 / x, "Your function raised ZeroDivisionError: division by zero"),
        (lambda: 1, "Your function raised TypeError: "),
        (lambda x: sys.exit(), "Your function raised SystemExit"),
        (lambda x: [][x], "Your function raised IndexError: list index out of range"),
    ],
)
def test_a_function_that_fails_is_a_hint(function, text, capsys):
    calling()
    assert said(capsys, "97.1", function).startswith(f"✗ 97.1 {text}")


def test_a_value_that_the_check_cannot_take_is_a_hint():
    @exercise("97.1", expects=list)
    def _(answer):
        return right(str(answer + np.zeros(3)))

    found = verdict("97.1", [1, 2])
    assert found.correct is False
    assert found.text.startswith("The check of your answer raised ValueError: operands")


def test_the_stop_button_still_works():
    def stopped(x):
        raise KeyboardInterrupt

    calling()
    with pytest.raises(KeyboardInterrupt):
        check("97.1", stopped)


# mistakes of the author


@pytest.mark.parametrize("number", ["97.9", "99.1", "3", "", "97.1.2", "03/1"])
def test_an_unknown_exercise_is_an_error(number):
    with pytest.raises(ExerciseError, match="there is no exercise"):
        check(number, ...)


def test_missing_and_superfluous_context_are_errors_even_when_unanswered():
    @exercise("97.1", expects=int)
    def _(answer, model):
        return right("")

    with pytest.raises(ExerciseError, match=r"97\.1.*model"):
        check("97.1", ...)
    with pytest.raises(ExerciseError, match="images"):
        check("97.1", 1, model=1, images=2)


# words to choose


def test_one_word_is_chosen(capsys):
    choice("97.3", ["zero point"], "It is.", {"scale": "It stretches.", "round_off": "No."})
    assert said(capsys, "97.3", ...) == f"○ 97.3 {NUDGE}\n"
    for answer in ("zero point", " Zero_Point "):
        assert verdict("97.3", answer) == right("It is.")
    assert verdict("97.3", "scale") == hint("It stretches.")
    assert verdict("97.3", "round-off") == hint("No.")
    assert verdict("97.3", "bias") == hint("Choose one of 'round_off', 'scale', 'zero point'.")
    assert verdict("97.3", 3) == hint("Expected a text; got 3 (int).")


def test_a_word_is_chosen_for_each_case():
    cases = {"c": "not that one", "": "first"}, {"a": "second"}
    choice("97.3", ["a", "b"], "both", *cases)
    assert verdict("97.3", ["a", "b"]) == right("both")
    assert verdict("97.3", ["c", "a"]) == hint("not that one")
    assert verdict("97.3", ["b", "b"]) == hint("first")
    assert verdict("97.3", ("a", "a")) == hint("second")
    for answer in (["a"], ["a", "d"], ["a", 1]):
        assert verdict("97.3", answer) == hint("Make a list of 2, each one of 'a', 'b', 'c'.")


# finding a lesson's checks


def test_a_lessons_checks_are_imported_on_demand(tmp_path, monkeypatch):
    folder = tmp_path / "lesson96"
    folder.mkdir()
    (folder / "exercises.py").write_text(
        "from qhelpers.notebook.exercises import exercise, right\n"
        "@exercise('96.1', expects=int)\n"
        "def one(answer):\n"
        "    return right('found')\n"
    )
    monkeypatch.setattr(lessons, "__path__", [*lessons.__path__, str(tmp_path)])
    try:
        assert verdict("96.1", 1) == right("found")
    finally:
        sys.modules.pop("qhelpers.lessons.lesson96.exercises", None)


def test_a_lesson_that_lacks_something_says_what(tmp_path, monkeypatch):
    folder = tmp_path / "lesson95"
    folder.mkdir()
    (folder / "exercises.py").write_text("import no_such_package_at_all\n")
    monkeypatch.setattr(lessons, "__path__", [*lessons.__path__, str(tmp_path)])
    with pytest.raises(ModuleNotFoundError, match="no_such_package_at_all"):
        check("95.1", 1)


def test_a_check_keeps_its_function():
    def levels(answer: int) -> Verdict:
        return right("")

    assert exercise("97.1", expects=int)(levels) is levels
    assert isinstance(levels, types.FunctionType)
