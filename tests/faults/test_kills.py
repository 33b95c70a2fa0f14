"""kill -9 at random moments of training and of cache writing: nothing half-done is ever used."""

from __future__ import annotations

import io
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from qhelpers import keras_cnn, paths
from qhelpers.data import Digits

KILLS = 20

# Imports once. For each line that it reads, a number of seconds, it starts a process that trains,
# kills it after that time unless it has ended, and prints how it ended.
TRAIN = """
import os, signal, sys, time
from qhelpers import data, keras_cnn
digits = data.load(quiet=True)
keras_cnn._keras()
print("ready", flush=True)
for line in sys.stdin:
    child = os.fork()
    if not child:
        keras_cnn.trained(digits)
        os._exit(0)
    if float(line) >= 0:
        time.sleep(float(line))
        os.kill(child, signal.SIGKILL)
    print(os.waitpid(child, 0)[1], flush=True)
"""
# Two contents in turn, of MNIST's size: a file that mixes them or stops early is seen.
WRITE = """
import sys
from pathlib import Path
from qhelpers import paths
print("ready", flush=True)
while True:
    for byte in (b"a", b"b"):
        paths.keep(Path(sys.argv[1]), byte * 10_000_000)
"""


def test_killed_while_it_trains(digits: Digits, figure: Callable[[str], None]) -> None:
    dice, killed, ended = random.Random(0), 0, 0
    server = subprocess.Popen(
        [sys.executable, "-c", TRAIN], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert server.stdin
    assert server.stdout

    def train(killed_after: float = -1) -> int:
        assert server.stdin
        assert server.stdout
        print(killed_after, file=server.stdin, flush=True)
        return int(server.stdout.readline())

    try:
        assert server.stdout.readline() == "ready\n"
        begin = time.monotonic()
        assert train() == 0
        seconds = time.monotonic() - begin
        (path,) = (paths.home() / "models").iterdir()
        whole = path.read_bytes()
        while killed < KILLS:
            path.unlink(missing_ok=True)
            if train(dice.uniform(0, seconds)) == signal.SIGKILL:
                killed += 1
            else:  # it was faster than the first
                ended += 1
            # Nothing, or all of it.
            assert not path.exists() or _same(path.read_bytes(), whole)
            assert ended < 3 * KILLS
        path.unlink(missing_ok=True)
        assert train() == 0
        assert _same(path.read_bytes(), whole)
    finally:
        server.kill()
        server.wait()
    # And this process, which has seen none of it, takes that file.
    net = keras_cnn.trained(digits)
    with np.load(path, allow_pickle=False) as kept:
        stored = [kept[name] for name in kept.files]
    assert all(map(np.array_equal, net.get_weights(), stored))
    figure(
        f"kill -9 while training: {killed} kills at random within {seconds:.1f} s, 0 corrupt; "
        "the next run gives the same network"
    )


def _same(content: bytes, other: bytes) -> bool:
    """Say whether two files hold the same arrays: the archives' dates may differ."""
    with np.load(io.BytesIO(content)) as one, np.load(io.BytesIO(other)) as two:
        return one.files == two.files and all(np.array_equal(one[n], two[n]) for n in one.files)


def test_killed_while_it_writes(tmp_path: Path, figure: Callable[[str], None]) -> None:
    path, dice = tmp_path / "cache" / "file.npz", random.Random(1)
    whole = {byte * 10_000_000 for byte in (b"a", b"b")}
    for _ in range(KILLS):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITE, str(path)], stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout
        assert writer.stdout.readline() == "ready\n"
        time.sleep(dice.uniform(0, 0.2))
        writer.kill()
        assert writer.wait() == -signal.SIGKILL
        content = paths.read_if_there(path)
        assert content is None or content in whole
    left = [other for other in path.parent.iterdir() if other != path]
    assert all(other.suffix == ".part" for other in left)
    assert paths.keep(path, b"the next run")
    assert path.read_bytes() == b"the next run"
    figure(
        f"kill -9 while writing: {KILLS} kills, 0 corrupt; {len(left)} stopped within a file: "
        f"its part was never used, {len(list(path.parent.glob('.*.part')))} lie there"
    )
