"""MNIST from its public mirrors: a decision within ten seconds, and every byte checked."""

from __future__ import annotations

import logging
import queue
import tempfile
import threading
import time
from pathlib import Path

from qhelpers import mnist, paths
from qhelpers.mnist import Bytes, File, unpack
from qhelpers.progress import Advance, progress

# Seconds. The first decides whether there is a network at all; the others are for a network
# that was there a moment ago: to connect, and between two pieces of a file.
PROBE_SECONDS = 8.0
CONNECT_SECONDS, READ_SECONDS = 3.0, 6.0


class NoMirrorError(OSError):
    """No mirror gave the files."""


class _Meter:
    """What pooch takes for a tqdm bar: hands on the bytes of one file to ours."""

    def __init__(self, advance: Advance, size: int) -> None:
        self.total: int = 0  # pooch sets it
        self.left = size
        self.advance = advance

    def update(self, count: int) -> None:
        """Count bytes; pooch counts whole chunks, so the last one counts too many."""
        step = min(count, self.left)
        self.left -= step
        self.advance(step)

    def reset(self) -> None:
        """Pooch calls it once the file has come, to count it again."""
        self.left = 0

    def close(self) -> None:
        """Nothing to close: the bar goes on with the next file."""


def _retrieve(mirror: str, file: File, advance: Advance | None = None) -> bytes:
    """Download one file and return its bytes, which have the right checksum.

    Raises:
        OSError: the mirror did not answer, or answered that it has no such file.
        ValueError: it sent something else.
    """
    import pooch

    pooch.get_logger().setLevel(logging.WARNING)
    meter = _Meter(advance, file.packed_size) if advance else False
    get = pooch.HTTPDownloader(
        progressbar=meter, chunk_size=1 << 16, timeout=(CONNECT_SECONDS, READ_SECONDS)
    )
    with tempfile.TemporaryDirectory(prefix="qhelpers-") as folder:
        known = f"sha256:{file.packed_sha}"
        return Path(
            pooch.retrieve(mirror + file.name, known, file.name, folder, downloader=get)
        ).read_bytes()


def _reachable() -> list[str]:
    """Return the mirrors, one that works first; an empty list if none does within the time.

    Each is asked for the smallest file, and that is checked: the log-in page of a hotel's
    network is no mirror. The threads are left behind if the network hangs.
    """
    smallest = min(mnist.FILES, key=lambda file: file.packed_size)
    answers: queue.SimpleQueue[tuple[str, bool]] = queue.SimpleQueue()

    def ask(mirror: str) -> None:
        try:
            _retrieve(mirror, smallest)
            answers.put((mirror, True))
        except Exception:  # whatever it is, this mirror is of no use
            answers.put((mirror, False))

    for mirror in mnist.MIRRORS:
        threading.Thread(target=ask, args=(mirror,), daemon=True).start()
    deadline = time.monotonic() + PROBE_SECONDS
    for _ in mnist.MIRRORS:
        try:
            mirror, works = answers.get(timeout=max(deadline - time.monotonic(), 0))
        except queue.Empty:
            break
        if works:
            return [mirror, *(other for other in mnist.MIRRORS if other != mirror)]
    return []


def download(have: dict[str, Bytes]) -> dict[str, Bytes]:
    """Download the files that are missing, into the cache.

    Args:
        have: arrays that are there already, by the names of their files.

    Returns:
        All four arrays, by the names of their files.

    Raises:
        NoMirrorError: no mirror answered in time or none sent the right bytes.
    """
    missing = [file for file in mnist.FILES if file.name not in have]
    arrays = dict(have)
    mirrors = _reachable()
    if not mirrors:
        raise NoMirrorError("no network")
    with progress(sum(file.packed_size for file in missing), "Downloading MNIST") as advance:
        for file in missing:
            content = _from_any(mirrors, file, advance)
            arrays[file.name] = unpack(file, content, True, "from a mirror")
            try:
                paths.write_atomically(paths.data_cache() / file.name, content)
            except OSError as error:  # the images are here all the same
                print(f"Could not keep {file.name} in the cache: {error}")
    return arrays


def _from_any(mirrors: list[str], file: File, advance: Advance) -> bytes:
    """Download one file from the first mirror that has it."""
    for mirror in mirrors:
        try:
            return _retrieve(mirror, file, advance)
        except (OSError, ValueError):
            continue
    raise NoMirrorError(f"no mirror sent {file.name} whole and unchanged")
