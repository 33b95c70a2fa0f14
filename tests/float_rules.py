"""Which order of float operations an engine takes on this machine, found by trying."""

from __future__ import annotations

from typing import Any

import numpy as np

from qhelpers.arithmetic.float_order import FLOAT_RULES, FloatRules
from qhelpers.tflite.numpy_network import NumpyNetwork

Array = np.ndarray[Any, Any]


def float_rules_here(
    content: bytes, engine: str, images: Array, outputs: Array
) -> FloatRules | None:
    """The rules with which NumPy gives an engine's outputs bit for bit, as in notebook 21."""
    for rules in FLOAT_RULES:
        if rules.engine == engine:
            ours = NumpyNetwork(content, engine, rules).run(images)
            if np.array_equal(ours, outputs):
                return rules
    return None
