"""The bars that show `qhelpers.progress`: one in a notebook, one on a terminal."""

from __future__ import annotations

import html
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from qhelpers import progress

_SECONDS_BETWEEN_UPDATES = 0.1


@contextmanager
def terminal_bar(total: float, label: str) -> Iterator[progress.Advance]:
    """Show a tqdm bar on stderr that is wiped at the end."""
    from tqdm import tqdm

    layout = "{l_bar}{bar}| {elapsed}<{remaining}{postfix}"
    with tqdm(total=total, desc=label, leave=False, file=sys.stderr, bar_format=layout) as bar:

        def advance(step: float = 1, text: str = "") -> None:
            if text:
                bar.set_postfix_str(text, refresh=False)
            bar.update(step)

        yield advance


@contextmanager
def notebook_bar(total: float, label: str) -> Iterator[progress.Advance]:
    """Show an HTML bar below the cell, updated in place, and empty at the end.

    What the cell has printed or drawn stays: the bar touches its own output alone.
    """
    from IPython import display

    done, drawn, said = 0.0, time.monotonic(), ""

    def shown() -> dict[str, str]:
        share = min(done / total, 1.0) if total > 0 else 1.0
        words = " · ".join(part for part in (label, f"{share:.0%}", said) if part)
        bar = f'<progress value="{share:.4f}" max="1" style="width: 50%"></progress>'
        return {"text/html": f"{bar} {html.escape(words)}", "text/plain": words}

    def advance(step: float = 1, text: str = "") -> None:
        nonlocal done, drawn, said
        done, said = done + step, text or said
        if time.monotonic() - drawn >= _SECONDS_BETWEEN_UPDATES:
            place.update(shown(), raw=True)
            drawn = time.monotonic()

    show: Any = display.display  # without types
    place = show(shown(), raw=True, display_id=True)
    try:
        yield advance
    finally:
        # Jupyter cannot take one output of a cell away, only all of them.
        place.update({"text/plain": ""}, raw=True)


def install() -> None:
    """Show progress with the bar that fits where this runs, or not at all."""
    on_terminal = sys.stderr is not None and sys.stderr.isatty()
    progress.install(notebook_bar if kernel() else terminal_bar if on_terminal else None)


def kernel() -> Any:
    """Return the Jupyter kernel that this code runs in, or None."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return getattr(shell, "kernel", None)
