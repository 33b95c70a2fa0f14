"""The course's rows: kept while the file is the same, measured where it is not."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qhelpers import keras_cnn
from qhelpers.data import Digits
from qhelpers.evaluation import metrics, scorecard
from qhelpers.lessons.lesson09 import all_models, own_process, torch_rows
from qhelpers.tflite.litert import RECIPES, LiteModel


@pytest.fixture(scope="module")
def digits() -> Digits:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (400, 28, 28), np.uint8)
    labels = np.arange(400, dtype=np.uint8) % 10
    return Digits("tiny", "noise", images, labels, images[:40], labels[:40], "0123456789ab")


@pytest.fixture(scope="module")
def contents(digits: Digits) -> dict[str, bytes]:
    def untrained(digits: Digits, variant: str = "plain", show: bool = True) -> Any:
        return keras_cnn.build(use_bias=variant == "plain")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keras_cnn, "trained", untrained)
        return all_models.files(digits)


def test_eight_files_of_two_networks(contents: dict[str, bytes]) -> None:
    assert list(contents) == [*RECIPES, *all_models.DARK]
    assert len(set(contents.values())) == 8
    dark = LiteModel(contents["dark float32"])
    assert not any(dark.value(t.index).any() for t in dark.constants() if "bias" in t.name.lower())


def test_rows_are_measured_once(digits: Digits, contents: dict[str, bytes]) -> None:
    assert set(all_models.refresh(digits, contents).values()) == {"measured"}
    card = scorecard.Scorecard.load(digits)
    assert {row.model for row in card.rows} == set(contents)
    for row in card.rows:
        assert row.file_sha == LiteModel(contents[row.model]).sha
        assert row.n == 40
    outputs = LiteModel(contents["int16x8"]).predict(digits.test_images / np.float32(255))
    right = (outputs.argmax(1) == digits.test_labels).sum()
    assert {row.model: row.correct for row in card.rows}["int16x8"] == right
    assert set(all_models.refresh(digits, contents).values()) == {"kept"}


@pytest.mark.parametrize(
    "change",
    [
        {"file_sha": "0" * 12},
        {"reference_sha": "0" * 12},
        {"cpu": "another processor"},
    ],
)
def test_a_stale_row_is_measured_again(
    change: dict[str, str], digits: Digits, contents: dict[str, bytes]
) -> None:
    all_models.refresh(digits, contents)
    honest = {row.model: row for row in scorecard.Scorecard.load(digits).rows}["dark int8"]
    path = scorecard.add(dataclasses.replace(honest, correct=honest.n, **change))
    done = all_models.refresh(digits, contents)
    assert [name for name, what in done.items() if what == "measured"] == ["dark int8"]
    found = {r.model: r for r in scorecard.Scorecard.load(digits).rows}["dark int8"]
    assert (found.correct, found.file_sha) == (honest.correct, honest.file_sha)
    assert found.cpu == metrics.cpu_name()
    path.write_text("damaged")
    assert all_models.refresh(digits, contents)["dark int8"] == "measured"


def test_make_reads_what_the_other_process_wrote(
    digits: Digits, own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = {"float32": "kept", "dark int8": "measured"}

    def run(module: str, data: Digits, label: str, steps: int) -> dict[str, str]:
        assert module == "qhelpers.lessons.lesson09.all_models"
        folder = own_home / "files" / data.key
        folder.mkdir(parents=True)
        for name in done:
            (folder / f"{name.replace(' ', '_')}.tflite").write_bytes(name.encode())
        return done

    monkeypatch.setattr(own_process, "run", run)
    assert all_models.make(digits) == ({name: name.encode() for name in done}, done)


MODULE = """
from qhelpers.lessons.lesson09 import own_process
import os, sys
print("first", flush=True)
{body}
"""
KEY = "data = type('D', (), dict(key='0123456789ab')); own_process.answer(data, dict(a='kept'))"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (KEY, ""),
        (KEY.replace("0123", "3210"), "loaded other digits"),
        ("raise OSError('no room')", "status 1: OSError: no room"),
        ("sys.exit(3)", "status 3: it said nothing"),
        ("", "status 0: it said nothing"),
        (f"{KEY}; sys.stderr.write('x' * 200_000)", ""),
    ],
)
def test_a_process_of_its_own(
    body: str,
    message: str,
    digits: Digits,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "other_module.py").write_text(MODULE.format(body=body))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    if message:
        with pytest.raises(RuntimeError, match=message):
            own_process.run("other_module", digits, "label", steps=1)
    else:
        assert own_process.run("other_module", digits, "label", steps=1) == {"a": "kept"}


def test_without_pytorch_there_are_no_rows(digits: Digits, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch_rows.importlib.util, "find_spec", lambda name: None)
    assert torch_rows.refresh(digits) == {}


def test_rows_without_labels_or_classes_survive(digits: Digits) -> None:
    outputs = np.eye(10)[digits.test_labels]
    row = scorecard.row("float32", digits, b"content", outputs, outputs, lesson=1)
    scorecard.add(dataclasses.replace(row, correct=None, flips=None))
    card = scorecard.Scorecard.load(digits)
    assert (card.rows[0].correct, card.rows[0].flips) == (None, None)
    assert card.notes == []
    assert "–" in card.text()
