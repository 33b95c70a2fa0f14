"""Keeps trained PyTorch networks in files: weights only, checked before they are used."""

from __future__ import annotations

import io
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from qhelpers import paths

if TYPE_CHECKING:
    from torch import nn


def trained(net: nn.Module, name: str, train: Callable[[], object]) -> nn.Module:
    """Give a network the weights of its cached file, or train it and write that file.

    Args:
        net: untrained; it is changed in place.
        name: of the file; it says what the weights depend on.
        train: trains `net`.

    Returns:
        `net`, in eval mode.
    """
    path = paths.home() / "models" / name
    if not _restored(net, path):
        train()
        paths.write_atomically(path, saved(net))
    return net.eval()


def saved(net: nn.Module) -> bytes:
    """Return the file that `torch.save(net.state_dict())` writes."""
    import torch

    stream = io.BytesIO()
    torch.save(net.state_dict(), stream)
    return stream.getvalue()


def _restored(net: nn.Module, path: Path) -> bool:
    """Give a network the weights of a cached file; say whether that was there and whole."""
    import torch

    if not path.exists():
        return False
    try:
        with zipfile.ZipFile(path) as archive:  # PyTorch itself does not look at the checksums
            whole = archive.testzip() is None
        if whole:
            net.load_state_dict(torch.load(path, weights_only=True))
            return True
    except (OSError, RuntimeError, zipfile.BadZipFile, pickle.UnpicklingError):
        pass
    print(f"The cached network {path.name} is damaged: training it again.")
    return False
