"""A disk that is full: a file system in memory of a few kilobytes or megabytes."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from course_files import ROOT

from .conftest import PYTHON, Run

# Words: the folder, its size, what to do in it before it is filled, the command.
FILLED = """
export DISK="$1"; mount -t tmpfs -o "size=$2" none "$1" && eval "$3" || exit 99
cat /dev/zero > "$DISK/filler" 2> /dev/null
ASIDE="! -name *.log ! -path */.ipython/*"; set -f  # empty files of kernels
find "$DISK" -type f $ASIDE | sort > "$DISK.before"
shift 3; "$@"; status=$?
find "$DISK" -type f $ASIDE | sort > "$DISK.after"
exit $status
"""
TRAIN = """
from qhelpers import data, keras_cnn
digits = data.load(quiet=True)
net = keras_cnn.trained(digits)
answers = net(data.to_float(digits.test_images), training=False).numpy().argmax(1)
print("share right:", (answers == digits.test_labels).mean())
"""


def _may_mount() -> bool:
    command = ["unshare", "-rm", "mount", "-t", "tmpfs", "none", "/mnt"]
    return bool(shutil.which("unshare")) and subprocess.run(command, check=False).returncode == 0


pytestmark = pytest.mark.skipif(
    not _may_mount(), reason="nobody but root may mount a file system here (unshare -rm)"
)
Full = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    folder = tmp_path / "disk"
    folder.mkdir()
    return folder


@pytest.fixture
def full(run: Run, disk: Path) -> Full:
    """Run a command with a full disk at `disk`, and see that it leaves no file there."""

    def full(
        *command: str | Path, size: str = "256k", first: str = ":", **environment: str | Path
    ) -> subprocess.CompletedProcess[str]:
        words = ["unshare", "-rm", "sh", "-c", FILLED, "sh", disk, size, first]
        done = run(*words, *command, **environment)
        assert done.returncode != 99, done.stderr
        before, after = (disk.with_suffix(s).read_text() for s in (".before", ".after"))
        assert after == before
        return done

    return full


def test_training_goes_on(full: Full, disk: Path, figure: Callable[[str], None]) -> None:
    done = full(PYTHON, "-c", TRAIN, QHELPERS_HOME=disk)
    assert done.returncode == 0, done.stderr
    where = f"could not be kept in {disk}/models (No space left on device). The lesson goes on."
    assert where in done.stdout
    assert float(done.stdout.rpartition(":")[2]) > 0.95
    figure("full disk: training goes on, and says what could not be kept, and where")


def test_run_says_so(full: Full, disk: Path) -> None:
    done = full(PYTHON, "-m", "qhelpers", "run", "00", QHELPERS_HOME=disk)
    assert done.returncode == 1
    assert "python -m qhelpers run: " in done.stderr
    assert "No space left on device" in done.stderr
    assert str(disk / "course") in done.stderr


def test_run_says_so_where_nothing_at_all_can_be_written(full: Full, disk: Path) -> None:
    folders = dict.fromkeys(("QHELPERS_HOME", "HOME", "XDG_CACHE_HOME", "TMPDIR"), disk)
    done = full(PYTHON, "-m", "qhelpers", "run", "00", **folders)
    assert done.returncode == 1
    assert "No space left on device" in done.stderr


def test_refresh_keeps_the_notebook(full: Full, disk: Path) -> None:
    first = f'mkdir "$DISK/docs" && cp -r {ROOT}/qhelpers {ROOT}/pyproject.toml "$DISK" && '
    first += f'mkdir "$DISK/notebooks" && cp {ROOT}/notebooks/00_* "$DISK/notebooks" && '
    first += 'find "$DISK" -name __pycache__ -exec rm -r {} +'
    after = ["sh", "-c", '"$0" -m qhelpers refresh 00; s=$?; cmp "$1" "$2" || exit 98; exit $s']
    (original,) = (ROOT / "notebooks").glob("00_*.ipynb")
    command = [*after, PYTHON, original, disk / "notebooks" / original.name]
    done = full(*command, size="12m", first=first, PYTHONPATH=disk, PYTHONDONTWRITEBYTECODE="1")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "python -m qhelpers refresh: " in done.stderr
    assert "No space left on device" in done.stderr
    assert original.name in done.stderr


@pytest.mark.parametrize("everywhere", [False, True])
def test_quantize_leaves_no_folder(
    full: Full, disk: Path, tmp_path: Path, figure: Callable[[str], None], everywhere: bool
) -> None:
    from qhelpers import keras_cnn

    keras_cnn.build().save(tmp_path / "net.keras")
    np.save(tmp_path / "x.npy", np.random.default_rng(0).random((64, 28, 28), np.float32))
    words = ["--calibration", tmp_path / "x.npy", "--out", disk / "out", "--recipes", "float16"]
    also = {"TMPDIR": disk} if everywhere else {}
    done = full(PYTHON, "-m", "qhelpers", "quantize", tmp_path / "net.keras", *words, **also)
    assert done.returncode == 1, done.stdout
    assert "python -m qhelpers quantize: " in done.stderr
    assert "No space left on device" in done.stderr
    if not everywhere:
        assert ".tflite" in done.stderr
        figure("full disk: run, refresh, quantize end with a sentence and 1, and leave no file")
