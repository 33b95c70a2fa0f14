from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from qhelpers.data import Digits
from qhelpers.evaluation import metrics, scorecard


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("QHELPERS_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def digits() -> Digits:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (20, 28, 28), np.uint8)
    labels = np.arange(20, dtype=np.uint8) % 10
    return Digits("tiny", "20 images of noise", images, labels, images, labels, "0123456789ab")


def _row(digits: Digits, name: str = "float32", bytes_: int = 8000, **changes) -> scorecard.Row:
    outputs = np.eye(10)[digits.test_labels]
    facts = {
        "content": bytes(bytes_),
        "outputs": outputs,
        "reference_outputs": outputs,
        "digits": digits,
        "lesson": 1,
        "latency": metrics.Latency(1e-5, 1.5, 1.25, 1.75),
        "reference_content": bytes(8000),
    }
    return scorecard.row(name, **{**facts, **changes})


def test_row_counts_right_answers_and_flips(digits: Digits) -> None:
    outputs = np.eye(10)[digits.test_labels]
    wrong = outputs.copy()
    wrong[:3] = np.roll(wrong[:3], 1, axis=1)
    row = _row(digits, "int8", outputs=wrong)
    assert (row.correct, row.n, row.flips) == (17, 20, 3)
    assert (row.data_key, row.lesson, row.bytes) == ("0123456789ab", 1, 8000)
    assert row.file_sha == row.reference_sha == hashlib.sha256(bytes(8000)).hexdigest()[:12]
    assert row.latency_ratio == 1.5


def test_rows_survive_and_are_ordered(digits: Digits, home: Path) -> None:
    rows = [
        _row(digits, name, 2000 + i if name != "float32" else 8000)
        for i, name in enumerate(["zoo", "int16x8", "int8", "my model", "float32", "dynamic_range"])
    ]
    paths = [scorecard.add(row) for row in rows]
    assert len(set(paths)) == 6
    assert all(path.parent == home / "scorecards" / digits.key for path in paths)
    card = scorecard.Scorecard.load(digits)
    names = ["float32", "dynamic_range", "int8", "int16x8", "my model", "zoo"]
    assert [row.model for row in card.rows] == names
    assert sorted(card.rows, key=str) == sorted(rows, key=str)
    assert card.notes == []


def test_a_name_has_one_row(digits: Digits) -> None:
    scorecard.add(_row(digits, bytes_=1))
    scorecard.add(_row(digits, bytes_=8000))
    scorecard.add(_row(digits, "a b"))
    scorecard.add(_row(digits, "a_b"))
    card = scorecard.Scorecard.load(digits)
    assert [(row.model, row.bytes) for row in card.rows] == [
        ("float32", 8000),
        ("a b", 8000),
        ("a_b", 8000),
    ]


def test_names_cannot_leave_the_folder(digits: Digits, home: Path) -> None:
    path = scorecard.add(_row(digits, "../../escape"))
    assert path.parent == home / "scorecards" / digits.key


def test_other_data_has_another_card(digits: Digits) -> None:
    scorecard.add(_row(digits))
    other = dataclasses.replace(digits, key="ba9876543210")
    assert scorecard.Scorecard.load(other).rows == []


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[: len(content) // 2],
        lambda content: b"\xff\xfe",
        lambda content: b"[]",
        lambda content: content.replace(b'"flips": 0', b'"flips": "none"'),
        lambda content: content.replace(b'"correct": 20', b'"correct": 2000'),
        lambda content: content.replace(b"0123456789ab", b"ba9876543210"),
        lambda content: content.replace(b'"bytes": 8000', b'"bytes": 0'),
    ],
)
def test_damaged_rows_are_left_out_with_a_note(digits: Digits, damage) -> None:
    scorecard.add(_row(digits))
    path = scorecard.add(_row(digits, "int8"))
    content = path.read_bytes()
    path.write_bytes(damage(content))
    assert path.read_bytes() != content
    card = scorecard.Scorecard.load(digits)
    assert [row.model for row in card.rows] == ["float32"]
    assert "damaged or of an older version of the course: int8.json" in card.notes[0]
    assert "int8.json" in card.text()


def test_rows_of_an_older_version_share_one_note(digits: Digits) -> None:
    for name in ("int8", "float16"):
        path = scorecard.add(_row(digits, name))
        old = json.loads(path.read_bytes())
        del old["lesson"]
        path.write_text(json.dumps(old | {"stored": "int8 weights"}))
    card = scorecard.Scorecard.load(digits, upto=0)
    assert card.rows == []
    assert len(card.notes) == 1
    assert "float16.json, int8.json" in card.notes[0]


def test_a_lesson_s_card_holds_no_later_row(digits: Digits) -> None:
    for number, name in enumerate(["float32", "dynamic_range", "int8"], start=1):
        scorecard.add(_row(digits, name, lesson=number))
    scorecard.add(_row(digits, "other", lesson=3, reference_content=b"stale", reference="float32"))
    card = scorecard.Scorecard.load(digits, upto=2)
    assert [row.model for row in card.rows] == ["float32", "dynamic_range"]
    assert card.notes == []
    assert len(scorecard.Scorecard.load(digits).rows) == 3


def test_a_row_stays_the_first_lesson_s(digits: Digits) -> None:
    for number in (3, 1, 9):
        scorecard.add(_row(digits, lesson=number, bytes_=8000))
    assert [row.lesson for row in scorecard.Scorecard.load(digits).rows] == [1]


def test_a_row_keeps_the_time_of_the_same_file_and_no_other(digits: Digits) -> None:
    for content, ratio in ((bytes(8000), 1.5), (b"retrained", None)):
        scorecard.add(_row(digits, "int8"))
        scorecard.add(_row(digits, "int8", content=content, latency=None))
        assert [row.latency_ratio for row in scorecard.Scorecard.load(digits).rows] == [ratio]


def test_rows_against_another_float32_are_stale(digits: Digits) -> None:
    scorecard.add(_row(digits))
    scorecard.add(_row(digits, "int8"))
    scorecard.add(_row(digits, "float32", content=b"retrained", reference_content=None))
    card = scorecard.Scorecard.load(digits)
    assert [row.model for row in card.rows] == ["float32"]
    assert "int8 left out" in card.notes[0]


def test_text_holds_the_figures_and_fits(digits: Digits) -> None:
    reference = bytes(84_000)
    scorecard.add(_row(digits, "float32", 84_000, reference_content=None))
    scorecard.add(_row(digits, "dynamic_range", 25_000, reference_content=reference))
    text = scorecard.Scorecard.load(digits).text()
    line = next(line for line in text.splitlines() if line.startswith("dynamic_range"))
    for part in ("25,000", "3.36x", "100.00 [83.9, 100.0]", "0", "1.5x slower"):
        assert part in line
    assert "20 images of noise; n = 20." in text
    assert metrics.cpu_name() in " ".join(text.split())
    assert "1 thread." in " ".join(text.split())
    assert max(map(len, text.splitlines())) <= 78


def test_columns_line_up_with_wide_letters(digits: Digits) -> None:
    scorecard.add(_row(digits, "模型"))
    scorecard.add(_row(digits, "e\u0301te\u0301"))
    lines = scorecard.Scorecard.load(digits).text().splitlines()
    columns = {}
    for line in lines[2:4]:
        before = line[: line.index("8,000")]
        columns[before[0]] = sum({"模": 2, "型": 2, "\u0301": 0}.get(c, 1) for c in before)
    assert len(set(columns.values())) == 1
    assert len(columns) == 2


def test_pytorch_is_compared_with_its_own_float32(digits: Digits) -> None:
    name = "pytorch float32"
    pytorch = {"reference": name, "reference_content": bytes(4000)}
    scorecard.add(_row(digits))
    scorecard.add(_row(digits, name, 4000, **pytorch))
    scorecard.add(_row(digits, "pytorch int8", 1000, **pytorch))
    text = scorecard.Scorecard.load(digits).text()
    line = next(line for line in text.splitlines() if line.startswith("pytorch int8"))
    assert "4.00x" in line
    assert "Compared with pytorch float32: pytorch int8." in text


def test_without_reference_or_latency_there_is_a_dash(digits: Digits) -> None:
    scorecard.add(_row(digits, "int8", latency=None))
    card = scorecard.Scorecard.load(digits)
    assert card.text().splitlines()[2].count("–") == 2
    assert card.rows[0].latency_ratio is None


def test_html_is_escaped_and_accessible(digits: Digits) -> None:
    scorecard.add(_row(digits, "<script>alert(1)</script>"))
    page = scorecard.Scorecard.load(digits)._repr_html_()
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert page.count('<th scope="col"') == 6
    assert page.count("<td") == 6
    assert "<caption" in page


def test_an_empty_card_is_a_table_without_rows(digits: Digits) -> None:
    card = scorecard.Scorecard.load(digits)
    text = card.text()
    assert repr(card) == text
    assert text.startswith("model")
    assert len(text.splitlines()) == 4


class _FakeModel:
    """Answers with labels; some of them turned."""

    def __init__(self, labels: np.ndarray, turned: int, size: int) -> None:
        self.content, self.threads, self.runs = bytes(size), 1, 0
        self._outputs = np.eye(10, dtype=np.float32)[labels]
        self._outputs[:turned] = np.roll(self._outputs[:turned], 1, axis=1)

    def predict(self, images: np.ndarray) -> np.ndarray:
        assert images.dtype == np.float32
        assert images.max() <= 1
        self.runs += 1
        return self._outputs

    def single(self, image: np.ndarray):
        return lambda: None


def test_lesson_measures_stores_and_returns_its_rows(digits: Digits) -> None:
    full, small = (_FakeModel(digits.test_labels, *a) for a in ((1, 4000), (3, 1000)))
    scorecard.lesson({"float32": full, "float16": full}, digits, upto=4)
    full.runs = 0
    card = scorecard.lesson({"float32": full, "int8": small}, digits, upto=3)
    assert (full.runs, small.runs) == (1, 1)
    assert [(r.model, r.correct, r.flips) for r in card.rows] == [
        ("float32", 19, 0),
        ("int8", 17, 2),
    ]
    assert [r.model for r in scorecard.Scorecard.load(digits).rows] == [
        *("float32", "int8", "float16")
    ]
    assert card.rows[0].latency_ratio == 1.0
    known = {"int8": full.predict(np.zeros(1, "f"))}
    given = scorecard.lesson({"float32": full, "int8": small}, digits, outputs=known, upto=3)
    assert given.rows[1].flips == 0
    assert small.runs == 1


def test_lesson_keeps_no_floats_of_all_images_at_once() -> None:
    """MNIST's test images are 31 MB of floats. An answer is 0 where the first pixel is bright."""
    images = np.random.default_rng(0).integers(0, 256, (2100, 28, 28), np.uint8)
    labels = np.zeros(2100, np.uint8)
    digits = Digits("many", "many", images, labels, images, labels, "0123456789ab")
    sizes: list[int] = []

    class Summing(_FakeModel):
        def predict(self, images: np.ndarray) -> np.ndarray:
            sizes.append(len(images))
            return np.stack([images[:, 0, 0], np.full(len(images), 0.5)], axis=1)

    card = scorecard.lesson({"float32": Summing(labels, 1, 4000)}, digits, upto=3)
    assert max(sizes) <= 1000
    expected = (images[:, 0, 0] > 127).sum()
    assert (card.rows[0].n, card.rows[0].correct) == (2100, expected)


@pytest.mark.parametrize(
    ("ratio", "words"),
    [(3.44, "3.4x slower"), (0.5, "2.0x faster"), (1.05, "the same"), (0.95, "the same")],
)
def test_a_time_says_its_direction(ratio: float, words: str) -> None:
    assert scorecard.speed(ratio) == words
