"""The bars that show `qhelpers.progress`: one in a notebook, one on a terminal."""

from __future__ import annotations

import html
import os
import sys
import time
from collections.abc import Callable
from typing import Any

from qhelpers import progress

_SECONDS_BETWEEN_UPDATES = 0.1


class TerminalBar:
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


class NotebookBar:
    """One HTML bar below the cell, updated in place, and empty at the end.

    What the cell has printed or drawn stays: the bar touches its own output alone.
    """

    def __init__(self, total: float, label: str) -> None:
        self.total, self.label = total, label
        self.done: float = 0
        self.text = ""
        self.handle: Any = None
        self.draw()

    def draw(self) -> None:
        """Show the bar as it stands now."""
        share = min(self.done / self.total, 1.0) if self.total > 0 else 1.0
        words = " · ".join(part for part in (self.label, f"{share:.0%}", self.text) if part)
        bar = f'<progress value="{share:.4f}" max="1" style="width: 50%"></progress>'
        self._show({"text/html": f"{bar} {html.escape(words)}", "text/plain": words})
        self.drawn = time.monotonic()

    def advance(self, step: float = 1, text: str = "") -> None:
        """Move the bar on, and redraw it if the last time was long enough ago."""
        self.done += step
        self.text = text or self.text
        if time.monotonic() - self.drawn >= _SECONDS_BETWEEN_UPDATES:
            self.draw()

    def close(self) -> None:
        """Empty the bar. Jupyter cannot take one output of a cell away, only all of them."""
        self._show({"text/plain": ""})

    def _show(self, data: dict[str, str]) -> None:
        """Put `data` into the bar's own place in the cell's output."""
        from IPython import display

        if self.handle is None:
            show: Any = display.display  # without types
            self.handle = show(data, raw=True, display_id=True)
        else:
            self.handle.update(data, raw=True)


def install() -> None:
    """Show progress with the bar that fits where this runs, or not at all."""
    progress.install(_fitting_bar())


def kernel() -> Any:
    """Return the Jupyter kernel that this code runs in, or None."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return getattr(shell, "kernel", None)


def _fitting_bar() -> Callable[[float, str], progress.Bar] | None:
    """Choose the bar for a kernel, for a terminal, or none."""
    if kernel() is not None:
        # pytest compares every output of a cell, an empty one too.
        return None if "PYTEST_VERSION" in os.environ else NotebookBar
    stream = sys.stderr
    return TerminalBar if stream is not None and stream.isatty() else None
