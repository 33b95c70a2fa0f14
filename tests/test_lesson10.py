"""Lesson 10: the files and what the network reads of them, rounding, cells without the extra."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from qhelpers.lessons.lesson10 import exercises, files, network


def test_a_short_file_stands_at_both_ends(tmp_path: Path) -> None:
    path = tmp_path / "short"
    path.write_bytes(b" \n" + bytes(range(65, 91)) + b"\t ")
    found = files.features(path)
    assert found.shape == (2048,)
    letters = list(range(65, 91))
    assert found[:28].tolist() == [*letters, 9, 32]  # white space goes at the outer end alone
    assert found[-28:].tolist() == [32, 10, *letters]
    assert (found[28:-28] == 256).all()


def test_a_long_file_gives_its_first_and_last_bytes(tmp_path: Path) -> None:
    content = np.random.default_rng(0).integers(33, 127, 9000).astype(np.uint8)
    path = tmp_path / "long"
    path.write_bytes(content.tobytes())
    assert files.features(path).tolist() == [*content[:1024], *content[-1024:]]


def test_the_features_are_those_of_magika(tmp_path: Path) -> None:
    magika = pytest.importorskip("magika.magika")
    seekable = pytest.importorskip("magika.types.seekable")
    random = np.random.default_rng(1)
    for size in (8, 1000, 1500, 4096, 5000, 20_000):
        path = tmp_path / f"{size}"
        path.write_bytes(b"  " + random.integers(0, 256, size).astype(np.uint8).tobytes() + b"\n")
        with path.open("rb") as stream:
            extract = magika.Magika._extract_features_from_seekable
            wanted = extract(seekable.Seekable(stream), 1024, 0, 1024, 256, 4096, False)
        assert files.features(path).tolist() == [*wanted.beg, *wanted.end]


def test_the_files_are_many_readable_and_always_the_same() -> None:
    found = files.pick(300)
    assert found == files.pick(300)
    assert len(set(found)) == len(found) > 150
    suffixes = [path.suffix.lower() for path in found]
    assert max(map(suffixes.count, set(suffixes))) <= 8
    assert len({files.features(path).tobytes() for path in found}) == len(found)


def test_rounding_is_nearest_within_the_range() -> None:
    real = np.linspace(-30, 30, 1001)
    levels = (np.arange(-128, 128) - 7) * 0.1
    nearest = np.abs(real[:, None] - levels).min(axis=1)
    assert np.allclose(np.abs(real - exercises.rounded(real, 0.1, 7)), nearest)


def test_without_the_network_only_exercises_run() -> None:
    assert network.instead(["x = 1\n"]) == ['print("not run here")\n']
    kept = ["answer = ...\n", 'exercises.check("10.1", answer)']
    assert network.instead(kept) == kept


def test_what_is_missing_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(network.importlib.util, "find_spec", lambda name: None)
    assert not network.ready()
    said = capsys.readouterr().out
    assert "magika, onnx, onnxruntime" in said
    assert "[real]" in said


def test_tensors_have_the_names_of_their_parts() -> None:
    name = "jax2tf_get_logits_/pjit_get_logits_/MagikaV2/LayerNorm_0/Square:0"
    assert network.short(name) == "norm 1/Square"
