from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np

from qhelpers.notebook import journey

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
    assert bold == {"what is stored"}
    boxes = [
        box
        for box in plt.gca().patches
        if box.get_facecolor()[:3] == (18 / 255, 52 / 255, 86 / 255)
    ]
    assert len(boxes) == 1
    plt.close("all")
