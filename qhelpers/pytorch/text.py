"""What the language model reads: Python's own documentation, as numbers.

Every Python brings it, as `pydoc_data.topics` (copyright Python Software Foundation, PSF License
Version 2). The text differs a little between versions; the same topics are held out in all.
"""

from __future__ import annotations

import numpy as np
import torch

VOCABULARY = "\n" + "".join(map(chr, range(32, 127)))
"""The characters that the model knows; all others are left out of its text."""
LENGTH = 256  # characters in a window
# No 50 characters of one of them stand in any other topic, in Python 3.10 to 3.13.
_HELD_OUT = (
    *("assert", "atom-identifiers", "atom-literals", "bitwise", "booleans", "del", "dict"),
    *("exprlists", "global", "import", "objects", "slicings", "truth", "typesmodules"),
    *("unary", "yield"),
)


def documents(held_out: bool) -> dict[str, str]:
    """Return topic -> text in the model's characters: those held out, or those to learn from.

    Raises:
        ImportError: this Python came without its documentation.
    """
    try:
        from pydoc_data.topics import topics
    except ImportError:
        message = "this Python has no pydoc_data, its own documentation: install all of Python."
        raise ImportError(message) from None
    known, chosen = {*VOCABULARY}, [n for n in sorted(topics) if (n in _HELD_OUT) == held_out]
    return {name: "".join(c for c in topics[name] if c in known) for name in chosen}


def encode(text: str) -> torch.Tensor:
    """Return the places of a text's characters in the vocabulary, int64 [n]."""
    return torch.tensor([VOCABULARY.index(character) for character in text])


def held_out() -> torch.Tensor:
    """Return the first 769 characters of the 16 topics held out, int64 [16, 3, 257].

    A window's last character is the next one's first, so that each but the first is predicted once.
    """
    first = [encode(text[: 3 * LENGTH + 1]) for text in documents(held_out=True).values()]
    return torch.stack(first).unfold(1, LENGTH + 1, LENGTH)


def calibration(count: int, seed: int = 0) -> torch.Tensor:
    """Return windows from random places of the text that the model learned from, [count, 256]."""
    text = encode("\n".join(documents(held_out=False).values()))
    starts = np.random.default_rng(seed).integers(0, len(text) - LENGTH, count)
    return torch.stack([text[start : start + LENGTH] for start in starts])
