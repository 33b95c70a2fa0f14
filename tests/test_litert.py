from __future__ import annotations

import contextlib
import hashlib
import io
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import flatbuffers
import ml_dtypes
import numpy as np
import pytest
from ai_edge_litert import interpreter
from ai_edge_litert import schema_py_generated as schema
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from qhelpers import paths
from qhelpers.tflite import conversion, litert, microcontroller, silence
from qhelpers.tflite.file import TensorInfo, TfliteFile

SHAPE = (8, 8)


@pytest.fixture(scope="module")
def keras_model() -> Any:
    import keras

    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [
            keras.Input(SHAPE, name="image"),
            keras.layers.Reshape((*SHAPE, 1), name="reshape"),
            keras.layers.Conv2D(4, 3, activation="relu", name="conv", bias_initializer="uniform"),
            keras.layers.MaxPooling2D(2, name="pool"),
            keras.layers.Flatten(name="flatten"),
            keras.layers.Dense(32, "relu", name="hidden", bias_initializer="uniform"),
            keras.layers.Dense(10, name="logits", bias_initializer="uniform"),
        ]
    )


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(0).random((20, *SHAPE), dtype=np.float32)


@pytest.fixture(scope="module")
def files(keras_model: Any, images: np.ndarray) -> dict[str, bytes]:
    return {
        recipe: conversion.convert(keras_model, recipe, images) for recipe in conversion.RECIPES
    }


@pytest.mark.parametrize("kind", ["FLOAT8_E4M3FN", "FLOAT8_E5M2"])
def test_fp8_weights_have_a_type_and_no_kernel(kind: str, files: dict[str, bytes]) -> None:
    # Lesson 09's table says so; the day that this fails, the table is out of date.
    known = schema.TensorType
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(files["float16"], 0))
    changed = [t for t in model.subgraphs[0].tensors if t.type == known.FLOAT16]
    assert changed
    for tensor in changed:
        tensor.type = getattr(known, kind)
        data = bytes(model.buffers[tensor.buffer].data)
        eight = np.frombuffer(data, np.float16).astype(getattr(ml_dtypes, kind.lower()))
        model.buffers[tensor.buffer].data = eight.view(np.uint8)
    builder = flatbuffers.Builder(0)
    builder.Finish(model.Pack(builder), b"TFL3")
    content = bytes(builder.Output())
    with pytest.raises(RuntimeError, match="DEQUANTIZE"):
        interpreter.Interpreter(model_content=content).allocate_tensors()
    if microcontroller.available():
        from tflite_micro.python.tflite_micro import runtime

        with pytest.raises(Exception, match="failed to allocate"):
            runtime.Interpreter.from_bytes(content)


@pytest.mark.filterwarnings("ignore:Statistics for quantized inputs")
@pytest.mark.parametrize("recipe", conversion.RECIPES)
def test_same_bytes_as_the_converter_called_plainly(
    recipe: str, files: dict[str, bytes], keras_model: Any, images: np.ndarray
) -> None:
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_keras_model(keras_model)
    if recipe != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]

    def representative() -> Iterator[list[np.ndarray]]:
        for image in images:
            yield [image[None]]

    match recipe:
        case "int8":
            converter.representative_dataset = representative
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
            converter.inference_input_type = tf.uint8
            converter.inference_output_type = tf.uint8
        case "float16":
            converter.target_spec.supported_types = [tf.float16]
        case "int16x8":
            converter.representative_dataset = representative
            converter.target_spec.supported_ops = [
                tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
            ]
    assert converter.convert() == files[recipe]


def test_five_recipes_give_five_files(files: dict[str, bytes]) -> None:
    assert len(set(files.values())) == 5
    assert all(len(content) < len(files["float32"]) for content in list(files.values())[1:])


def test_conversion_is_quiet(
    keras_model: Any, images: np.ndarray, capfd: pytest.CaptureFixture[str]
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        content = conversion.convert(keras_model, "int8", images)
        litert.LiteModel(content).predict(images)
        litert.LiteModel(content, "reference", keep_tensors=True).predict(images)
    assert capfd.readouterr() == ("", "")


def test_quiet_gives_the_streams_back(capfd: pytest.CaptureFixture[str]) -> None:
    with contextlib.suppress(RuntimeError), silence.quiet():
        print("hidden")
        raise RuntimeError
    print("seen")
    subprocess.run([sys.executable, "-c", "import os; os.write(2, b'seen too')"], check=True)
    assert capfd.readouterr() == ("seen\n", "seen too")


GOOD = np.zeros((2, *SHAPE), np.float32)


@pytest.mark.parametrize("recipe", ["int8", "int16x8"])
@pytest.mark.parametrize(
    ("images", "message"),
    [
        (None, "got none"),
        (np.full((2, *SHAPE), 255, np.uint8), "got uint8 with maximum 255. Divide by 255 first"),
        (GOOD.astype(np.float64), "got float64"),
        (GOOD + 255, "from 255 to 255. Divide by 255"),
        (GOOD - 1, "from -1 to -1"),
        (GOOD + np.nan, "NaN"),
        (GOOD[:0], "empty"),
        (GOOD[0], r"\[n, 8, 8\]; got shape \[8, 8\]"),
        (np.zeros((2, 28, 28), np.float32), r"got shape \[2, 28, 28\]"),
        (GOOD[..., None], r"got shape \[2, 8, 8, 1\]"),
    ],
)
def test_unusable_representative_images(
    recipe: str, images: np.ndarray | None, message: str, keras_model: Any
) -> None:
    with pytest.raises(ValueError, match=r"representative images must be float32 in \[0, 1\]") as e:
        conversion.convert(keras_model, recipe, images)
    assert e.match(message)


def test_unknown_recipe(keras_model: Any) -> None:
    with pytest.raises(ValueError, match="unknown recipe 'int4'; choose one of float32, "):
        conversion.convert(keras_model, "int4")


def _with(operation: Any) -> Any:
    import keras

    class Odd(keras.layers.Layer):
        def call(self, x: Any) -> Any:
            return operation(x)

        def compute_output_shape(self, shape: Any) -> Any:
            return shape

    layers = [keras.layers.Flatten(), Odd(name="odd"), keras.layers.Dense(10, name="logits")]
    return keras.Sequential([keras.Input(SHAPE, name="image"), *layers])


@pytest.mark.parametrize(
    ("operation", "recipe", "name"),
    [("erf", "float32", "Erf"), ("erf", "int8", "Erf"), ("floor", "int8", "FLOOR")],
)
def test_operation_that_a_recipe_cannot_hold(
    operation: str, recipe: str, name: str, images: np.ndarray
) -> None:
    import tensorflow as tf

    model = _with(getattr(tf.math, operation))
    with pytest.raises(conversion.ConversionError, match=f"{recipe}.*cannot express {name}. ") as e:
        conversion.convert(model, recipe, images)
    assert isinstance(e.value, ValueError)
    assert ("float16" in str(e.value)) == (recipe == "int8")


def test_missing_framework_names_the_extra(
    keras_model: Any, files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(module: str) -> None:
        raise ModuleNotFoundError(f"No module named {module!r}", name=module)

    monkeypatch.setattr(paths.importlib, "import_module", missing)
    with pytest.raises(ImportError, match=r"\.\[tensorflow\]"):
        conversion.convert(keras_model, "float32")
    with pytest.raises(ImportError, match=r"\.\[litert\]"):
        litert.LiteModel(files["float32"])


@pytest.mark.parametrize("recipe", conversion.RECIPES)
@pytest.mark.parametrize("engine", ["xnnpack", "reference"])
def test_predictions_are_close_to_keras(
    recipe: str, engine: str, files: dict[str, bytes], keras_model: Any, images: np.ndarray
) -> None:
    expected = np.asarray(keras_model(images))
    model = litert.LiteModel(files[recipe], engine)
    found = model.predict(images)
    assert found.dtype == np.float32
    assert found.shape == expected.shape
    tolerance = {"float32": 1e-5, "float16": 2e-3, "int16x8": 0.02}.get(recipe, 0.05)
    assert np.abs(found - expected).max() < tolerance * np.ptp(expected)


@pytest.mark.parametrize("recipe", conversion.RECIPES)
def test_batches_change_nothing(
    recipe: str, files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    many = np.random.default_rng(1).random((23, *SHAPE), dtype=np.float32)
    model = litert.LiteModel(files[recipe])
    together = model.predict(many)
    monkeypatch.setitem(litert._BATCH, "xnnpack", 5)
    np.testing.assert_array_equal(model.predict(many), together)
    one_by_one = np.concatenate([model.predict(image[None]) for image in many])
    np.testing.assert_array_equal(one_by_one, together)


@pytest.mark.parametrize(("engine", "most"), [("xnnpack", 50), ("optimized", 250)])
def test_xnnpack_takes_memory_for_few_images(
    engine: str, most: int, files: dict[str, bytes]
) -> None:
    """It keeps what the largest batch took; the float sums of "optimized" depend on the batch."""
    model = litert.LiteModel(files["float32"], engine)
    model.predict(np.zeros((500, *SHAPE), np.float32))
    assert model.interpreter.get_input_details()[0]["shape"][0] == most


def test_raw_in_raw_out(files: dict[str, bytes], images: np.ndarray) -> None:
    model = litert.LiteModel(files["int8"])
    raw = model.run_raw(model.inputs[0].to_raw(images))
    assert raw.dtype == np.uint8
    info = model.outputs[0]
    by_hand = (raw.astype(np.float64) - info.zero_points[0]) * float(info.scales[0])
    np.testing.assert_allclose(info.to_real(raw), by_hand, rtol=1e-6)
    np.testing.assert_array_equal(model.predict(images), info.to_real(raw))


def test_a_fixed_batch_works_too(images: np.ndarray) -> None:
    import keras

    layers = [keras.layers.Flatten(), keras.layers.Dense(10, name="logits")]
    fixed = keras.Sequential([keras.Input(batch_shape=(8, *SHAPE), name="image"), *layers])
    model = litert.LiteModel(conversion.convert(fixed, "float32"))
    weights = [np.asarray(w) for w in fixed.weights]
    expected = images.reshape(len(images), -1) @ weights[0] + weights[1]
    np.testing.assert_allclose(model.predict(images), expected, atol=1e-5)


def test_single_runs_one_image(files: dict[str, bytes], images: np.ndarray) -> None:
    model = litert.LiteModel(files["int8"])
    once = model.single(images[3])
    once()
    inside = dict(zip(once.__code__.co_freevars, once.__closure__, strict=True))
    found = inside["interpreter"].cell_contents.get_tensor(model.outputs[0].index)
    np.testing.assert_array_equal(model.outputs[0].to_real(found), model.predict(images[3:4]))


def test_constants_are_the_weights(files: dict[str, bytes], keras_model: Any) -> None:
    model = litert.LiteModel(files["float32"])
    by_hand = {w.path: np.asarray(w) for w in keras_model.weights}
    values = [model.value(tensor.index) for tensor in model.constants()]
    for path, weight in by_hand.items():
        stored = np.moveaxis(weight, -1, 0)  # output channels stand first in the file
        assert any(np.array_equal(value, stored) for value in values), path


def test_int8_weights_are_per_channel_and_close(files: dict[str, bytes], keras_model: Any) -> None:
    model = litert.LiteModel(files["int8"])
    kernel = np.asarray(keras_model.get_layer("conv").kernel).transpose(3, 0, 1, 2)
    (found,) = [t for t in model.constants() if t.shape == kernel.shape]
    assert (found.dtype, found.axis, len(found.scales)) == (np.int8, 0, 4)
    assert not found.zero_points.any()
    scales = found.scales.reshape(-1, 1, 1, 1)
    assert (np.abs(model.value(found.index) * scales - kernel) <= scales * 0.5001).all()


# 4 * 9 + 36 * 32 + 32 * 10 = 1508 weights and 4 + 32 + 10 = 46 biases.


@pytest.mark.parametrize(
    ("recipe", "expected", "stored"),
    [
        ("float32", {"float32": 4 * (1508 + 46)}, "float32 throughout"),
        (
            "dynamic_range",
            {"int8": 1152, "float32": 4 * (36 + 320 + 46)},
            "float32 and int8 weights, float32 biases, float32 activations, float32 in/out",
        ),
        (
            "int8",
            {"int8": 1508},
            "int8 weights, int32 biases, int8 activations, uint8 in/out",
        ),
        (
            "float16",
            {"float16": 2 * (1508 + 46)},
            "float16 weights, float16 biases, float32 activations, float32 in/out",
        ),
        (
            "int16x8",
            {"int8": 1508, "int64": 8 * 46},
            "int8 weights, int64 biases, int16 activations, float32 in/out",
        ),
    ],
)
def test_what_is_stored_in_what(
    recipe: str, expected: dict[str, int], stored: str, files: dict[str, bytes]
) -> None:
    model = litert.LiteModel(files[recipe])
    found = model.stored_bytes()
    shapes = found.pop("int32")  # of Reshape; in int8 the biases as well
    assert found == expected
    assert shapes - (4 * 46 if recipe == "int8" else 0) in range(1, 64)
    assert model.stored() == stored


def test_activations_can_be_kept(
    files: dict[str, bytes], images: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(litert, "_BATCH", dict.fromkeys(litert._ENGINES, 3))
    model = litert.LiteModel(files["float32"], "reference", keep_tensors=True)
    model.predict(images)
    (conv,) = [step for step in model.operations if step.name == "CONV_2D"]
    kernel, bias = (model.value(i) for i in conv.inputs[1:])
    patch = images[:, :3, :3]  # the image's first corner, in all images
    by_hand = np.maximum(np.einsum("nij,cij->nc", patch, kernel[..., 0]) + bias, 0)
    np.testing.assert_allclose(model.value(conv.outputs[0])[:, 0, 0], by_hand, atol=1e-6)


def test_values_not_kept_say_how_to_keep_them(files: dict[str, bytes]) -> None:
    model = litert.LiteModel(files["int8"], "reference")
    (conv,) = [step for step in model.operations if step.name == "CONV_2D"]
    with pytest.raises(ValueError, match="keep_tensors=True"):
        model.value(conv.outputs[0])


def test_the_file_and_its_facts(files: dict[str, bytes], tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(files["int8"])
    model = litert.LiteModel(path)
    assert (model.content, model.size) == (files["int8"], len(files["int8"]))
    assert model.sha == hashlib.sha256(files["int8"]).hexdigest()[:12]
    assert [(t.dtype, t.shape, t.axis) for t in model.inputs] == [(np.uint8, (1, 8, 8), None)]
    assert [(t.dtype, t.shape) for t in model.outputs] == [(np.uint8, (1, 10))]
    assert [t.index for t in model.tensors] == list(range(len(model.tensors)))
    names = [step.name for step in model.operations]
    wanted = ["QUANTIZE", "RESHAPE", "CONV_2D", "MAX_POOL_2D", "RESHAPE", *["FULLY_CONNECTED"] * 2]
    assert [n for n in names if n not in ("SHAPE", "STRIDED_SLICE", "PACK")] == [
        *wanted,
        "QUANTIZE",
    ]


@pytest.mark.parametrize("content", [b"", b"TFL3", b"\x89PNG" + bytes(100), bytes(1000)])
def test_other_files_are_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"not a \.tflite file"):
        litert.LiteModel(content)


def test_truncated_files_are_refused(files: dict[str, bytes]) -> None:
    content = files["int8"]
    for length in [8, 20, 100, *range(200, len(content), 397), len(content) - 100]:
        with pytest.raises(ValueError, match=f"of {length:,} bytes; it is truncated"):
            litert.LiteModel(content[:length])


def test_wrong_calls(files: dict[str, bytes], images: np.ndarray) -> None:
    model = litert.LiteModel(files["int8"])
    with pytest.raises(ValueError, match="unknown engine 'gpu'"):
        litert.LiteModel(files["int8"], engine="gpu")
    with pytest.raises(ValueError, match=r"must be floats; got uint8. Use data\.to_float"):
        model.predict((images * 255).astype(np.uint8))
    with pytest.raises(ValueError, match="NaN"):
        model.predict(images + np.nan)
    with pytest.raises(ValueError, match=r"\[n, 8, 8\], n > 0; got \[8, 8\]"):
        model.predict(images[0])
    with pytest.raises(ValueError, match=r"n > 0; got \[0, 8, 8\]"):
        model.predict(images[:0])
    with pytest.raises(ValueError, match="raw inputs must be uint8; got int8"):
        model.run_raw(np.zeros((1, *SHAPE), np.int8))


def test_float_inputs_pass_through(files: dict[str, bytes], images: np.ndarray) -> None:
    (info,) = litert.LiteModel(files["int16x8"]).inputs
    assert info.to_raw(images) is images
    assert info.to_raw(images.astype(np.float64)).dtype == np.float32


def _info(dtype: type, scale: float, zero_point: int) -> TensorInfo:
    """A quantized tensor."""
    scales, zero_points = np.array([scale], np.float32), np.array([zero_point])
    kind = np.dtype(dtype)
    return TensorInfo(0, "image", (1, 8), kind, scales, zero_points, None, kind.name)


def test_inputs_are_rounded_half_to_even_and_clipped() -> None:
    real = np.array([[0.25, 0.75, 1.25, -0.25, 0.3, 1e30, -np.inf, 64.99]], np.float32)
    found = _info(np.int8, 0.5, -3).to_raw(real)
    assert found.dtype == np.int8
    assert found.tolist() == [[-3, -1, -1, -3, -2, 127, -128, 127]]


def test_every_pixel_comes_back() -> None:
    pixels = np.arange(256, dtype=np.uint8).reshape(1, -1)
    found = _info(np.uint8, 1 / 255, 0).to_raw(pixels / np.float32(255))
    np.testing.assert_array_equal(found, pixels)


@settings(max_examples=200)
@given(
    hnp.arrays(np.float32, (1, 8), elements=st.floats(-1e6, 1e6, width=32)),
    st.sampled_from([np.uint8, np.int8, np.int16]),
    st.floats(1e-6, 1e3),
    st.integers(-128, 127),
)
def test_quantized_input_is_the_nearest_step(
    real: np.ndarray, dtype: type, scale: float, zero_point: int
) -> None:
    limits = np.iinfo(dtype)
    zero_point = max(zero_point, limits.min)
    found = _info(dtype, scale, zero_point).to_raw(real)
    exact = float(np.float32(scale))
    for value, quantized in zip(real.ravel(), found.ravel(), strict=True):
        by_hand = round(float(value) / exact) + zero_point  # Python rounds half to even
        assert quantized == min(max(by_hand, limits.min), limits.max)


def test_quiet_works_without_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(descriptor: int) -> int:
        raise OSError(9, "Bad file descriptor")

    monkeypatch.setattr(silence.os, "dup", closed)
    stream = io.StringIO()
    with contextlib.redirect_stdout(stream), silence.quiet():
        print("hidden")
    assert stream.getvalue() == ""


@pytest.mark.parametrize("recipe", conversion.RECIPES)
def test_the_reader_says_what_the_interpreter_says(recipe: str, files: dict[str, bytes]) -> None:
    model = litert.LiteModel(files[recipe], "reference")
    interpreter = model.interpreter
    details = {detail["index"]: detail for detail in interpreter.get_tensor_details()}
    assert list(details)[: len(model.tensors)] == [info.index for info in model.tensors]
    for info in model.tensors:
        theirs = details[info.index]
        parameters = theirs["quantization_parameters"]
        assert (info.name, info.dtype) == (theirs["name"], theirs["dtype"])
        np.testing.assert_array_equal(info.scales, parameters["scales"])
        np.testing.assert_array_equal(info.zero_points, parameters["zero_points"])
        assert info.axis in (None, parameters["quantized_dimension"])
    for info in model.constants():
        np.testing.assert_array_equal(model.value(info.index), interpreter.get_tensor(info.index))
    theirs = [(o["op_name"], *o["inputs"], *o["outputs"]) for o in interpreter._get_ops_details()]
    assert [(o.name, *o.inputs, *o.outputs) for o in model.operations] == theirs


def test_four_bit_weights_are_unpacked_and_called_so() -> None:
    import one_layer

    values = np.array([[1, -2, 7], [-8, 0, 3]], np.int8)
    packed = np.array([0xE1, 0x87, 0x30], np.uint8)
    tensors = one_layer.Tensor("x", 0.1, shape=(1, 3)), one_layer.Tensor("y", 0.1, shape=(1, 2))
    weights = one_layer.Tensor("w", [0.1], values=values)
    content = one_layer.dense(tensors[0], weights, None, tensors[1])
    from ai_edge_litert.tools import flatbuffer_utils

    model = flatbuffer_utils.read_model_from_bytearray(bytearray(content))
    stored = model.subgraphs[0].tensors[1]
    stored.type = one_layer.schema.TensorType.INT4
    model.buffers[stored.buffer].data = packed
    file = TfliteFile(bytes(flatbuffer_utils.convert_object_to_bytearray(model)))
    np.testing.assert_array_equal(file.value(file.operations[0].inputs[1]), values)
    assert file.stored().startswith("int4 weights")
    assert file.stored_bytes() == {"int4": 3}
