"""Lesson 09: the table of devices, the advice, the Pareto front and its figure."""

from __future__ import annotations

import re

import matplotlib.pyplot as plt
import pytest

from qhelpers.evaluation.scorecard import WIDTH, Row
from qhelpers.lessons.lesson09 import advise, figures, hardware
from qhelpers.lessons.lesson09.exercises import pareto_front


@pytest.mark.parametrize(
    ("weights", "int8", "int16x8", "guilty"),
    [
        (29.6, 30.1, 29.1, "weights"),  # 16x8 is even worse: never a way out
        (14.9, 14.1, 14.6, "weights"),
        (34.2, 31.3, 34.2, "weights"),  # a bit more than half of the noise
        (29.6, 21.7, 29.6, "activations' steps"),
        (48.0, 9.9, 33.2, "activations' steps"),
        (48.0, 21.7, 22.5, "activations' ranges"),  # 16x8 wins nothing, the weights are innocent
        (48.0, 20.0, 19.0, "activations' ranges"),
    ],
)
def test_the_weights_are_tried_alone_before_16x8(
    weights: float, int8: float, int16x8: float, guilty: str
) -> None:
    said = advise.after_int8({"weights": weights, "int8": int8, "int16x8": int16x8})
    assert said.startswith(f"The {guilty}")
    assert ("16x8 where" in said) == (guilty == "activations' steps")
    assert max(map(len, said.splitlines())) <= WIDTH
    assert said.count("\n") == 1


def test_every_entry_of_the_table_has_a_dated_source() -> None:
    used = set()
    for schemes in hardware.SUPPORT.values():
        assert set(schemes) == set(hardware.SCHEMES)
        used |= {key for support in schemes.values() for key in support.source.split()}
    assert used == set(hardware.SOURCES), "sources without an entry, or entries without a source"
    for key, source in hardware.SOURCES.items():
        assert key in ("lessons", "tests") or source.url.startswith("https://")
        assert key in ("lessons", "tests") or re.search(r"20\d\d$", source.date)


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


def test_each_file_of_the_figure_has_a_line_of_its_own() -> None:
    sizes = {"float32": 85_000, "dynamic_range": 24_500, "int8": 25_200, "int16x8": 25_600}
    rows = [row(name, size, 9_800) for name, size in sizes.items()]
    figures.choices(rows, ["dynamic_range"])
    axes = plt.gcf().axes[0]
    axes.figure.canvas.draw()
    assert [t.get_text() for t in axes.get_yticklabels()] == sorted(sizes, key=lambda n: sizes[n])
    assert [t.get_text() for t in axes.texts[:2]] == ["24,500 bytes", "the same"]
    boxes = [text.get_window_extent() for text in axes.texts]
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
    assert "overlap" in axes.figure.get_suptitle()
    plt.close("all")
