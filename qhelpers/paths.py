"""Where generated files live, and how they get there without ever being half-written.

Trained networks are among them. And what is installed: optional packages, versions, and the
commands that install them.
"""

from __future__ import annotations

import importlib
import io
import os
import secrets
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import platformdirs
from numpy.typing import NDArray

_PACKAGE = Path(__file__).resolve().parent
_ADVICE = "Set QHELPERS_HOME to a folder that you may write to."
# The newest torchao whose Python part runs beside a version of PyTorch, from torchao's own table
# (https://github.com/pytorch/ao/issues/2919); above the last line any newer one does.
_TORCHAO = {(2, 9): "torchao==0.14.1", (2, 10): "torchao==0.16.0"}


def clone() -> Path | None:
    """Return the folder of the clone that this package runs from, or None when it is installed."""
    root = _PACKAGE.parent
    return root if (root / "notebooks").is_dir() and (root / "pyproject.toml").is_file() else None


def home() -> Path:
    """Return the one folder below which everything generated goes; it exists.

    It is `QHELPERS_HOME` if that is set and may be written to (see `shared`), `generated` in a
    clone, else the user's cache folder. A PermissionError says that it cannot be made.
    """
    root = clone()
    if _chosen() is None and root is not None and os.access(root, os.W_OK):
        return _made(root / "generated")
    return _made(_own())


def _chosen() -> Path | None:
    chosen = os.environ.get("QHELPERS_HOME")
    return Path(chosen).expanduser() if chosen else None


def shared() -> Path | None:
    """Return `QHELPERS_HOME` if it is a folder that others have filled and nobody here may write.

    What is cached there is read; what is made here goes to the user's cache folder.
    """
    chosen = _chosen()
    return chosen if chosen and chosen.is_dir() and not os.access(chosen, os.W_OK) else None


def user_cache() -> Path:
    """Return the user's cache folder for this course; it outlives a clone."""
    return platformdirs.user_cache_path("qhelpers")


def data_cache() -> Path:
    """Return the folder that downloaded data is kept in: below `QHELPERS_HOME`, else the cache."""
    return _own() / "data"


def _own() -> Path:
    return chosen if (chosen := _chosen()) and not shared() else user_cache()


def _made(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PermissionError(f"cannot make the folder {folder}: {error}. {_ADVICE}") from error
    return folder


def writable(folder: Path) -> Path:
    """Make `folder` if it is missing and return it.

    A PermissionError says that it cannot be made, or that nothing can be written into it.
    """
    if not os.access(_made(folder), os.W_OK):
        raise PermissionError(f"the folder {folder} is not writable. {_ADVICE}")
    return folder


def shown(path: Path) -> str:
    """Return a path as text that names nobody: with ~ for the user's home folder."""
    home = Path.home()
    return f"~/{path.relative_to(home).as_posix()}" if path.is_relative_to(home) else str(path)


def write_atomically(path: Path, content: bytes) -> Path:
    """Write `content` so that a reader sees all of it or the file that was there before.

    Missing folders are made; one that is not writable is a PermissionError. Returns `path`.
    """
    part = writable(path.parent) / f".{path.name}.{secrets.token_hex(8)}.part"
    try:
        # Not `tempfile`: its files are for their owner only, whatever the umask says.
        with part.open("xb") as stream:
            stream.write(content)
        part.replace(path)
    except BaseException as error:
        part.unlink(missing_ok=True)
        if isinstance(error, OSError):  # a full disk names no file
            error.filename = error.filename or str(path)
        raise
    return path


def keep(path: Path, content: bytes) -> bool:
    """Write to a cache as `write_atomically` does; where that fails, say so, return False, go on.

    It fails on a full disk, and in a folder that cannot be written.
    """
    try:
        write_atomically(path, content)
    except OSError as error:
        where, reason = shown(path.parent), error.strerror or error
        print(f"{path.name} could not be kept in {where} ({reason}). The lesson goes on.")
        return False
    return True


def read_if_there(path: Path) -> bytes | None:
    """Return a cached file's bytes; None where it is missing or, said in a line, unreadable.

    A file that is not in the user's cache may be in the one that others have filled (`shared`).
    """
    others, own = shared(), user_cache()
    if others and not path.exists() and path.is_relative_to(own):
        path = others / path.relative_to(own)
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        reason = error.strerror or error
        print(f"{shown(path)} is there and cannot be read ({reason}): not used.")
        return None


def learn_once(
    name: str,
    weights: Callable[[], Sequence[NDArray[Any]]],
    restore: Callable[[list[NDArray[Any]]], object],
    learn: Callable[[], object],
) -> None:
    """Give a network the weights of its cached file, or let it learn them and write that file.

    Args:
        name: of the file, for a key of all that the weights depend on.
        weights: returns the network's arrays, always in the same order.
        restore: puts arrays of the same shapes in their place.
        learn: trains the network in place.
    """
    path = home() / "models" / f"{name}.npz"
    content = read_if_there(path)
    if content is not None:
        try:
            with np.load(io.BytesIO(content), allow_pickle=False) as kept:  # compares checksums
                found = [kept[name] for name in kept.files]
            same = [array.shape for array in found] == [array.shape for array in weights()]
            if not same or not all(np.isfinite(array).all() for array in found):
                raise ValueError("another network's weights, or no numbers")
            restore(found)
            return
        except Exception:  # whatever a damaged file makes NumPy raise
            print(f"The cached network {path.name} is damaged: training it again.")
    learn()
    stream = io.BytesIO()
    np.savez(stream, *weights())
    keep(path, stream.getvalue())


def require(module: str, extra: str) -> ModuleType:
    """Import an optional package, such as "tensorflow", which an extra of qhelpers brings.

    Stopping the kernel waits until it is imported: half a framework cannot be imported again.
    Before TensorFlow joins PyTorch in a process, or PyTorch TensorFlow, a line says what it costs.

    Raises:
        ImportError: it is not installed; the message says how to install it.
        KeyboardInterrupt: the kernel was told to stop meanwhile.
    """
    stops: list[int] = []
    before = signal.getsignal(signal.SIGINT)
    main = threading.current_thread() is threading.main_thread() and before is not None
    other = {"tensorflow": "torch", "torch": "tensorflow"}.get(module)
    if other in sys.modules and module not in sys.modules:  # said before it, in case of a crash
        print(f"{module} beside {other}: 0.6 GB more, or a crash. Restart the kernel.", flush=True)
    if main:
        signal.signal(signal.SIGINT, lambda number, _: stops.append(number))
    try:
        found = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] != module.split(".")[0]:
            raise
        raise ImportError(
            f"{module} is not installed. Install it with: {install_command(extra)}"
        ) from error
    finally:
        if main:
            signal.signal(signal.SIGINT, before)
    if stops:
        raise KeyboardInterrupt
    return found


def install_command(extra: str) -> str:
    """Return the command that installs qhelpers with an extra, "torch" or "" for none."""
    extras = f"[{extra}]" if extra else ""
    if clone() is not None:
        return f'pip install -e ".{extras}"'
    try:
        about = metadata.metadata("qhelpers")
    except metadata.PackageNotFoundError:
        return f'pip install "qhelpers{extras}"'
    links = dict(link.split(", ", 1) for link in about.get_all("Project-URL") or [])
    return f'pip install "qhelpers{extras} @ git+{links["Repository"]}@v{about["Version"]}"'


def torchao_for() -> str:
    """Return what to give `pip install`, so that torchao fits the PyTorch that is there."""
    major, minor, *_ = metadata.version("torch").split(".")
    fitting = (name for newest, name in _TORCHAO.items() if (int(major), int(minor)) <= newest)
    return next(fitting, "torchao>=0.17")


def versions(*packages: str) -> str:
    """Return the installed versions of distributions, for a cache key: "keras-3.12.4-numpy-2.2.6".

    One that is absent counts as version 0.
    """
    return "-".join(f"{package}-{version(package) or 0}" for package in packages)


def version(package: str) -> str | None:
    """Return the installed version of a distribution, or None."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
