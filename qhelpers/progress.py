"""How far a piece of work has come: shown by the bar that `qhelpers.notebook.progress` installs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

Advance = Callable[..., None]
"""advance(step=1, text=""): a part of the work is done; a text is shown beside the bar."""
Bar = Callable[[float, str], AbstractContextManager[Advance]]
"""(total, label) -> what shows the progress of one piece of work, and takes nothing else away."""

_bar: Bar | None = None


def install(bar: Bar | None) -> None:
    """Show every later piece of work with a bar; None shows nothing from now on."""
    global _bar
    _bar = bar


@contextmanager
def progress(total: float, label: str) -> Iterator[Advance]:
    """Report how far a piece of work, such as "Training", has come, until it ends or fails.

    `total` is the sum of all steps, in any unit. With `QHELPERS_PROGRESS=0` nothing is shown.
    """
    if _bar is None or os.environ.get("QHELPERS_PROGRESS") == "0":
        yield lambda step=1, text="": None
    else:
        with _bar(total, label) as advance:
            yield advance
