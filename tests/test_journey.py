from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest

from qhelpers.notebook import journey, style

GOOD: dict[str, Any] = {
    "weights": np.array([-0.2, 0.1, 0.4]),
    "stored": ["-64", "32", "127"],
    "products": "1,234",
    "rescaled": "x 0.5",
    "result": "617",
    "types": {"stored": "int8", "sum": "int32"},
    "active": "stored",
    "title": "Weights become integers",
}


def test_all_numbers_and_types_are_drawn_and_only_the_active_stage_is_coloured() -> None:
    journey.draw(**GOOD, color="#123456")
    texts = {text.get_text(): text for text in plt.gca().texts}
    assert {"-64\n32\n127", "1,234", "x 0.5", "617", "int8", "int32", "-0.200"} <= set(texts)
    bold = {c for c in journey.STAGES.values() if texts[c].get_fontweight() == "bold"}
    assert bold == {"stored"}
    edge = (18 / 255, 52 / 255, 86 / 255)
    assert [box.get_edgecolor()[:3] == edge for box in plt.gca().patches].count(True) == 1
    plt.close("all")


@pytest.mark.parametrize("color", sorted(style.COLORS.values()))
def test_what_stands_in_a_coloured_box_can_be_read(color: str) -> None:
    journey.draw(**GOOD, color=color)
    (box,) = (box for box in plt.gca().patches if box.get_linewidth() > 2)
    assert style._ink(box.get_facecolor()) == "black"
    plt.close("all")


def test_captions_count_the_products_and_may_be_others() -> None:
    journey.draw(**GOOD, of=2028, captions={"rescaled": "scaled, plus bias"})
    texts = {text.get_text() for text in plt.gca().texts}
    assert {"stored (3 of 2,028)", "sum of 2,028 products", "scaled, plus bias"} <= texts
    plt.close("all")


def test_activations_get_a_row_of_their_own_that_leads_to_the_sum() -> None:
    row = {"inputs": [0.0, 0.5, 2.0], "quantized": ["-128", "-64", "127"]}
    journey.draw(**GOOD | row | {"active": ("stored", "quantized"), "types": {"inputs": "float32"}})
    texts = {text.get_text() for text in plt.gca().texts}
    assert {"activations", "quantized on the fly", "-128\n-64\n127", "2.000"} <= texts
    assert len(plt.gca().patches) == 7
    plt.close("all")


def test_the_weights_that_are_drawn_add_most_and_stand_in_the_order_of_the_line() -> None:
    weights, inputs = np.array([3.0, -2.0, 0.5, 1.0]), np.array([1.0, 4.0, 2.0, 0.0])
    assert journey.telling(weights, inputs, ranks=(1, 2, 3)).tolist() == [1, 2, 0]
