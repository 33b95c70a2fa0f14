"""Every plot of the course, in one style.

`figures.new`, `figures.image` and the like come from `style`; the plots of a lesson are in a module
of its own, imported when it is first asked for: `figures.lesson03.histogram(...)`.
"""

from __future__ import annotations

import importlib
import re
from types import ModuleType

from qhelpers.figures.style import COLORS, LABELS, annotated, bits, finish, image, new, use

__all__ = ["COLORS", "LABELS", "annotated", "bits", "finish", "image", "new", "use"]


def __getattr__(name: str) -> ModuleType:
    """Import the module of a lesson's figures."""
    if re.fullmatch(r"lesson\d\d|engines", name):
        module = f"{__name__}.{name}"
        try:
            return importlib.import_module(module)
        except ModuleNotFoundError as error:
            if error.name != module:
                raise
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
