"""PT2E lives in torchao, and not every torchao runs beside every PyTorch."""

from __future__ import annotations

import re
from importlib import metadata

# The newest torchao whose Python part runs beside a version of PyTorch, from torchao's own table
# (https://github.com/pytorch/ao/issues/2919); above the last line any newer one does.
_TORCHAO = {(2, 9): "torchao==0.14.1", (2, 10): "torchao==0.16.0"}


def torchao_for(torch_version: str | None = None) -> str:
    """Return what to give `pip install`, so that torchao fits the PyTorch that is there.

    Args:
        torch_version: such as "2.9.1+cu126"; None for the one that is installed.

    Raises:
        ValueError: that is no version.
    """
    version = metadata.version("torch") if torch_version is None else torch_version
    found = re.match(r"(\d+)\.(\d+)", version)
    if found is None:
        raise ValueError(f"{version!r} is no version of PyTorch, such as '2.9.1'.")
    at_hand = (int(found[1]), int(found[2]))
    return next((name for newest, name in _TORCHAO.items() if at_hand <= newest), "torchao>=0.17")
