"""Whole networks in NumPy against the engines; files that the arithmetic does not know."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import one_layer
import pytest
from one_layer import Tensor

from qhelpers import data as digits
from qhelpers import keras_cnn
from qhelpers.tflite import conversion, litert, microcontroller
from qhelpers.tflite.file import TfliteFile, written
from qhelpers.tflite.numpy_network import NumpyNetwork, UnknownStepError


@pytest.fixture(scope="module")
def data() -> digits.Digits:
    return digits.load(quiet=True)


@pytest.fixture(scope="module")
def files(data: digits.Digits) -> dict[str, bytes]:
    """The course's networks, trained for a moment: integers matter here, not answers."""
    made = {}
    representative = digits.representative(data.train_images, 20)
    for name, use_bias in (("plain", True), ("unbiased", False)):
        model = keras_cnn.build(use_bias)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(keras_cnn, "plan", lambda _: (2, 32))
            keras_cnn.train(model, data.train_images[:256], data.train_labels[:256])
        for recipe in ("int8", "int16x8", "dynamic_range"):
            made[f"{name} {recipe}"] = conversion.convert(model, recipe, representative)
    return made


def raw_images(content: bytes, data: digits.Digits, count: int) -> Any:
    floats = digits.to_float(data.test_images[:count])
    return litert.LiteModel(content).inputs[0].to_raw(floats)


@pytest.mark.parametrize(
    "name", ["plain int8", "unbiased int8", "plain int16x8", "unbiased int16x8"]
)
def test_every_output_of_every_engine(
    name: str, files: dict[str, bytes], data: digits.Digits
) -> None:
    content = files[name]
    raw = raw_images(content, data, 400)
    engines = {"reference": litert.LiteModel(content, engine="reference").run_raw(raw)}
    default = litert.LiteModel(content).run_raw(raw)
    engines["xnnpack" if "int8" in name else "optimized, by default"] = default
    engines["optimized"] = litert.LiteModel(content, engine="optimized").run_raw(raw)
    if microcontroller.available():
        engines["micro"] = microcontroller.MicroModel(content).run_raw(raw)
    for engine, wanted in engines.items():
        got = NumpyNetwork(content, engine.split(",")[0]).run(raw)
        assert got.dtype == wanted.dtype
        assert np.array_equal(got, wanted), f"{engine}: {(got != wanted).sum()} of {got.size}"
    assert len(np.unique(default)) > 20, "an output that says something"


@pytest.mark.parametrize("name", ["plain int8", "unbiased int16x8"])
def test_every_layer_of_the_reference_kernels(
    name: str, files: dict[str, bytes], data: digits.Digits
) -> None:
    content = files[name]
    raw = raw_images(content, data, 50)
    kept = litert.LiteModel(content, engine="reference", keep_tensors=True)
    kept.run_raw(raw)
    network = NumpyNetwork(content, "reference")
    constants = {tensor.index for tensor in network.file.constants()}
    layers = {i: v for i, v in network.values(raw).items() if i not in constants}
    assert len(layers) >= 7
    for tensor, values in layers.items():
        assert np.array_equal(kept.value(tensor), values), tensor


def test_the_engines_do_differ(files: dict[str, bytes], data: digits.Digits) -> None:
    """Else the tests above would not tell one rule from another."""
    content = files["plain int8"]
    raw = raw_images(content, data, 400)
    answers = [NumpyNetwork(content, e).run(raw) for e in ("reference", "xnnpack")]
    apart = answers[0].astype(int) - answers[1]
    assert 0 < np.count_nonzero(apart) < 0.05 * apart.size
    assert np.abs(apart).max() == 1


def test_the_microcontroller_interpreter_is_there_where_its_wheel_exists() -> None:
    import platform
    import sys

    if (sys.platform, platform.machine()) == ("linux", "x86_64"):
        assert microcontroller.available()
    else:
        with pytest.raises(ImportError, match="tflite_micro"):
            microcontroller.MicroModel(one_layer.convolution(**small()))


def test_engine_and_inputs_are_checked(files: dict[str, bytes]) -> None:
    with pytest.raises(
        ValueError, match="unknown engine 'gpu'; choose one of reference, optimized"
    ):
        NumpyNetwork(files["plain int8"], "gpu")
    network = NumpyNetwork(files["plain int8"], "xnnpack")
    for wrong in (np.zeros((1, 28, 28)), np.zeros((0, 28, 28), np.uint8), np.zeros(3, np.uint8)):
        with pytest.raises(ValueError, match=r"inputs must be uint8 \[n, 28, 28\], n > 0; got"):
            network.run(wrong)
    with pytest.raises(ValueError, match=r"not a \.tflite file"):
        NumpyNetwork(b"no model at all", "xnnpack")


def small(**changes: Any) -> dict[str, Any]:
    """The parts of a one-layer file that is fine, with some of them changed."""
    parts: dict[str, Any] = {
        "inputs": Tensor("x", 0.1, 3, shape=(1, 4, 4, 2)),
        "weights": Tensor("w", [0.1], values=np.ones((1, 2, 2, 2), np.int8)),
        "bias": Tensor("b", [0.01], values=np.zeros(1, np.int32)),
        "output": Tensor("y", 0.1, 0, shape=(1, 3, 3, 1)),
    }
    return parts | changes


def test_weights_with_a_zero_point_are_refused() -> None:
    content = one_layer.dense(
        Tensor("x", 0.1, 3, shape=(1, 4)),
        Tensor("w", [0.1], 3, values=np.ones((2, 4), np.int8)),
        None,
        Tensor("y", 0.1, 0, shape=(1, 2)),
    )
    with pytest.raises(UnknownStepError, match="zero point other than 0"):
        NumpyNetwork(content, "xnnpack")


def test_kernels_that_do_not_divide_the_channels_are_refused() -> None:
    parts = small(
        weights=Tensor("w", [0.1], values=np.ones((1, 2, 2, 3), np.int8)),
        bias=Tensor("b", [0.01], values=np.zeros(1, np.int32)),
    )
    with pytest.raises(UnknownStepError, match=r"kernels of \(1, 2, 2, 3\) on images"):
        NumpyNetwork(one_layer.convolution(**parts), "reference")


def test_another_activation_is_refused() -> None:
    content = one_layer.convolution(**small(), relu=4)  # type: ignore[arg-type]  # tanh
    with pytest.raises(UnknownStepError, match="fusedActivationFunction 4"):
        NumpyNetwork(content, "reference")


def test_another_operation_is_refused_with_file_operation_and_tensor(tmp_path: Path) -> None:
    tensors = Tensor("x", 0.1, 0, shape=(1, 4)), Tensor("y", 1 / 128, 0, shape=(1, 4))
    path = tmp_path / "lengths.tflite"
    path.write_bytes(one_layer.file("L2_NORMALIZATION", [tensors[0]], tensors[1], None))
    wanted = (
        r"lengths\.tflite, operation 0: L2_NORMALIZATION, which makes 'y': this operation is not"
    )
    with pytest.raises(UnknownStepError, match=wanted):
        NumpyNetwork(path, "reference")


def test_moving_numbers_to_another_scale_is_refused() -> None:
    tensors = Tensor("x", 0.1, 0, shape=(1, 4)), Tensor("y", 0.2, 0, shape=(2, 2))
    content = one_layer.file("RESHAPE", [tensors[0]], tensors[1], None)
    with pytest.raises(UnknownStepError, match="moves numbers to another scale"):
        NumpyNetwork(content, "reference")


def damaged(change: Callable[[Any, Any], None], content: bytes | None = None) -> bytes:
    """A file whose schema and first operation were changed."""
    file = TfliteFile(content or one_layer.convolution(**small()))
    graph = file.schema.subgraphs[0]
    change(graph, graph.operators[0])
    return written(file.schema)


def put(sequence: Any, at: int, value: int) -> Any:
    changed = np.array(sequence)
    changed[at] = value
    return changed


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda g, o: setattr(o, "inputs", put(o.inputs, 1, 99)), "names a tensor that is not th"),
        (lambda g, o: setattr(o, "inputs", put(o.inputs, 0, -1)), "makes 'y': input 0 is missing"),
        (lambda g, o: setattr(o, "inputs", put(o.inputs, 0, 3)), "'y': 'y' has no value"),
        (lambda g, o: setattr(o, "outputs", put(o.outputs, 0, -1)), "names a tensor that is not"),
        (lambda g, o: setattr(g.tensors[1], "shape", [1, 2, 3, 2]), "'w' has 8 bytes.* takes 12"),
        (lambda g, o: setattr(g.tensors[2], "type", 0), "'y': a bias of float32"),
        (
            lambda g, o: setattr(g.tensors[3], "shape", [1, 3, 4, 1]),
            "cannot reshape array of size 9",
        ),
        (
            lambda g, o: setattr(g.tensors[3].quantization, "scale", [0.0]),
            "'y' has a scale that is",
        ),
        (lambda g, o: setattr(g.tensors[0].quantization, "scale", [np.nan]), "'x' has a scale t"),
        (lambda g, o: setattr(g.tensors[0].quantization, "scale", [1e30]), "beyond 2..30"),
        (lambda g, o: setattr(o.builtinOptions, "strideH", 0), r"makes 'y': stride \(0, 1\)"),
    ],
)
def test_a_damaged_file_is_an_error_that_says_where(change: Any, message: str) -> None:
    with pytest.raises((ValueError, OverflowError), match=f"operation 0: CONV_2D.*{message}"):
        NumpyNetwork(damaged(change), "reference")


@pytest.mark.parametrize("seed", range(3))
def test_no_damage_is_more_than_an_error(seed: int, files: dict[str, bytes]) -> None:
    """Bytes flipped anywhere: a number, or one of the errors that a reader expects."""
    rng, content, found = np.random.default_rng(seed), files["plain int8"], set()
    for _ in range(60):
        changed = bytearray(content)
        for at in rng.integers(8, min(len(content), int(rng.choice([3000, 10**6]))), 3):
            changed[at] ^= 1 << int(rng.integers(8))
        try:
            NumpyNetwork(bytes(changed), "reference").run(np.zeros((1, 28, 28), np.uint8))
            found.add("runs")
        except (ValueError, OverflowError):
            found.add("error")
    assert found == {"runs", "error"}


@pytest.mark.parametrize("scale", [0.25, 0.0123, 1 / 255])
@pytest.mark.parametrize(("dtype", "zero_point"), [(np.int8, 7), (np.int16, 0)])
def test_quantizing_floats_is_that_of_the_engine(scale: float, dtype: Any, zero_point: int) -> None:
    wide = 4096
    source = Tensor("x", dtype=np.float32, shape=(1, wide))
    output = Tensor("y", scale, zero_point, shape=(1, wide), dtype=dtype)
    content = one_layer.file("QUANTIZE", [source], output, None)
    levels = np.random.default_rng(0).uniform(-150, 150, (8, wide)).astype(np.float32)
    levels[::2] = np.rint(levels[::2]) + np.float32(0.5)  # halves, or next to them
    reals = levels * np.float32(scale)
    answers = {}
    for engine in ("reference", "optimized", *(["xnnpack"] if dtype == np.int8 else [])):
        answers[engine] = litert.LiteModel(content, engine=engine).run_raw(reals)
    if microcontroller.available():
        answers["micro"] = microcontroller.MicroModel(content).run_raw(reals)
    for engine, wanted in answers.items():
        got = NumpyNetwork(content, engine).run(reals)
        assert np.array_equal(got, wanted), f"{engine}: {(got != wanted).sum()} of {got.size}"
    assert (answers["reference"] != answers["optimized"]).any()


def test_floats_that_do_not_come_in_groups_are_refused() -> None:
    source = Tensor("x", dtype=np.float32, shape=(1, 9))
    content = one_layer.file("QUANTIZE", [source], Tensor("y", 0.1, shape=(1, 9)), None)
    with pytest.raises(UnknownStepError, match="left over from groups of 8"):
        NumpyNetwork(content, "optimized")


@pytest.mark.skipif(not microcontroller.available(), reason="tflite-micro is not installed")
def test_microcontrollers_refuse_with_their_own_words(files: dict[str, bytes]) -> None:
    with pytest.raises(microcontroller.RefusedError, match="FLOAT32 with filter type: INT8"):
        microcontroller.MicroModel(files["plain dynamic_range"])
    with pytest.raises(ValueError, match=r"not a \.tflite file"):
        microcontroller.MicroModel(b"no model at all")
    model = microcontroller.MicroModel(files["plain int8"])
    with pytest.raises(ValueError, match=r"inputs must be uint8 \[n, 28, 28\]"):
        model.run_raw(np.zeros((1, 28, 28), np.float32))
    arena = microcontroller.smallest_arena(files["plain int8"])
    assert arena % 64 == 0
    # The convolution's input and output are there at once: 28 x 28 + 26 x 26 x 12 bytes.
    assert 8896 < arena < 20_000
    microcontroller.MicroModel(files["plain int8"], arena)
    with pytest.raises(microcontroller.RefusedError):
        microcontroller.MicroModel(files["plain int8"], arena - 64)


def test_elu_has_an_int8_kernel_though_the_converter_leaves_it_in_float() -> None:
    """Lesson 20 says so; the engines agree on every byte of a hand-made file."""
    tensors = Tensor("x", 0.05, 3, shape=(1, 256)), Tensor("y", 0.03, -90, shape=(1, 256))
    content = one_layer.file("ELU", [tensors[0]], tensors[1], None)
    raw = np.arange(-128, 128, dtype=np.int8)[None]
    real = 0.05 * (raw.astype(float) - 3)
    steps = np.where(real > 0, real, np.expm1(real)) / 0.03 - 90
    wanted = np.clip(np.rint(steps), -128, 127)
    found = [litert.LiteModel(content).run_raw(raw)]
    if microcontroller.available():
        found.append(microcontroller.MicroModel(content).run_raw(raw))
    for answer in found:
        assert np.abs(answer - wanted).max() <= 1
        assert np.array_equal(answer, found[0])
