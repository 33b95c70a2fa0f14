"""Helpers of the course "Quantization, byte for byte".

Importing this package loads no framework: TensorFlow and PyTorch are imported by the functions
that need them, when they are called.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qhelpers.notebook.lesson import claim

__all__ = ["claim"]


def __getattr__(name: str) -> Any:
    """Import `claim` when it is first asked for."""
    if name == "claim":
        from qhelpers.notebook.lesson import claim

        return claim
    raise AttributeError(f"module 'qhelpers' has no attribute {name!r}")
