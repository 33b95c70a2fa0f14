"""A progress bar that leaves nothing behind: in a notebook, on a terminal, or nowhere."""

from __future__ import annotations

import html
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

_SECONDS_BETWEEN_UPDATES = 0.1


class Advance(Protocol):
    """What `progress` hands out: call it when a part of the work is done."""

    def __call__(self, step: float = 1, text: str = "") -> None:
        """Move the bar on by `step` and, if `text` is given, show it beside the bar."""


class _Silent:
    """No bar: nobody is looking."""

    def __init__(self, total: float, label: str) -> None:
        pass

    def advance(self, step: float = 1, text: str = "") -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


class _Terminal:
    """A tqdm bar on stderr that is wiped at the end."""

    def __init__(self, total: float, label: str) -> None:
        from tqdm import tqdm

        layout = "{l_bar}{bar}| {elapsed}<{remaining}{postfix}"
        self.bar = tqdm(total=total, desc=label, leave=False, file=sys.stderr, bar_format=layout)

    def advance(self, step: float = 1, text: str = "") -> None:
        """Move the bar on."""
        if text:
            self.bar.set_postfix_str(text, refresh=False)
        self.bar.update(step)

    def close(self) -> None:
        """Wipe the bar."""
        self.bar.close()


class _Notebook:
    """One HTML bar below the cell, updated in place, cleared at the end."""

    def __init__(self, total: float, label: str) -> None:
        self.total, self.label = total, label
        self.done: float = 0
        self.text = ""
        self.handle: Any = None
        self.drawn = 0.0
        self.draw()

    def draw(self) -> None:
        """Show the bar as it stands now."""
        from IPython import display

        share = min(self.done / self.total, 1.0) if self.total > 0 else 1.0
        words = " · ".join(part for part in (self.label, f"{share:.0%}", self.text) if part)
        bar = f'<progress value="{share:.4f}" max="1" style="width: 50%"></progress>'
        data = {"text/html": f"{bar} {html.escape(words)}", "text/plain": words}
        if self.handle is None:
            show: Any = display.display  # without types
            self.handle = show(data, raw=True, display_id=True)
        else:
            self.handle.update(data, raw=True)
        self.drawn = time.monotonic()

    def advance(self, step: float = 1, text: str = "") -> None:
        """Move the bar on, and redraw it if the last time was long enough ago."""
        self.done += step
        self.text = text or self.text
        if time.monotonic() - self.drawn >= _SECONDS_BETWEEN_UPDATES:
            self.draw()

    def close(self) -> None:
        """Clear the cell's output, the bar with it."""
        from IPython import display

        clear: Any = display.clear_output  # without types
        clear()


def _in_kernel() -> bool:
    """Tell whether this code runs in a Jupyter kernel."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return getattr(shell, "kernel", None) is not None


def _kind() -> Callable[[float, str], _Silent | _Terminal | _Notebook]:
    """Choose the bar that fits where we are."""
    if os.environ.get("QHELPERS_PROGRESS") == "0":
        return _Silent
    if _in_kernel():
        # pytest compares every message of a cell, those too that were cleared again.
        return _Silent if "PYTEST_VERSION" in os.environ else _Notebook
    stream = sys.stderr
    return _Terminal if stream is not None and stream.isatty() else _Silent


@contextmanager
def progress(total: float, label: str, show: bool = True) -> Iterator[Advance]:
    """Show how far a piece of work has come, and nothing once it has ended.

    In a notebook it is one bar that clears the cell's output when the work ends, also by an
    error: print or draw what the reader should keep after the work, not before it. On a terminal
    it is a bar on stderr. Elsewhere, and with `QHELPERS_PROGRESS=0`, it shows nothing.

    Args:
        total: the sum of all steps, in any unit.
        label: what is being done, such as "Training".
        show: False shows nothing anywhere.

    Yields:
        advance(step=1, text=""): moves the bar on by `step`; `text` is shown beside it.
    """
    bar = _kind()(total, label) if show else _Silent(total, label)
    try:
        yield bar.advance
    finally:
        bar.close()
