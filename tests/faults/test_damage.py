"""Damaged caches of every kind: refused in a line, made anew, and a pickle is never loaded."""

from __future__ import annotations

import io
import json
import pickle
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qhelpers import data, keras_cnn, paths
from qhelpers.data import Digits
from qhelpers.evaluation import scorecard


class Trap:
    """Makes a file when it is unpickled."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.file,)


def npz(*arrays: Any) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, *arrays)
    return stream.getvalue()


@pytest.fixture
def trap(tmp_path: Path) -> Iterator[Trap]:
    file = tmp_path / "a pickle was loaded"
    yield Trap(file)
    assert not file.exists()


@pytest.fixture(scope="module")
def network(digits: Digits, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, bytes]:
    """Train once: the name of the cached file, and its bytes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("QHELPERS_HOME", str(tmp_path_factory.mktemp("once")))
        keras_cnn.trained(digits)
        (path,) = (paths.home() / "models").iterdir()
        return path.name, path.read_bytes()


def arrays(content: bytes) -> list[np.ndarray]:
    with np.load(io.BytesIO(content)) as kept:
        return [kept[name] for name in kept.files]


DAMAGES: dict[str, Callable[[bytes, Trap], bytes]] = {
    "zero bytes": lambda content, trap: b"",
    "zeros": lambda content, trap: bytes(len(content)),
    "a truncated zip": lambda content, trap: content[: len(content) // 2],
    "a flipped bit": lambda content, trap: content[:999] + b"\x55" + content[1000:],
    "a list": lambda content, trap: npz([a.tolist() for a in arrays(content)][-1]),
    "a list of lists": lambda content, trap: npz(
        np.array([a.tolist() for a in arrays(content)], object)
    ),
    "NaN weights": lambda content, trap: npz(*(a * np.nan for a in arrays(content))),
    "infinite weights": lambda content, trap: npz(*(a + np.inf for a in arrays(content))),
    "words": lambda content, trap: npz(*(a.astype(str) for a in arrays(content))),
    "another network": lambda content, trap: npz(*(a[..., :-1] for a in arrays(content))),
    "a network without biases": lambda content, trap: npz(*arrays(content)[::2]),
    "one array": lambda content, trap: content[: content.index(b"PK", 2)][60:],
    "a pickle": lambda content, trap: pickle.dumps(trap),
    "a pickle in a zip": lambda content, trap: npz(np.array([trap], object)),
}


@pytest.mark.parametrize("damage", [*DAMAGES, "a folder"])
def test_a_damaged_network_is_trained_anew(
    digits: Digits,
    network: tuple[str, bytes],
    trap: Trap,
    damage: str,
    capsys: pytest.CaptureFixture[str],
    figure: Callable[[str], None],
) -> None:
    name, content = network
    path = paths.writable(paths.home() / "models") / name
    if damage == "a folder":
        path.mkdir()
    else:
        path.write_bytes(DAMAGES[damage](content, trap))
    begin = time.monotonic()
    net = keras_cnn.trained(digits)
    seconds = time.monotonic() - begin
    assert all(map(np.array_equal, net.get_weights(), arrays(content)))
    out = capsys.readouterr().out
    if damage == "a folder":
        first, second = out.splitlines()
        assert "is there and cannot be read (Is a directory): not used." in first
        assert second.startswith(f"{name} could not be kept in ")
        assert second.endswith("The lesson goes on.")
    else:
        assert out == f"The cached network {name} is damaged: training it again.\n"
        assert all(map(np.array_equal, arrays(path.read_bytes()), arrays(content)))
    figure(f"damaged network, {damage}: refused, the same network {seconds:.1f} s later")


IMAGES = "train-images-idx3-ubyte.gz"
FILES: dict[str, Callable[[Trap], bytes]] = {
    "zero bytes": lambda trap: b"",
    "the head of a zip": lambda trap: b"\x1f\x8b",
    "a truncated zip": lambda trap: data.gzip.compress(bytes(1000))[:-9],
    "another file": lambda trap: data.gzip.compress(bytes(1000)),
    "a web page": lambda trap: b"<html>Please log in</html>",
    "a pickle": lambda trap: pickle.dumps(trap),
}


@pytest.mark.parametrize("damage", [*FILES, "a folder"])
def test_damaged_images_are_not_used(
    trap: Trap, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = paths.writable(paths.data_cache()) / IMAGES
    if damage == "a folder":
        path.mkdir()
    else:
        path.write_bytes(FILES[damage](trap))
    assert data.load(quiet=True).name == "builtin"
    (line,) = capsys.readouterr().out.splitlines()
    assert IMAGES in line
    assert line.endswith("not used.")
    assert path.is_dir() or not path.exists()


def test_images_damaged_at_random_are_an_error_that_says_so() -> None:
    dice = np.random.default_rng(0)
    whole = data.gzip.compress(dice.integers(0, 9, 500, np.uint8).tobytes())
    for end in range(len(whole)):
        flipped = bytearray(whole)
        flipped[end] ^= 1 << int(dice.integers(8))
        for content in (whole[:end], bytes(flipped)):
            with pytest.raises(ValueError, match="is damaged: the SHA-256"):
                data._unpacked(content, "t10k-labels-idx1-ubyte", "file")


ROWS: dict[str, Callable[[dict[str, Any], Trap], bytes]] = {
    "zero bytes": lambda row, trap: b"",
    "cut": lambda row, trap: json.dumps(row).encode()[:-1],
    "bytes that are no text": lambda row, trap: b"\xff\xfe\x00",
    "a list": lambda row, trap: json.dumps(list(row.values())).encode(),
    "brackets without end": lambda row, trap: b"[" * 100_000,
    "not a number": lambda row, trap: json.dumps(row | {"latency_ratio": float("nan")}).encode(),
    "a text for a number": lambda row, trap: json.dumps(row | {"n": "many"}).encode(),
    "a list for a text": lambda row, trap: json.dumps(row | {"model": ["int8"]}).encode(),
    "other data": lambda row, trap: json.dumps(row | {"data_key": "0" * 12}).encode(),
    "a pickle": lambda row, trap: pickle.dumps(trap),
}


@pytest.mark.parametrize("damage", [*ROWS, "a folder"])
def test_a_damaged_row_is_left_out_and_measured_anew(
    digits: Digits, trap: Trap, damage: str
) -> None:
    outputs = np.eye(10, dtype=np.float32)[digits.test_labels]
    row = scorecard.row("int8", digits, b"file", outputs, outputs, lesson=3)
    path = scorecard.add(row)
    fields = json.loads(path.read_bytes())
    path.unlink()
    if damage == "a folder":
        path.mkdir()
    else:
        path.write_bytes(ROWS[damage](fields, trap))
    card = scorecard.Scorecard.load(digits)
    assert card.rows == []
    assert "int8.json. Run their lessons again." in card.notes[0]
    scorecard.add(row)
    assert [found.model for found in scorecard.Scorecard.load(digits).rows] == ["int8"]
