"""`python -m qhelpers inspect`: what a .tflite file holds, in words."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import zoo

from qhelpers.cli.main import main
from qhelpers.quantizer import inspection
from qhelpers.tflite import conversion, litert

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
