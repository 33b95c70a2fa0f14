"""`python -m qhelpers quantize`: what it writes, what it refuses, and nothing by half."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qhelpers.cli.main import main
from qhelpers.quantizer import recipes, session
from qhelpers.tflite import conversion, litert

SHAPE = (6, 6, 1)
INPUTS = np.random.default_rng(0).uniform(-1, 1, (310, *SHAPE)).astype(np.float32)
LABELS = np.arange(310) % 3


def build() -> Any:
    import keras

    layers = keras.layers
    keras.utils.set_random_seed(0)
    net = [
        layers.DepthwiseConv2D(3, use_bias=False, depth_multiplier=4, name="depthwise"),
        layers.BatchNormalization(name="norm"),
        layers.ReLU(name="relu"),
        layers.Flatten(name="flatten"),
        layers.Dense(3, name="scores"),
    ]
    return keras.Sequential([keras.Input(SHAPE, name="picture"), *net], name="net")


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("saved") / "model.keras"
    build().save(path)
    return path


@pytest.fixture
def folder(saved: Path, tmp_path: Path) -> Path:
    (tmp_path / "model.keras").write_bytes(saved.read_bytes())
    np.savez(tmp_path / "x.npz", x=INPUTS)
    np.savez(tmp_path / "y.npz", y=LABELS)
    return tmp_path


def run(folder: Path, *more: str, labels: bool = True, recipes: str = "int8") -> int:
    words = ["quantize", str(folder / "model.keras"), "--calibration", str(folder / "x.npz")]
    words += ["--labels", str(folder / "y.npz")] if labels else []
    words += ["--recipes", recipes, "--cure", "never", "--range", "-1", "1"]
    return main([*words, "--out", str(folder / "out"), *more])


def test_it_writes_files_scorecard_and_report(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = set(folder.iterdir())
    assert run(folder, recipes=",".join(conversion.RECIPES)) == 0
    out = folder / "out"
    assert set(folder.iterdir()) - before == {out}
    wanted = {f"{name}.tflite" for name in conversion.RECIPES} | {"report.html", "scorecard.json"}
    assert {path.name for path in out.iterdir()} == wanted
    card = json.loads((out / "scorecard.json").read_text(encoding="utf-8"))
    rows = {row["model"]: row for row in card["rows"]}
    assert set(rows) == set(conversion.RECIPES)
    assert card["verdict"]["ship"] in rows
    unseen = np.sort(np.random.default_rng(0).permutation(310)[155:])
    for name in ("float32", "int8"):
        lite = litert.LiteModel((out / f"{name}.tflite").read_bytes())
        right = (lite.predict(INPUTS[unseen]).argmax(1) == LABELS[unseen]).mean()
        assert rows[name]["score"]["value"] == pytest.approx(right)
        assert rows[name]["score"]["low"] < right < rows[name]["score"]["high"]
    page = (out / "report.html").read_text(encoding="utf-8")
    assert not re.search(r"(src|href)=", page), "nothing is loaded from elsewhere"
    for text in (
        "model.keras, quantized",
        "DEPTHWISE_CONV_2D",
        "155 of 310 samples of x.npz gave the ranges",
    ):
        assert text in page
    said = capsys.readouterr()
    assert "Ship " in said.out
    assert str(out / "report.html") in said.out
    assert said.err == ""


def test_labels_are_optional_and_the_folder_may_be_deep(folder: Path) -> None:
    deep = folder / "a" / "b"
    assert run(folder, "--out", str(deep), labels=False) == 0
    card = json.loads((deep / "scorecard.json").read_text(encoding="utf-8"))
    assert card["metric"] == "accuracy v. float32"
    assert card["rows"][0]["score"]["value"] == 1


@pytest.mark.parametrize(("io", "kind"), [("uint8", "uint8"), ("int8", "int8"), ("float32", "f")])
def test_the_types_of_input_and_output(io: str, kind: str, folder: Path) -> None:
    assert run(folder, "--io", io) == 0
    lite = litert.LiteModel((folder / "out" / "int8.tflite").read_bytes())
    for info in (*lite.inputs, *lite.outputs):
        assert info.dtype.name.startswith(kind)


def test_a_recipe_that_fails_costs_no_other(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any, **__: Any) -> bytes:
        raise RuntimeError("Quantization to 16x8-bit not yet supported for op: 'NEG'.\nmore")

    make = recipes._converted
    monkeypatch.setattr(
        recipes,
        "_converted",
        lambda m, name, *rest: fails() if name == "int16x8" else make(m, name, *rest),
    )
    monkeypatch.setattr(recipes, "requantized", fails)
    assert run(folder, recipes="float16,int16x8") == 0
    assert {p.stem for p in (folder / "out").glob("*.tflite")} == {"float32", "float16"}
    said = "int16x8: failed. The converter has no 16-bit NEG. Try int8."
    assert said in capsys.readouterr().out
    card = json.loads((folder / "out" / "scorecard.json").read_text(encoding="utf-8"))
    assert [f["recipe"] for f in card["failed"]] == ["int16x8"]
    assert "What failed" in (folder / "out" / "report.html").read_text(encoding="utf-8")


def test_evaluation_samples_of_their_own(folder: Path) -> None:
    np.savez(folder / "unseen.npz", x=-INPUTS[:40])
    np.savez(folder / "y.npz", y=LABELS[:40])
    assert run(folder, "--evaluation", str(folder / "unseen.npz")) == 0
    card = json.loads((folder / "out" / "scorecard.json").read_text(encoding="utf-8"))
    assert "300 of 310 samples of x.npz gave the ranges" in card["samples"]
    assert "judged on 40 of unseen.npz" in card["samples"]


def pickled(path: Path) -> None:
    np.savez(path, x=np.array([{}], dtype=object))


def broken(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def lambda_model(path: Path) -> None:
    import keras

    net = [keras.layers.Flatten(), keras.layers.Lambda(lambda x: x + 1), keras.layers.Dense(3)]
    keras.Sequential([keras.Input(SHAPE), *net]).save(path)


def nan_weights(path: Path) -> None:
    model = build()
    model.set_weights([w * np.nan for w in model.get_weights()])
    model.save(path)


def not_keras(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("hello.txt", "hello")


def npy(path: Path) -> None:
    with path.open("wb") as stream:
        np.save(stream, INPUTS)


def with_nan(path: Path) -> None:
    inputs = INPUTS.copy()
    inputs[305, 0, 0] = np.nan
    np.savez(path, x=inputs)


def damaged(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[1000:1100] = bytes(100)
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("model.keras", Path.unlink, "there is no file"),
        ("model.keras", lambda p: p.write_bytes(b"hello"), "is not a .keras file"),
        ("model.keras", broken, "is not a .keras file"),
        ("model.keras", not_keras, "Keras cannot load"),
        ("model.keras", lambda_model, "a Lambda layer, which is code, and code is not loaded"),
        ("model.keras", nan_weights, "its weights hold NaN or infinities"),
        ("x.npz", Path.unlink, "there is no file"),
        ("x.npz", broken, "is damaged or not an .npz file"),
        ("x.npz", lambda p: p.write_bytes(b""), "is damaged or not an .npz file"),
        ("x.npz", lambda p: p.write_bytes(b"1,2,3"), "is damaged or not an .npz file"),
        ("x.npz", pickled, "holds no array of numbers, or is damaged; other objects are not load"),
        ("x.npz", npy, "not an .npz file. Write it with np.savez"),
        ("x.npz", lambda p: np.savez(p, a=INPUTS, b=INPUTS), "it has ['a', 'b']"),
        ("x.npz", lambda p: np.savez(p, x=INPUTS[:0]), "its array has shape [0, 6, 6, 1]"),
        ("x.npz", lambda p: np.savez(p, x=np.float32(1)), "its array has shape []"),
        ("x.npz", lambda p: np.savez(p, x=np.array(["a"])), "must hold numbers; got <U1"),
        ("x.npz", lambda p: np.savez(p, x=INPUTS[..., 0]), "got shape [310, 6, 6]. Use x[..., No"),
        ("x.npz", lambda p: np.savez(p, x=INPUTS.astype(float)), "got float64"),
        ("x.npz", lambda p: np.savez(p, x=np.full((310, *SHAPE), 255, np.uint8)), "Divide by 255"),
        ("x.npz", lambda p: np.savez(p, x=2 * INPUTS), "Say which: --range -1 1"),
        ("x.npz", with_nan, "got 1 NaN or infinities"),
        ("x.npz", damaged, "is damaged. Write it again with np.savez"),
        ("y.npz", Path.unlink, "there is no file"),
        ("y.npz", lambda p: np.savez(p, y=LABELS[:9]), "holds labels of shape [9]; the 310 inputs"),
        ("y.npz", lambda p: np.savez(p, y=LABELS + 0.5), "got float64"),
        ("y.npz", lambda p: np.savez(p, y=LABELS + 1), "0 to 2, the model's classes"),
        ("y.npz", lambda p: np.savez(p, y=np.ones((310, 7))), "do not fit the output"),
    ],
)
def test_what_it_refuses_is_said_in_one_line(
    name: str, change: Any, message: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change(folder / name)
    before = set(folder.iterdir())
    assert run(folder) == 1
    said = capsys.readouterr()
    assert message in said.err
    assert said.err.startswith("python -m qhelpers quantize: ")
    assert len(said.err.strip().splitlines()) == 1
    assert set(folder.iterdir()) == before, "nothing is left behind"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--range", "1", "0"], "--range 1 0: LOW must be below HIGH"),
        (["--scale", "0", "1"], "--scale are for a folder of images"),
        (["--recipes", "int7"], "no recipe 'int7'; there are float32, "),
        (["--shape", "6,x"], "--shape 6,x: write whole numbers"),
        (["--shape", "7,6,1"], "--shape [7, 6, 1] does not fit 'picture': [6, 6, 1]"),
        (["--tolerance", "2"], "--tolerance 2: a share of 1"),
        (["--custom-objects", "nothing"], "--custom-objects nothing: write module:Class"),
        (["--custom-objects", "nowhere:No"], "No module named 'nowhere'"),
    ],
)
def test_options_that_cannot_be(
    words: list[str], message: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(folder, *words) == 1
    assert message in capsys.readouterr().err
    assert not (folder / "out").exists()


@pytest.mark.parametrize("words", [["-inf", "inf"], ["-1e3", "1e3"]])
def test_ranges(words: list[str], folder: Path) -> None:
    assert run(folder, "--range", *words) == 0


def test_the_parent_folder_is_checked_before_the_work(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "file").write_text("no folder")
    assert run(folder, "--out", str(folder / "file" / "out")) == 1
    assert "cannot make the folder" in capsys.readouterr().err


def test_a_folder_that_exists_is_left_alone(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "out").mkdir()
    (folder / "out" / "mine.txt").write_text("mine")
    assert run(folder) == 1
    assert "exists already" in capsys.readouterr().err
    assert [path.name for path in (folder / "out").iterdir()] == ["mine.txt"]


def test_an_interrupted_write_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    contents = {"a.txt": b"a", "b.txt": b"b"}
    out = tmp_path / "out"
    write = session.paths.write_atomically

    def interrupted(path: Path, content: bytes) -> Path:
        if path.name == "b.txt":
            assert not out.exists(), "the folder is not there before it is whole"
            raise KeyboardInterrupt
        return write(path, content)

    monkeypatch.setattr(session.paths, "write_atomically", interrupted)
    with pytest.raises(KeyboardInterrupt):
        session.write_folder(out, contents)
    assert list(tmp_path.iterdir()) == []
    monkeypatch.undo()
    session.write_folder(out, contents)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == contents


def test_interrupted_while_converting_it_leaves_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    temporary = tmp_path_factory.mktemp("temporary")
    monkeypatch.setattr("tempfile.tempdir", str(temporary))

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(recipes, "make", interrupted)
    before = set(folder.iterdir())
    assert run(folder) == 130
    assert set(folder.iterdir()) == before
    assert list(temporary.iterdir()) == []


def test_wrong_usage_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["quantize", "model.keras"])
    assert stopped.value.code == 2
    with pytest.raises(SystemExit) as stopped:
        main(["quantize", "--help"])
    assert stopped.value.code == 0
    said = capsys.readouterr().out
    for text in ("an .npz file with one array", "float32", "safe mode", "--range", "Exit status"):
        assert text in said


def test_in_a_process_of_its_own_it_is_quiet(folder: Path) -> None:
    words = ["model.keras", "--calibration", "x.npz", "--out", "out", "--recipes", "int8"]
    ended = subprocess.run(
        [sys.executable, "-m", "qhelpers", "quantize", *words],
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.splitlines()[-1] == f"Report: {Path('out') / 'report.html'}"
