"""`python -m qhelpers inspect`: what a .tflite file holds, in words."""

from __future__ import annotations

import contextlib
import dataclasses
from pathlib import Path

import numpy as np
import pytest
import zoo

from qhelpers.cli.main import main
from qhelpers.quantizer import inspection
from qhelpers.tflite import conversion, litert
from qhelpers.tflite.file import TfliteFile

ROOT = Path(__file__).resolve().parent.parent
TINY = next(
    (d for p in ROOT.parents[:2] if (d := p / "shared" / "data" / "mlperf-tiny").is_dir()), None
)


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    few = np.random.default_rng(0).random((20, 16, 16, 3), dtype=np.float32)
    model = zoo.resnet()
    return {name: conversion.convert(model, name, few) for name in conversion.RECIPES}


def test_what_each_recipe_leaves_in_floating_point(files: dict[str, bytes]) -> None:
    said = {
        name: inspection.integer_only(litert.opened(content)) for name, content in files.items()
    }
    assert said["int8"].startswith("Integer only")
    assert said["int16x8"].startswith("Computes in integers, between float inputs or outputs")
    assert said["float16"] == "Floating point throughout, weights stored as float16."
    assert said["float32"] == "Floating point throughout."


def test_work_and_memory_by_hand(files: dict[str, bytes]) -> None:
    file = litert.opened(files["float32"])
    first, other = 16 * 16 * 8 * 3 * 3 * 3, 16 * 16 * 8 * 3 * 3 * 8
    assert inspection.multiply_adds(file) == first + 4 * other + 8 * 4
    assert (
        inspection.peak_memory(file) == 3 * 4 * 16 * 16 * 8
    )  # the shortcut, and one layer's two ends


def test_the_lines_of_code_are_right(files: dict[str, bytes]) -> None:
    runner = litert.opened(files["int8"])
    x = np.random.default_rng(1).random((1, 16, 16, 3), dtype=np.float32)
    before, after = inspection.lines_of_code(runner)
    scope = {"np": np, "x": x}
    exec(before, scope)
    runner.invoke({"picture": scope["raw"]})
    scope["raw"] = runner.value(runner.outputs[0].index)
    exec(after, scope)
    np.testing.assert_allclose(scope["y"], runner.run({"picture": x})["output_0"], rtol=1e-5)


def test_what_the_gpu_delegate_takes(files: dict[str, bytes]) -> None:
    said = {name: inspection.gpu(litert.opened(content)) for name, content in files.items()}
    assert said["float32"].startswith("takes 9 of 9 operations; MEAN by its source")
    assert said["int16x8"] == "does not take 16-bit activations"
    kept = litert.opened(files["float32"])
    kept.operations.append(dataclasses.replace(kept.operations[0], name="TOPK_V2"))
    assert inspection.gpu(kept).startswith("takes 9 of 10 operations; not TOPK_V2")


def test_it_describes_files_and_refuses_others(
    files: dict[str, bytes], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, content in files.items():
        (tmp_path / f"{name}.tflite").write_bytes(content)
    assert (
        main(["inspect", *(str(tmp_path / f"{name}.tflite") for name in ("int8", "float16"))]) == 0
    )
    said = capsys.readouterr().out
    for words in (
        "5 CONV_2D",
        "picture: uint8 [n, 16, 16, 3], scale",
        "bytes of float16",
        "XNNPACK",
    ):
        assert words in said
    (tmp_path / "no.tflite").write_bytes(b"hello, world")
    assert main(["inspect", str(tmp_path / "no.tflite")]) == 1
    assert main(["inspect", str(tmp_path / "none.tflite")]) == 1
    said = capsys.readouterr().err
    assert "not a .tflite file" in said
    assert "there is no file" in said


def refused(content: bytes, folder: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """What `inspect`, `explain` and `quantize` say to a file: the same, in one line each."""
    path, raw, samples = (folder / name for name in ("net.tflite", "x.npy", "x.npz"))
    path.write_bytes(content)
    np.save(raw, np.zeros((16, 16, 3), np.uint8))
    np.savez(samples, x=np.zeros((20, 16, 16, 3), np.float32))
    place = ["--input", str(raw), "--tensor", "y", "--index", "0,0"]
    said = []
    for words in (
        ["inspect", str(path)],
        ["explain", str(path), *place],
        ["quantize", str(path), "--calibration", str(samples), "--out", str(folder / "out")],
    ):
        assert main(words) == 1
        error = capsys.readouterr().err
        start = f"python -m qhelpers {words[0]}: {path}: "
        assert error.startswith(start), error
        said.append(error.removeprefix(start))
    assert said[0] == said[1] == said[2]
    assert said[0].count("\n") == 1
    return said[0]


ONNX = b"\x08\x08\x12\x07pytorch\x1a\x052.7.0" + bytes(40)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "an empty one. Copy, download or convert it again."),
        (b"PK\3\4" + bytes(60), "a zip archive, as .keras, .pt and .npz are. Take the model"),
        (ONNX, "an ONNX file, by its first bytes. Take the model that it was made of: `quantize`"),
        (b"\x89HDF\r\n\x1a\n", "an HDF5 file, as .h5 is. Take the model"),
        (b"<!DOCTYPE html>", "a web page or other XML. Copy, download or convert it again."),
        (b"version https://git-lfs.github.com/spec/v1", "a pointer of Git LFS. `git lfs pull`"),
        (b"hello, world", "bytes 4 to 7 are b'o, w', not b'TFL3'. Copy, download or convert it"),
    ],
)
def test_what_is_no_tflite_file_is_named(
    content: bytes, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = refused(content, tmp_path, capsys)
    assert said.startswith("not a .tflite file")
    assert words in said


def test_a_file_cut_short_or_with_a_hole_is_said_in_a_line(
    files: dict[str, bytes], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = files["int8"]
    for end in (8, 9, 40, len(content) // 3, len(content) // 2, len(content) - 5):
        said = refused(content[:end], tmp_path, capsys)
        assert f"of {end:,} bytes; it is truncated, damaged, or needs a newer LiteRT" in said
        assert "Copy, download or convert it again." in said
    rng = np.random.default_rng(0)
    for at in rng.integers(8, len(content) - 100, 60):
        changed = content[:at] + content[at + int(rng.integers(1, 100)) :]
        with contextlib.suppress(ValueError):
            TfliteFile(changed)


def test_other_models_that_quantize_cannot_read_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "net.onnx").write_bytes(ONNX)
    np.savez(tmp_path / "x.npz", x=np.zeros((20, 4), np.float32))
    given = ["--calibration", str(tmp_path / "x.npz"), "--out", str(tmp_path / "out")]
    assert main(["quantize", str(tmp_path / "net.onnx"), *given]) == 1
    said = capsys.readouterr().err
    assert "net.onnx is not a .keras file" in said
    assert "It is an ONNX file" in said


@pytest.mark.skipif(TINY is None, reason="MLPerf Tiny's files are not here")
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("ad01_int8", ["10 FULLY_CONNECTED", "264,192 multiply-adds", "264,192 bytes of int8"]),
        ("kws_ref_model", ["4 DEPTHWISE_CONV_2D", "2,656,768 multiply-adds", "18 of them by chan"]),
        ("pretrainedResnet_quant", ["9 CONV_2D", "scale 1, zero point -128"]),
    ],
)
def test_mlperf_tiny(name: str, words: list[str]) -> None:
    assert TINY is not None
    said = inspection.describe(TINY / f"{name}.tflite")
    assert "Integer only: no operation computes in floating point" in said
    for each in words:
        assert each in said
