"""Where generated files live, and how they get there without ever being half-written."""

from __future__ import annotations

import importlib
import os
import tempfile
from importlib import metadata
from pathlib import Path
from types import ModuleType

_PACKAGE = Path(__file__).resolve().parent


def clone() -> Path | None:
    """Return the folder of the clone that this package runs from, or None when it is installed."""
    root = _PACKAGE.parent
    return root if (root / "notebooks").is_dir() and (root / "pyproject.toml").is_file() else None


def home() -> Path:
    """Return the one folder below which everything generated goes.

    It is `QHELPERS_HOME` if that is set, `generated` in a clone, else the user's cache folder.

    Returns:
        An existing folder.

    Raises:
        PermissionError: the folder cannot be made or written.
    """
    root = clone()
    chosen = os.environ.get("QHELPERS_HOME")
    if chosen:
        folder = Path(chosen).expanduser()
    elif root is not None and os.access(root, os.W_OK):
        folder = root / "generated"
    else:
        folder = user_cache()
    return writable(folder)


def user_cache() -> Path:
    """Return the user's cache folder for this course; it outlives a clone."""
    import pooch

    return Path(pooch.os_cache("qhelpers"))


def data_cache() -> Path:
    """Return the folder that downloaded data is kept in: below `QHELPERS_HOME`, else the cache."""
    chosen = os.environ.get("QHELPERS_HOME")
    return (Path(chosen).expanduser() if chosen else user_cache()) / "data"


def writable(folder: Path) -> Path:
    """Make `folder` if it is missing and return it.

    Raises:
        PermissionError: it cannot be made, or nothing can be written into it.
    """
    advice = "Set QHELPERS_HOME to a folder that you may write to."
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PermissionError(f"cannot make the folder {folder}: {error}. {advice}") from error
    if not os.access(folder, os.W_OK):
        raise PermissionError(f"the folder {folder} is not writable. {advice}")
    return folder


def write_atomically(path: Path, content: bytes) -> Path:
    """Write `content` to `path` so that a reader sees all of it or the file that was there before.

    Args:
        path: the file; missing folders are made.
        content: the bytes.

    Returns:
        `path`.

    Raises:
        PermissionError: the folder is not writable.
    """
    writable(path.parent)
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return path


def require(module: str, extra: str) -> ModuleType:
    """Import an optional package.

    Args:
        module: its import name, such as "tensorflow".
        extra: the extra of qhelpers that brings it.

    Returns:
        The imported module.

    Raises:
        ImportError: it is not installed; the message says how to install it.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] != module.split(".")[0]:
            raise
        raise ImportError(
            f"{module} is not installed. Install it with: {install_command(extra)}"
        ) from error


def install_command(extra: str) -> str:
    """Return the command that installs qhelpers with an extra, as a reader types it.

    Args:
        extra: such as "torch"; "" for none.
    """
    extras = f"[{extra}]" if extra else ""
    if clone() is not None:
        return f'pip install -e ".{extras}"'
    try:
        links = metadata.metadata("qhelpers").get_all("Project-URL") or []
    except metadata.PackageNotFoundError:
        links = []
    address = dict(link.split(", ", 1) for link in links).get("Repository")
    return f'pip install "qhelpers{extras}{f" @ git+{address}" if address else ""}"'


def versions(*packages: str) -> str:
    """Return the installed versions of `packages` in one string, for use in a cache key.

    Args:
        packages: distribution names; one that is absent counts as version 0.

    Returns:
        Such as "keras-3.12.4-numpy-2.2.6".
    """
    parts = []
    for package in packages:
        try:
            parts.append(f"{package}-{metadata.version(package)}")
        except metadata.PackageNotFoundError:
            parts.append(f"{package}-0")
    return "-".join(parts)
