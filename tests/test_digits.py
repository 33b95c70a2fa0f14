from __future__ import annotations

import errno
import gzip
import hashlib
import os
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qhelpers import data as digits
from qhelpers import paths

TRAIN, TRAIN_LABELS, TEST, TEST_LABELS = (f"{name}.gz" for name in digits.FILES)
REAL = os.environ.get("QHELPERS_DATA_DIR")
SHAPES = ((6, 28, 28), (6,), (4, 28, 28), (4,))


def idx(array: np.ndarray) -> bytes:
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


@dataclass
class Small:
    """Four files like MNIST's, of ten images; the module's table is patched to expect them."""

    arrays: list[np.ndarray] = field(default_factory=list)
    packed: dict[str, bytes] = field(default_factory=dict)
    plain: dict[str, bytes] = field(default_factory=dict)

    def write(self, folder: Path, packed: bool = True) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in (self.packed if packed else self.plain).items():
            (folder / name).write_bytes(content)
        return folder


@pytest.fixture(autouse=True)
def clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test touches the user's cache or the network."""
    monkeypatch.setenv("QHELPERS_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("QHELPERS_DATA_DIR", raising=False)
    monkeypatch.delenv("QHELPERS_OFFLINE", raising=False)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(digits, "MIRRORS", ("http://127.0.0.1:9/",))


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Small:
    result = Small()
    random = np.random.default_rng(1)
    files = {}
    for shape, name in zip(SHAPES, digits.FILES, strict=True):
        array = random.integers(0, 10 if len(shape) == 1 else 256, shape, np.uint8)
        plain = idx(array)
        packed = gzip.compress(plain, mtime=0)
        result.arrays.append(array)
        result.packed[f"{name}.gz"] = packed
        result.plain[name] = plain
        files[name] = hashlib.sha256(plain).hexdigest()
    monkeypatch.setattr(digits, "FILES", files)
    return result


@dataclass
class Mirror:
    """A web server on this machine, and how it behaves."""

    files: dict[str, bytes]
    url: str = ""
    asked: list[str] = field(default_factory=list)
    cut: bool = False  # hang up in the middle of each file but the smallest
    page: bytes = b""  # send this instead of every file
    silent: bool = False  # accept, and never answer
    slow: bool = False  # send a byte now and then


@pytest.fixture
def mirror(small: Small, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mirror]:
    state = Mirror(small.packed)
    stop = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = self.path.lstrip("/")
            state.asked.append(name)
            if state.silent:
                stop.wait(30)
                return
            content = state.page or state.files[name]
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            smallest = min(len(content) for content in state.files.values())
            end = len(content) // 2 if state.cut and len(content) > smallest else len(content)
            if state.slow and len(content) > smallest:
                for byte in content[:end]:
                    self.wfile.write(bytes([byte]))
                    if stop.wait(0.05):
                        return
            self.wfile.write(content[:end])

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    state.url = f"http://127.0.0.1:{server.server_port}/"
    monkeypatch.setattr(digits, "MIRRORS", (state.url,))
    yield state
    stop.set()
    server.shutdown()
    server.server_close()


def same(found: digits.Digits, small: Small) -> bool:
    arrays = (found.train_images, found.train_labels, found.test_images, found.test_labels)
    return found.name == "mnist" and all(
        np.array_equal(array, wanted) and array.dtype == np.uint8
        for array, wanted in zip(arrays, small.arrays, strict=True)
    )


def cached() -> dict[str, bytes]:
    folder = paths.data_cache()
    return {path.name: path.read_bytes() for path in folder.iterdir()} if folder.is_dir() else {}


# A folder that the user named


@pytest.mark.parametrize("packed", [True, False])
def test_files_of_a_named_folder(
    small: Small,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    packed: bool,
) -> None:
    monkeypatch.setenv("QHELPERS_DATA_DIR", str(small.write(tmp_path / "data", packed)))
    found = digits.load()
    assert same(found, small)
    assert capsys.readouterr().out == (
        "Data: MNIST, 6 training and 4 test images (from QHELPERS_DATA_DIR).\n"
    )
    assert digits.load(quiet=True).key == found.key
    assert capsys.readouterr().out == ""
    with pytest.raises(ValueError, match="read-only"):
        found.train_images[0, 0, 0] = 1


def test_packed_and_plain_files_may_be_mixed(
    small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = small.write(small.write(tmp_path, packed=False))
    monkeypatch.setenv("QHELPERS_DATA_DIR", str(folder))
    keys = {digits.load(quiet=True).key}
    (folder / TRAIN).unlink()
    keys.add(digits.load(quiet=True).key)
    assert len(keys) == 1


def test_key_is_of_the_content(small: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    key = digits._digits("mnist", small.arrays, "here").key
    assert len(key) == 12
    assert int(key, 16) >= 0
    other = [array.copy() for array in small.arrays]
    assert digits._digits("mnist", other, "elsewhere").key == key
    changed = [array.copy() for array in small.arrays]
    changed[3][0] ^= 1
    assert digits._digits("mnist", changed, "here").key != key


def test_missing_folder_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QHELPERS_DATA_DIR", str(tmp_path / "nowhere"))
    with pytest.raises(FileNotFoundError, match=r"no such folder.*unset QHELPERS_DATA_DIR"):
        digits.load()


def test_missing_file_is_named(
    small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small.write(tmp_path)
    (tmp_path / TRAIN_LABELS).unlink()
    monkeypatch.setenv("QHELPERS_DATA_DIR", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"there is no train-labels-idx1-ubyte\.gz in it"):
        digits.load()


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:-1],
        lambda content: b"",
        lambda content: content[:-1] + bytes([content[-1] ^ 1]),
        lambda content: bytes([content[0] ^ 1]) + content[1:],
        lambda content: content[:2],
    ],
)
def test_damaged_file_is_named_with_its_checksum(
    small: Small,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    packed: bool,
    damage: Any,
) -> None:
    small.write(tmp_path, packed)
    path = tmp_path / (TEST if packed else TEST.removesuffix(".gz"))
    path.write_bytes(damage(path.read_bytes()))
    monkeypatch.setenv("QHELPERS_DATA_DIR", str(tmp_path))
    with pytest.raises(ValueError, match="is damaged") as caught:
        digits.load()
    message = str(caught.value)
    assert message.startswith(f"{path} is damaged: the SHA-256 of its content is ")
    if not packed:
        assert hashlib.sha256(path.read_bytes()).hexdigest() in message
    assert digits.FILES[TEST.removesuffix(".gz")] in message
    assert "Replace it" in message
    assert path.exists()


# The cache and the mirrors


def test_download_fills_the_cache_once(
    small: Small, mirror: Mirror, capsys: pytest.CaptureFixture[str]
) -> None:
    assert same(digits.load(), small)
    assert capsys.readouterr() == (
        "Data: MNIST, 6 training and 4 test images (downloaded).\n",
        "",
    )
    assert cached() == small.packed
    asked = len(mirror.asked)
    assert same(digits.load(), small)
    assert "(from the cache)" in capsys.readouterr().out
    assert len(mirror.asked) == asked


def test_only_missing_files_are_downloaded(small: Small, mirror: Mirror) -> None:
    small.write(paths.data_cache())
    missing = TRAIN
    (paths.data_cache() / missing).unlink()
    assert same(digits.load(quiet=True), small)
    assert set(mirror.asked) == {missing, TEST_LABELS}


def test_damaged_file_in_the_cache_is_replaced(
    small: Small, mirror: Mirror, capsys: pytest.CaptureFixture[str]
) -> None:
    small.write(paths.data_cache())
    (paths.data_cache() / TRAIN).write_bytes(small.packed[TRAIN][:-5])
    assert same(digits.load(), small)
    assert f"{TRAIN} in the cache is damaged: not used." in capsys.readouterr().out
    assert cached() == small.packed


def test_damaged_file_in_the_cache_is_not_used_offline(
    small: Small, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("QHELPERS_OFFLINE", "1")
    small.write(paths.data_cache())
    assert same(digits.load(quiet=True), small)
    name = TRAIN
    (paths.data_cache() / name).write_bytes(b"garbage")
    assert digits.load(quiet=True).name == "builtin"
    assert f"{name} in the cache is damaged: not used." in capsys.readouterr().out
    assert name not in cached()
    assert len(cached()) == 3


def test_damaged_file_in_a_cache_for_reading_alone_stays_and_is_not_used(
    small: Small, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(path: Path, missing_ok: bool = False) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setenv("QHELPERS_OFFLINE", "1")
    small.write(paths.data_cache())
    (paths.data_cache() / TRAIN).write_bytes(b"garbage")
    monkeypatch.setattr(Path, "unlink", refused)
    assert digits.load(quiet=True).name == "builtin"
    assert "damaged: not used" in capsys.readouterr().out


def test_second_mirror_steps_in_for_the_first(
    small: Small, mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(digits, "MIRRORS", ("http://127.0.0.1:9/", mirror.url))
    assert same(digits.load(quiet=True), small)


def test_interrupted_download_is_never_used(
    mirror: Mirror, small: Small, capsys: pytest.CaptureFixture[str]
) -> None:
    mirror.cut = True
    assert digits.load().name == "builtin"
    out = capsys.readouterr().out
    assert "no mirror sent train-images-idx3-ubyte whole" in out
    assert all(content == small.packed[name] for name, content in cached().items())
    mirror.cut = False
    assert same(digits.load(quiet=True), small)


def test_other_bytes_of_the_right_length_are_never_used(small: Small, mirror: Mirror) -> None:
    name = TEST
    mirror.files = dict(small.packed)
    mirror.files[name] = bytes(len(small.packed[name]))
    assert digits.load(quiet=True).name == "builtin"
    assert name not in cached()


def test_log_in_page_is_no_mirror(mirror: Mirror, capsys: pytest.CaptureFixture[str]) -> None:
    mirror.page = b"<html>Welcome to the hotel</html>"
    assert digits.load().name == "builtin"
    assert "downloaded: no network." in capsys.readouterr().out
    assert cached() == {}


def test_silent_network_is_given_up_in_time(
    mirror: Mirror, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert digits.PROBE_SECONDS < 9  # leaves a second for the rest
    monkeypatch.setattr(digits, "PROBE_SECONDS", 0.5)
    mirror.silent = True
    begin = time.monotonic()
    assert digits.load().name == "builtin"
    assert time.monotonic() - begin < 5
    assert "downloaded: no network." in capsys.readouterr().out


def test_slow_download_has_a_limit_in_all(
    mirror: Mirror, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert digits.DOWNLOAD_SECONDS == 60
    monkeypatch.setattr(digits, "DOWNLOAD_SECONDS", 1.5)
    mirror.slow = True
    begin = time.monotonic()
    assert digits.load().name == "builtin"
    assert time.monotonic() - begin < 4
    out = capsys.readouterr().out
    assert "downloaded: it takes longer than 2 s." in out
    assert "The built-in digits are used" in out
    assert "QHELPERS_OFFLINE=1" in out


def test_no_network_costs_once_a_day(
    mirror: Mirror, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(digits, "PROBE_SECONDS", 1.2)
    mirror.silent = True
    assert digits.load(quiet=True).name == "builtin"
    asked = len(mirror.asked)
    mirror.silent = False
    assert digits.load(quiet=True).name == "builtin"
    assert len(mirror.asked) == asked
    out = capsys.readouterr().out
    (kept,) = paths.home().glob("no-network-today")
    assert f"earlier today. To try again, delete\n{kept}\n" in out
    kept.write_text("2020-01-01")
    assert digits.load(quiet=True).name == "mnist"


def test_relative_folder_counts_from_the_clone_and_from_where_jupyter_started(
    small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small.write(tmp_path / "data")
    clone, start = tmp_path / "clone", tmp_path / "start"
    for folder in (clone / "notebooks", start):
        folder.mkdir(parents=True)
    monkeypatch.chdir(clone / "notebooks")
    monkeypatch.setenv("QHELPERS_DATA_DIR", "../data")
    with pytest.raises(FileNotFoundError, match="no such folder"):
        digits.load()
    monkeypatch.setenv("PWD", str(start))
    assert same(digits.load(quiet=True), small)
    monkeypatch.delenv("PWD")
    monkeypatch.setattr(paths, "clone", lambda: clone)
    assert same(digits.load(quiet=True), small)


def test_file_that_cannot_be_read_is_said_so(
    small: Small,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    small.write(paths.data_cache())
    small.write(tmp_path / "data")
    monkeypatch.setenv("QHELPERS_OFFLINE", "1")

    def refuse(path: Path) -> bytes:  # root may read everything
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    assert digits.load(quiet=True).name == "builtin"
    assert capsys.readouterr().out.count("is there and cannot be read") == 4
    monkeypatch.setenv("QHELPERS_DATA_DIR", str(tmp_path / "data"))
    with pytest.raises(PermissionError, match=r"gz is there and cannot be read.*chmod"):
        digits.load()


def test_names_that_do_not_resolve_are_given_up_in_time(
    small: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(digits, "PROBE_SECONDS", 0.5)
    hang = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: hang.wait(20))
    monkeypatch.setattr(digits, "MIRRORS", ("http://mirror.invalid/",))
    begin = time.monotonic()
    assert digits.load(quiet=True).name == "builtin"
    assert time.monotonic() - begin < 5
    hang.set()


def test_offline_asks_no_mirror(mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QHELPERS_OFFLINE", "1")
    assert digits.load(quiet=True).name == "builtin"
    assert mirror.asked == []


def test_cache_that_cannot_be_written_is_no_obstacle(
    small: Small,
    mirror: Mirror,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("QHELPERS_HOME", str(tmp_path / "file"))
    assert same(digits.load(), small)
    assert "train-images-idx3-ubyte.gz could not be kept in" in capsys.readouterr().out


FILL = """
import sys
from qhelpers import data as digits
digits.MIRRORS = (sys.argv[1],)
digits.FILES = eval(sys.argv[2])
print(digits.load(quiet=True).source)
"""


def test_two_processes_fill_the_cache_at_once(small: Small, mirror: Mirror) -> None:
    command = [sys.executable, "-c", FILL, mirror.url, repr(digits.FILES)]
    root = Path(digits.__file__).parents[1]
    both = [subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE) for _ in range(2)]
    for process in both:
        out, _ = process.communicate(timeout=60)
        assert process.returncode == 0
        assert out.startswith(b"MNIST, 6 training")
    assert cached() == small.packed


# The real files


@pytest.mark.skipif(not REAL, reason="needs QHELPERS_DATA_DIR")
def test_real_mnist(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QHELPERS_DATA_DIR", str(REAL))
    found = digits.load(quiet=True)
    assert found.train_images.shape == (60000, 28, 28)
    assert found.test_images.shape == (10000, 28, 28)
    # The means and counts that everybody's MNIST has.
    assert found.train_images.mean() / 255 == pytest.approx(0.1307, abs=1e-4)
    assert found.train_images.std() / 255 == pytest.approx(0.3081, abs=1e-4)
    assert np.bincount(found.train_labels)[:3].tolist() == [5923, 6742, 5958]
    assert found.test_labels[:5].tolist() == [7, 2, 1, 0, 4]


# The built-in digits


@pytest.fixture
def builtin(monkeypatch: pytest.MonkeyPatch) -> digits.Digits:
    monkeypatch.setenv("QHELPERS_OFFLINE", "1")
    return digits.load(quiet=True)


def test_builtin_digits_look_like_mnist(builtin: digits.Digits) -> None:
    assert builtin.train_images.shape == (1297, 28, 28)
    assert builtin.test_images.shape == (500, 28, 28)
    assert builtin.train_images.dtype == builtin.train_labels.dtype == np.uint8
    assert builtin.train_images.max() == 255
    frame = builtin.train_images.copy()
    frame[:, 4:-4, 4:-4] = 0
    assert not frame.any()
    for labels in (builtin.train_labels, builtin.test_labels):
        assert (np.bincount(labels, minlength=10) > len(labels) * 0.07).all()
    # The bytes that key every cached model: the same on every machine and version.
    assert builtin.key == "9e2aaac9760c"
    assert builtin.source == (
        "scikit-learn's digits, 1,297 training and 500 test images (built in)"
    )


def test_builtin_test_images_are_not_trained_on(builtin: digits.Digits) -> None:
    train = {image.tobytes() for image in builtin.train_images}
    test = {image.tobytes() for image in builtin.test_images}
    assert not train & test


def test_enlarged_images_equal_linear_interpolation() -> None:
    images = np.random.default_rng(0).integers(0, 17, (5, 8, 8))
    place = (np.arange(20) + 0.5) * 8 / 20 - 0.5

    def enlarge(axis: np.ndarray) -> np.ndarray:
        return np.interp(place, np.arange(8), axis)

    wanted = np.apply_along_axis(enlarge, 1, np.apply_along_axis(enlarge, 2, images)) * 255 / 16
    found = digits._enlarged(images)
    assert found.shape == (5, 28, 28)
    assert np.abs(found[:, 4:-4, 4:-4] - wanted).max() <= 0.5 + 1e-9


# What is made of the images


def test_to_float_is_exact_division() -> None:
    images = np.arange(256, dtype=np.uint8).reshape(1, 16, 16)
    real = digits.to_float(images)
    assert real.dtype == np.float32
    assert np.array_equal(real, (images.astype(np.float64) / 255).astype(np.float32))


@pytest.mark.parametrize("function", ["to_float", "representative"])
def test_floats_are_refused(function: str) -> None:
    with pytest.raises(ValueError, match="images must be uint8, 0 to 255; got float32"):
        getattr(digits, function)(np.zeros((200, 28, 28), np.float32))


def test_representative_images_are_the_first_ones(builtin: digits.Digits) -> None:
    images = builtin.train_images
    assert np.array_equal(digits.representative(images), digits.to_float(images[:100]))
    assert digits.representative(images, 7).shape == (7, 28, 28)
