"""PyTorch's engines for 8-bit layers: which there are, and choosing one.

What an engine computes, value for value, stands in the cells of notebook 22.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch

_PREFERRED = ("x86", "qnnpack", "onednn", "fbgemm")


def supported() -> list[str]:
    """Return the names of the engines that this machine has, the one to prefer first."""
    return [name for name in _PREFERRED if name in torch.backends.quantized.supported_engines]


def choose() -> str:
    """Choose the engine that the course prefers on this machine; return its name.

    A RuntimeError says that this build of PyTorch has none.
    """
    found = supported()
    if not found:
        advice = "Install PyTorch's own build: pip install torch."
        raise RuntimeError(f"this build of PyTorch has no engine for 8-bit layers. {advice}")
    torch.backends.quantized.engine = found[0]
    return found[0]


@contextlib.contextmanager
def using(engine: str) -> Iterator[None]:
    """Make `engine` the one that packs weights and runs 8-bit layers, for a while."""
    before = torch.backends.quantized.engine
    torch.backends.quantized.engine = engine
    try:
        yield
    finally:
        torch.backends.quantized.engine = before
