"""Lesson 09: the table of devices, the advice, the Pareto front and its figure."""

from __future__ import annotations

import re

import matplotlib.pyplot as plt
import pytest

from qhelpers.evaluation.scorecard import WIDTH, Row
from qhelpers.lessons.lesson09 import advise, figures, hardware
from qhelpers.lessons.lesson09.exercises import pareto_front


@pytest.mark.parametrize(
    ("int8", "int16x8", "guilty"),
    [
        (30.1, 29.1, "weights"),  # 16x8 is even worse: never a way out
        (14.1, 14.6, "weights"),
        (20.0, 25.9, "weights"),
        (20.0, 26.0, "activations"),
        (21.7, 29.6, "activations"),
    ],
)
def test_16x8_is_advised_only_where_it_wins(int8: float, int16x8: float, guilty: str) -> None:
    said = advise.after_int8({"int8": int8, "int16x8": int16x8})
    assert said.startswith(f"The {guilty}")
    assert ("16x8 is no way out" in said) == (guilty == "weights")
    assert f"{int16x8 - int8:.1f} dB" in said
    assert max(map(len, said.splitlines())) <= WIDTH


def test_every_entry_of_the_table_has_a_dated_source() -> None:
    used = set()
    for schemes in hardware.SUPPORT.values():
        assert set(schemes) == set(hardware.SCHEMES)
        used |= {key for support in schemes.values() for key in support.source.split()}
    assert used == set(hardware.SOURCES), "sources without an entry, or entries without a source"
    for key, source in hardware.SOURCES.items():
        assert key == "lessons" or source.url.startswith("https://")
        assert key == "lessons" or re.search(r"20\d\d$", source.date)


def test_integer_only_devices_run_no_floats() -> None:
    assert hardware.SUPPORT["Ethos-U"]["float16"].level == "no"
    assert hardware.SUPPORT["phone NPU"]["float16"].level == "native"
    for device in ("Ethos-U", "microcontroller"):
        assert hardware.SUPPORT[device]["dynamic_range"].level == "no"
        assert hardware.SUPPORT[device]["int8"].level == "native"


def test_the_table_shows_every_entry_and_source() -> None:
    table = hardware.Table()
    page, text = table._repr_html_(), repr(table)
    assert page.count("<td") == len(hardware.SUPPORT) * len(hardware.SCHEMES)
    assert page.count("<li>") == len(hardware.SOURCES) == text.count("\n[")
    for schemes in hardware.SUPPORT.values():
        assert all(support.note in page.replace("&#x27;", "'") for support in schemes.values())
    assert "● native" in text
    assert max(map(len, text.splitlines())) <= WIDTH


def test_the_front_by_hand() -> None:
    offers = {"A": (20, 910), "B": (24, 905), "C": (30, 930), "D": (30, 920), "E": (80, 935)}
    assert pareto_front(offers) == ["A", "C", "E"]
    assert pareto_front({"A": (20, 910), "B": (20, 910)}) == ["A", "B"]
    assert pareto_front({"A": (20, 910), "B": (19, 910)}) == ["B"]


def row(model: str, size: int, correct: int) -> Row:
    head = (model, 9, "0123456789ab", size, "sha", correct, 10_000, 0)
    return Row(*head, 1.0, "some CPU", 1, "float32", "sha")


def test_no_point_of_the_figure_hides_another() -> None:
    sizes = {"float32": 85_000, "dynamic_range": 24_500, "int8": 25_200, "int16x8": 25_600}
    rows = [row(name, size, 9_800) for name, size in sizes.items()]
    figures.pareto(rows, ["dynamic_range"], "title")
    axes = plt.gcf().axes[0]
    axes.figure.canvas.draw()
    assert {text.get_text().split("\n")[0] for text in axes.texts} == set(sizes)
    boxes = [text.get_window_extent() for text in axes.texts]
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
    plt.close("all")
