"""A made-up device with one fault, for the exercise that asks which."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

FAULT = "clips the logits"
FAULTS = ("rounds down", "swaps two digits", "ignores the bias", FAULT)


def outputs(good: NDArray[Any]) -> NDArray[np.uint8]:
    """Return what the device makes of images whose right outputs are `good`, uint8 [n, 10]."""
    return np.asarray(np.minimum(good, int(np.percentile(good, 97))), np.uint8)
