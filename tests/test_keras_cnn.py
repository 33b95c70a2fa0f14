from __future__ import annotations

import errno
import itertools
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from qhelpers import data as digits
from qhelpers import keras_cnn, paths
from qhelpers.lessons.lesson09 import example
from qhelpers.tflite import conversion, litert


@pytest.fixture(scope="module")
def data() -> Iterator[digits.Digits]:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("QHELPERS_DATA_DIR", raising=False)
        yield digits._builtin()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Learn nothing where only the way of the file is the question: see `shift`."""
    calls = itertools.count(1)
    monkeypatch.setattr(keras_cnn, "train", lambda model, *_, **__: shift(model, next(calls)))


def shift(model: Any, by: int) -> Any:
    """Give a network weights that no build has: "trained" for the first, the second ... time."""
    model.set_weights([array + by for array in model.get_weights()])
    return model


def models() -> list[Path]:
    folder = paths.home() / "models"
    return sorted(folder.iterdir()) if folder.is_dir() else []


def equal(first: Any, second: Any) -> bool:
    one, other = keras_cnn.weights(first), keras_cnn.weights(second)
    return one.keys() == other.keys() and all(np.array_equal(one[n], other[n]) for n in one)


def logits(model: Any, images: np.ndarray) -> np.ndarray:
    return np.asarray(model(images, training=False))


def test_network_is_the_one_of_the_course() -> None:
    model = keras_cnn.build()
    names = [layer.name for layer in model.layers]
    assert names == ["reshape", "conv", "pool", "flatten", "logits"]
    assert model.count_params() == 20_410
    shapes = {name: array.shape for name, array in keras_cnn.weights(model).items()}
    assert shapes == {
        "conv/kernel": (3, 3, 1, 12),
        "conv/bias": (12,),
        "logits/kernel": (2028, 10),
        "logits/bias": (10,),
    }
    assert all(array.dtype == np.float32 for array in keras_cnn.weights(model).values())
    assert model.input_shape == (None, 28, 28)


def test_without_biases_half_the_light_gives_half_the_logits(data: digits.Digits) -> None:
    model = keras_cnn.build(use_bias=False)
    assert list(keras_cnn.weights(model)) == ["conv/kernel", "logits/kernel"]
    images = digits.to_float(data.test_images[:5])
    assert np.array_equal(logits(model, images / 2), logits(model, images) / 2)


@pytest.mark.parametrize(
    ("images", "wanted"),
    [(60_000, (5, 256)), (10_000, (5, 256)), (1_297, (30, 32)), (32, (1200, 32)), (1, (1200, 32))],
)
def test_plan(images: int, wanted: tuple[int, int]) -> None:
    assert keras_cnn.plan(images) == wanted


def test_training_depends_on_nothing_that_ran_before(
    data: digits.Digits, monkeypatch: pytest.MonkeyPatch
) -> None:
    import keras

    monkeypatch.setattr(keras_cnn, "plan", lambda _: (2, 64))
    images, labels = data.train_images[:300], data.train_labels[:300]
    first = keras_cnn.build()
    keras_cnn.train(first, images, labels)
    keras.utils.set_random_seed(7)
    keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    second = keras_cnn.build()
    assert not equal(first, second)
    keras_cnn.train(second, digits.to_float(images), labels)
    assert equal(first, second)


def test_trained_network_reads_the_digits(
    data: digits.Digits, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    keras_cnn.build()
    capfd.readouterr()  # TensorFlow's first lines
    model = keras_cnn.trained(data)
    assert capfd.readouterr() == ("", "")
    outputs = logits(model, digits.to_float(data.test_images))
    assert (outputs.argmax(1) == data.test_labels).mean() >= 0.95
    assert [path.suffix for path in models()] == [".npz"]
    monkeypatch.setattr(keras_cnn, "train", None)  # calling it would raise
    assert equal(keras_cnn.trained(data), model)


def test_unbiased_variant_has_no_biases_and_a_file_of_its_own(
    data: digits.Digits, quick: None
) -> None:
    unbiased = keras_cnn.trained(data, use_bias=False)
    keras_cnn.trained(data)
    assert list(keras_cnn.weights(unbiased)) == ["conv/kernel", "logits/kernel"]
    assert len(models()) == 2


def test_key_holds_data_versions_and_variant(
    data: digits.Digits, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    keras_cnn.trained(data)
    (path,) = models()
    assert data.key in path.name
    assert "plain" in path.name
    monkeypatch.setattr(paths, "versions", lambda *packages: "-".join(packages) + "-9")
    keras_cnn.trained(data)
    assert len(models()) == 2


@pytest.mark.parametrize("damage", ["truncated", "empty", "garbage", "bit", "other", "nan"])
def test_damaged_file_is_reported_and_replaced(
    data: digits.Digits, quick: None, capsys: pytest.CaptureFixture[str], damage: str
) -> None:
    good = keras_cnn.trained(data)
    (path,) = models()
    content = bytearray(path.read_bytes())
    arrays = good.get_weights()
    if damage == "other":
        np.savez(path, *arrays[:2])
    elif damage == "nan":
        np.savez(path, *(array * np.nan for array in arrays))
    else:
        content[len(content) // 2] ^= 1
        damaged = {"truncated": content[:-100], "empty": b"", "garbage": b"no model"}
        path.write_bytes(damaged.get(damage, content))
    again = keras_cnn.trained(data)
    assert equal(again, shift(keras_cnn.build(), 2))
    out = capsys.readouterr().out
    assert out == f"The cached network {path.name} is damaged: training it again.\n"
    assert equal(keras_cnn.trained(data), again)
    assert capsys.readouterr().out == ""


def test_interrupted_training_leaves_nothing(
    data: digits.Digits, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(keras_cnn, "train", interrupt)
    with pytest.raises(KeyboardInterrupt):
        keras_cnn.trained(data)
    assert models() == []


def test_interrupted_writing_leaves_nothing(
    data: digits.Digits, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        keras_cnn.trained(data)
    assert models() == []


def test_two_that_train_at_once_leave_one_whole_file(
    data: digits.Digits, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    train = keras_cnn.train
    others: list[Any] = []

    def race(*arguments: Any, **options: Any) -> Any:
        if not others:
            others.append(None)
            others[0] = keras_cnn.trained(data)
        return train(*arguments, **options)

    monkeypatch.setattr(keras_cnn, "train", race)
    last = keras_cnn.trained(data)
    assert not equal(last, others[0])
    assert len(models()) == 1
    assert equal(keras_cnn.trained(data), last)


def test_unwritable_cache_is_said_before_training(
    data: digits.Digits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("QHELPERS_HOME", str(tmp_path / "file"))
    monkeypatch.setattr(keras_cnn, "train", None)
    with pytest.raises(PermissionError, match="Set QHELPERS_HOME"):
        keras_cnn.trained(data)


@pytest.mark.parametrize("what", ["full disk", "folder"])
def test_a_model_that_cannot_be_kept_is_not_lost(
    data: digits.Digits,
    quick: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    what: str,
) -> None:
    keras_cnn.trained(data)
    (path,) = models()
    path.unlink()
    if what == "folder":
        path.mkdir()
    else:

        def full(*_: Any) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(keras_cnn.paths, "write_atomically", full)
    assert equal(keras_cnn.trained(data), shift(keras_cnn.build(), 2))
    out = capsys.readouterr().out
    assert f"{path.name} could not be kept in {path.parent}" in out
    assert ("cannot be read" in out) == (what == "folder")


def test_missing_framework_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    with pytest.raises(ImportError, match=r'pip install -e "\.\[tensorflow\]"'):
        keras_cnn.build()


def test_a_fit_of_ones_own_is_kept_apart(data: digits.Digits) -> None:
    fitted: list[Any] = []

    def fit(model: Any) -> None:
        model.layers[-1].bias.assign(np.full(10, 7.0))
        fitted.append(model)

    first = keras_cnn.trained(data, fit=fit)
    assert equal(first, fitted[0])
    assert equal(first, keras_cnn.trained(data, fit=fit))
    assert len(fitted) == 1, "the cache has it"
    assert not equal(first, keras_cnn.trained(data)), "other lessons train their own"

    def changed(model: Any) -> None:
        fitted.append(model)

    keras_cnn.trained(data, fit=changed)
    assert len(fitted) == 2, "another source text: run again"
    kept = sorted((paths.home() / "models").iterdir())
    keras_cnn.trained(data, fit=fitted.append)
    keras_cnn.trained(data, fit=fitted.append)
    assert sorted((paths.home() / "models").iterdir()) == kept, "nothing that nobody can find"
    assert len(fitted) == 4, "no source text: run each time"


def test_the_fit_that_lesson_01_shows_gives_the_weights_of_train(
    data: digits.Digits, monkeypatch: pytest.MonkeyPatch
) -> None:
    import keras
    from course_files import code_cells, read

    shown = [c.source for c in code_cells(read("01_float32")) if "def " in c.source]
    monkeypatch.setattr(keras_cnn, "plan", lambda _: (2, 32))
    few = SimpleNamespace(
        train_images=data.train_images[:320], train_labels=data.train_labels[:320]
    )
    names: dict[str, Any] = {
        "np": np,
        "keras": keras,
        "data": digits,
        "digits": few,
        "keras_cnn": keras_cnn,
        "test_images": digits.to_float(data.test_images[:64]),
        "test_labels": data.test_labels[:64],
    }
    for source in shown:
        if "def fit" in source:
            exec(source, names)
    theirs, ours = keras_cnn.build(), keras_cnn.build()
    names["fit"](theirs)
    keras_cnn.train(ours, few.train_images, few.train_labels)
    assert equal(theirs, ours)


def test_rows_of_later_lessons_keep_the_float_file_around_the_rounded_weights(
    data: digits.Digits,
) -> None:
    import ml_dtypes

    model = keras_cnn.build()
    float32 = conversion.convert(model, "float32")
    kernel, bias, matrix, last = model.get_weights()
    shown = digits.to_float(data.test_images)
    logits = litert.LiteModel(float32).predict(shown)
    int4, fp8 = example.of_later_lessons(float32, model, data)
    blocks = 10 * 64  # of 32 weights; the last holds 20 zeros
    assert int4.bytes == len(float32) - 4 * 20_280 + blocks * (32 // 2 + 2)
    assert fp8.bytes == len(float32) - 4 * 20_280 + blocks * (32 + 1)

    wide = np.pad(matrix.T, ((0, 0), (0, 20))).reshape(-1, 32)
    powers = 2.0 ** (np.floor(np.log2(np.abs(wide).max(1, keepdims=True))) - 8)
    eight = np.clip(wide / powers, -448, 448).astype(ml_dtypes.float8_e4m3fn)
    rounded = (eight.astype(np.float32) * powers).reshape(10, -1)[:, :2028].T
    model.set_weights([kernel, bias, rounded, last])
    found = model.predict(shown).argmax(axis=1)
    assert fp8.correct == int((found == data.test_labels).sum())
    assert fp8.flips == int((found != logits.argmax(axis=1)).sum())
    assert int4.flips > fp8.flips > 0
