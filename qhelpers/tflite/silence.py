"""Keeps the messages of native code off the screen while a block runs."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator

_one_at_a_time = threading.RLock()


@contextlib.contextmanager
def quiet() -> Iterator[Callable[[], list[str]]]:
    """Keep Python's and C++'s messages off the screen inside the block.

    Yields:
        A function that returns the lines that C++ wrote (to file descriptor 2) so far.
    """
    with _one_at_a_time, contextlib.ExitStack() as stack:
        sys.stderr.flush()
        for redirect in (contextlib.redirect_stdout, contextlib.redirect_stderr):
            stack.enter_context(redirect(io.StringIO()))
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        kept_messages = stack.enter_context(tempfile.TemporaryFile())
        with contextlib.suppress(OSError):  # no descriptor 2: nothing to silence
            kept = os.dup(2)
            stack.callback(os.close, kept)
            stack.callback(os.dup2, kept, 2)
            os.dup2(kept_messages.fileno(), 2)

        def lines() -> list[str]:
            kept_messages.seek(0)
            found = kept_messages.read().decode(errors="replace").splitlines()
            kept_messages.seek(0, os.SEEK_END)
            return found

        yield lines
