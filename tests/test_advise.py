"""Every path of the decision helper, and the table of devices behind it."""

from __future__ import annotations

import itertools
import re
from typing import Any

import pytest

from qhelpers.lessons.lesson09 import advise, hardware
from qhelpers.lessons.lesson09.advise import Case

CASES = [
    Case(*answers)
    for answers in itertools.product(hardware.DEVICES, advise.SIZES, *[(True, False)] * 3)
]
BUILT_IN = ("NPU", "microcontroller")


def test_all_answers_are_gone_through() -> None:
    assert len(CASES) == len(set(CASES)) == 5 * 4 * 2 * 2 * 2
    found = {advise.advise(case).scheme for case in CASES}
    assert found == set(advise.LESSONS)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_advice_fits_the_case(case: Case) -> None:
    advice = advise.advise(case)
    level = {
        scheme: hardware.SUPPORT[case.device][scheme].level
        for scheme in (advice.scheme, advice.otherwise)
        if scheme in hardware.SCHEMES
    }
    assert "no" not in level.values()
    if case.device in BUILT_IN and advice.scheme in hardware.SCHEMES:
        assert level[advice.scheme] == "native"
    assert advise.SHRINKS[advice.scheme] >= advise.SIZES[case.size]
    limit = re.search("limit|within the limit", advice.otherwise_reason)
    assert advise.SHRINKS[advice.otherwise] >= advise.SIZES[case.size] or limit or case.retrain
    if not case.retrain:
        assert "qat" not in (advice.scheme, advice.otherwise)
    if not case.calibration and advice.scheme in ("int8", "int16x8"):
        assert case.device in BUILT_IN
        assert "collect them" in advice.reason
    assert advice.scheme != advice.otherwise
    assert advice.lesson == advise.LESSONS[advice.scheme]
    assert all(len(reason) > 20 for reason in (advice.reason, advice.otherwise_reason))


@pytest.mark.parametrize("case", [c for c in CASES if c.wide], ids=str)
def test_inputs_of_very_different_size_get_no_fixed_int8(case: Case) -> None:
    scheme = advise.advise(case).scheme
    assert scheme != "int8" or (case.device in BUILT_IN and not case.calibration)


@pytest.mark.parametrize(
    ("case", "scheme", "otherwise"),
    [
        (Case("microcontroller", "quarter"), "int8", "int16x8"),
        (Case("microcontroller", "any", wide=True), "int16x8", "int8"),
        (Case("NPU", "quarter", calibration=False, retrain=True), "qat", "int16x8"),
        (Case("GPU", "half"), "float16", "float32"),
        (Case("GPU", "quarter"), "dynamic_range", "float16"),
        (Case("desktop CPU"), "float32", "float16"),
        (Case("phone CPU", "quarter", calibration=False), "dynamic_range", "float16"),
        (Case("phone CPU", "quarter", retrain=True), "int8", "qat"),
        (Case("NPU", "eighth"), "below_eight_bits", "int8"),
        (Case("phone CPU", "eighth"), "below_eight_bits", "dynamic_range"),
    ],
)
def test_known_cases(case: Case, scheme: str, otherwise: str) -> None:
    advice = advise.advise(case)
    assert (advice.scheme, advice.otherwise) == (scheme, otherwise)


@pytest.mark.parametrize("answers", [("toaster", "any"), ("GPU", "tiny")])
def test_unknown_answers(answers: Any) -> None:
    with pytest.raises(ValueError, match=f"got '{answers[0]}' and '{answers[1]}'"):
        advise.advise(Case(*answers))


def test_advice_links_its_lessons() -> None:
    advice = advise.advise(Case("microcontroller"))
    assert "lesson 03" in str(advice)
    assert 'href="03_full_integer.ipynb"' in advice._repr_html_()
    assert 'href="05_int16x8.ipynb"' in advice._repr_html_()


def test_every_entry_of_the_table_has_a_dated_source() -> None:
    assert set(hardware.SUPPORT) == set(hardware.DEVICES)
    used = set()
    for schemes in hardware.SUPPORT.values():
        assert set(schemes) == set(hardware.SCHEMES)
        used |= {support.source for support in schemes.values()}
    assert used == set(hardware.SOURCES), "sources without an entry, or entries without a source"
    for key, source in hardware.SOURCES.items():
        assert source.url.startswith("https://") or key == "lesson"
        assert re.search(r"20\d\d$", source.date) or key == "lesson"


def test_the_table_shows_every_entry_and_source() -> None:
    table = hardware.Table()
    page, text = table._repr_html_(), repr(table)
    assert page.count("<td") == 25
    assert page.count("<li>") == len(hardware.SOURCES) == text.count("\n[")
    for schemes in hardware.SUPPORT.values():
        assert all(support.note in page.replace("&#x27;", "'") for support in schemes.values())
    assert "● native" in text
