"""`quantize` on the networks that people bring: which recipes work, and why one does not."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zoo

from qhelpers.cli.main import main
from qhelpers.quantizer import models, recipes, samples
from qhelpers.tflite import conversion
from qhelpers.tflite.file import TfliteFile, written

OPTIONS = {
    "dynamic_size": ["--shape", "12,12,1"],
    "custom": ["--custom-objects", "custom_layers:Swish"],
}
FAILS: dict[str, dict[str, str]] = {
    "mobilenet_v2": {"int16x8": "a bias is too large"},
    "mobilenet_v3": {"int16x8": "no 16-bit HARD_SWISH"},
}
"""Network -> recipe that fails -> words in its reason. The other recipes of the course work."""

BY_THE_OTHER_TOOL = {
    "tiny": {"dynamic_range": "leaves weights of fewer than 1,024 numbers"},
    "transformer": {"int8": "cannot express NEG", "int16x8": "no 16-bit NEG"},
    "embedding": {"int16x8": "cannot calibrate inputs of whole numbers"},
    "uint8_input": {"int16x8": "no 16-bit CAST"},
    "group_norm": {"int8": "cannot express", "int16x8": "no 16-bit"},
}
"""Network -> recipe that LiteRT Quantizer made -> why the converter did not."""

METRICS = {
    "regression": "explained variance",
    "unet": "right pixels",
    "several_labels": "right labels",
    "two_outputs": "explained variance v. float32, accuracy v. float32",
}


def run(name: str, folder: Path, *words: str) -> dict[str, Any]:
    """Quantize a network of the zoo, and return its scorecard."""
    model = zoo.build(name)
    model.save(folder / "model.keras")
    np.savez(folder / "x.npz", **zoo.data(model))
    files = [str(folder / "model.keras"), "--calibration", str(folder / "x.npz")]
    options = [*OPTIONS.get(name, []), "--cure", "never", "--out", str(folder / "out")]
    assert main(["quantize", *files, *options, *words]) == 0
    return json.loads((folder / "out" / "scorecard.json").read_text(encoding="utf-8"))


@pytest.mark.slow
@pytest.mark.parametrize("name", zoo.MODELS)
def test_every_network_is_quantized(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    card = run(name, tmp_path)
    rows = {row["model"]: row for row in card["rows"]}
    assert {"float16", "dynamic_range", "int8"} <= set(rows)
    failed = {one["recipe"]: one["why"] for one in card["failed"]}
    assert set(failed) == set(FAILS.get(name, {}))
    assert set(rows) | set(failed) == set(conversion.RECIPES)
    for recipe, words in FAILS.get(name, {}).items():
        assert words in failed[recipe]
    for recipe, words in BY_THE_OTHER_TOOL.get(name, {}).items():
        assert words in rows[recipe]["note"]
    if name in METRICS:
        assert card["metric"].startswith(METRICS[name])
    for recipe in set(rows) - {"float32"}:
        assert models.quantized(TfliteFile(tmp_path / "out" / f"{recipe}.tflite")), recipe
    assert card["layers"], "int8 is compared layer by layer"
    assert (rows["int8"]["score"]["sqnr_db"] or 100) > 5
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert 'class="verdict' in page
    assert capsys.readouterr().err == ""


def test_a_recipe_that_would_leave_all_weights_as_they_are(tmp_path: Path) -> None:
    made = recipes.make(loaded("tiny", tmp_path), ("dynamic_range",), zoo.data(zoo.build("tiny")))
    assert made[0].file is not None
    assert models.quantized(made[0].file)
    assert "leaves weights of fewer than 1,024 numbers as they are" in made[0].why


def test_the_keras_formats_and_a_saved_model_give_the_same(tmp_path: Path) -> None:
    model = zoo.two_inputs()
    model.save(tmp_path / "model.keras")
    model.save(tmp_path / "model.h5")
    model.export(tmp_path / "saved", format="tf_saved_model", verbose=False)
    found = []
    for name in ("model.keras", "model.h5", "saved"):
        work = tmp_path / f"work {name}"
        work.mkdir()
        made = models.load(tmp_path / name, work, {})
        assert [models.described(n, i) for n, i in made.file.ins.items()] == [
            "picture: float32 [n, 8, 8, 1]",
            "facts: float32 [n, 3]",
        ]
        found.append(made.file.run(zoo.data(model)))
    expected = np.asarray(model(list(zoo.data(model).values())))
    for outputs in found:
        np.testing.assert_allclose(outputs["output_0"], expected, atol=1e-5)


def written_by_keras_2(path: Path, *more: dict[str, Any]) -> None:
    """Change an .h5 file of Keras 3 into what tf.keras 2.4 to 2.15 wrote."""
    import h5py

    def older(part: dict[str, Any]) -> dict[str, Any]:
        if "batch_shape" in part:
            part["batch_input_shape"] = part.pop("batch_shape")
        if isinstance(part.get("dtype"), dict):
            part["dtype"] = part["dtype"]["config"]["name"]
        kind, config = part.get("class_name", ""), part.get("config", {})
        if "Conv2D" in kind:
            config["groups"] = 1
        if kind == "SeparableConv2D":
            config |= {f"kernel_{n}": None for n in ("initializer", "regularizer", "constraint")}
        if kind == "LSTM":
            config["time_major"] = False
        return part

    with h5py.File(path, "r+") as stored:
        config = json.loads(stored.attrs["model_config"], object_hook=older)
        config["config"]["layers"] += more
        stored.attrs["model_config"] = json.dumps(config)
        stored.attrs["keras_version"] = "2.15.0"


def test_a_file_of_keras_2(tmp_path: Path) -> None:
    import keras
    from keras import layers

    start = keras.Input((8, 8, 3), name="picture")
    x = layers.DepthwiseConv2D(3, name="depthwise")(start)
    x = layers.Conv2DTranspose(4, 2, strides=2)(layers.SeparableConv2D(4, 3)(x))
    x = layers.Dense(3)(layers.LSTM(5)(layers.Reshape((8, 32))(x)))
    model = keras.Model(start, x)
    model.save(tmp_path / "model.h5")
    written_by_keras_2(tmp_path / "model.h5")
    with pytest.raises(TypeError, match="groups"):
        keras.models.load_model(tmp_path / "model.h5")
    (tmp_path / "work").mkdir()
    made = models.load(tmp_path / "model.h5", tmp_path / "work", {})
    pictures = zoo.data(model)
    expected = np.asarray(model(pictures["picture"]))
    np.testing.assert_allclose(made.file.run(pictures)["output_0"], expected, atol=1e-5)


def test_a_saved_model_with_the_state_of_an_old_optimizer(tmp_path: Path) -> None:
    import tensorflow as tf

    class Trained(tf.Module):
        """What Keras 2 saved: variables, and slots of an optimizer for them."""

        def __init__(self) -> None:
            super().__init__()
            self.kernel, self.slot = tf.Variable(np.eye(2, dtype="f")), tf.Variable(np.eye(2))

        @tf.function(input_signature=[tf.TensorSpec([None, 2], tf.float32, name="x")])
        def __call__(self, x: Any) -> Any:
            return x @ self.kernel

    module = Trained()
    tf.saved_model.save(module, str(tmp_path / "saved"), signatures=module.__call__)
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    graph = tmp_path / "saved" / "saved_model.pb"
    stored = SavedModel.FromString(graph.read_bytes())
    nodes = stored.meta_graphs[0].object_graph_def.nodes
    ends = {child.local_name: child.node_id for child in nodes[0].children}
    nodes[0].slot_variables.add(
        original_variable_node_id=ends["kernel"], slot_name="m", slot_variable_node_id=ends["slot"]
    )
    graph.write_bytes(stored.SerializeToString())
    with pytest.raises(AttributeError, match="add_slot"):
        tf.saved_model.load(str(tmp_path / "saved"))
    (tmp_path / "work").mkdir()
    made = models.load(tmp_path / "saved", tmp_path / "work", {})
    x = np.ones((3, 2), np.float32)
    np.testing.assert_array_equal(next(iter(made.file.run({"x": x}).values())), x)


def test_an_old_tflite_file(tmp_path: Path) -> None:
    pytest.importorskip("litert_quantizer")
    model = zoo.resnet()
    old = TfliteFile(conversion.convert(model, "float32"))
    for code in old.schema.operatorCodes:
        code.deprecatedBuiltinCode, code.builtinCode = code.builtinCode, 0
    old.schema.signatureDefs = None
    (tmp_path / "model.tflite").write_bytes(written(old.schema))
    made = models.load(tmp_path / "model.tflite", tmp_path, {})
    for one in recipes.make(made, ("dynamic_range", "int8", "float16"), zoo.data(model)):
        assert one.file is not None
        assert models.quantized(one.file)


def test_an_open_size_is_fixed_in_a_saved_model_and_in_a_tflite_file(tmp_path: Path) -> None:
    import tensorflow as tf

    model = zoo.dynamic_size()
    model.export(tmp_path / "saved", format="tf_saved_model", verbose=False)
    converter = tf.lite.TFLiteConverter.from_saved_model(str(tmp_path / "saved"))
    (tmp_path / "model.tflite").write_bytes(converter.convert())
    pictures = zoo.data(model)["picture"]
    for name in ("saved", "model.tflite"):
        with pytest.raises(ValueError, match="has an open size"):
            models.load(tmp_path / name, tmp_path, {})
        made = models.load(tmp_path / name, tmp_path, {"": (12, 12, 1)})
        (port, info), *_ = made.file.ins.items()
        assert info.shape == (1, 12, 12, 1)
        outputs = made.file.run({port: pictures})
        expected = np.asarray(model(pictures))
        np.testing.assert_allclose(next(iter(outputs.values())), expected, atol=1e-5)
        assert (
            len({name for name, _ in recipes.activations(made.file.content, {port: pictures})}) > 3
        )
        int8 = recipes.make(made, ("int8",), {port: pictures})[0]
        assert int8.file is not None


def test_a_tflite_file_is_quantized_and_a_quantized_one_is_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("litert_quantizer")
    run("resnet", tmp_path, "--recipes", "float16")
    capsys.readouterr()
    float32, half = (tmp_path / "out" / f"{n}.tflite" for n in ("float32", "float16"))
    words = ["--calibration", str(tmp_path / "x.npz"), "--recipes", "all"]
    out = tmp_path / "again"
    assert main(["quantize", str(float32), *words, "--out", str(out)]) == 0
    made = {path.stem for path in out.glob("*.tflite")}
    assert {"dynamic_range", "float16", "int8", "int16x8", "dynamic_int8", "int4"} <= made
    assert "int16x8_bias32: failed. LiteRT Quantizer has no recipe" in capsys.readouterr().out
    assert main(["quantize", str(half), *words, "--out", str(tmp_path / "no")]) == 1
    assert "it is quantized already (float16 weights" in capsys.readouterr().err


def strings(path: Path) -> None:
    import keras

    words = keras.Input((), dtype="string", name="text")
    table = keras.layers.TextVectorization(max_tokens=4, vocabulary=["a", "b"], output_mode="int",
                                           output_sequence_length=3)  # fmt: skip
    x = keras.layers.Flatten()(keras.layers.Embedding(4, 2)(table(words)))
    keras.Model(words, keras.layers.Dense(2)(x)).save(path / "model.keras")


def open_size(path: Path) -> None:
    zoo.dynamic_size().save(path / "model.keras")


def stateful(path: Path) -> None:
    import keras

    start = keras.Input(batch_shape=(1, 4, 2))
    keras.Model(start, keras.layers.LSTM(3, stateful=True)(start)).save(path / "model.keras")


def own_layer(path: Path) -> None:
    zoo.custom().save(path / "model.keras")
    with zipfile.ZipFile(path / "model.keras") as archive:
        parts = {n: archive.read(n) for n in archive.namelist()}
    parts["config.json"] = parts["config.json"].replace(b"Swish", b"Swosh")
    with zipfile.ZipFile(path / "model.keras", "w") as archive:
        for name, part in parts.items():
            archive.writestr(name, part)


def lambda_h5(path: Path) -> None:
    import keras

    net = [keras.Input((4,)), keras.layers.Lambda(lambda x: x + 1), keras.layers.Dense(2)]
    keras.Sequential(net).save(path / "model.h5")


def weights_h5(path: Path) -> None:
    zoo.tiny().save_weights(path / "model.weights.h5")


def functions_h5(path: Path) -> None:
    zoo.tiny().save(path / "model.h5")
    call = {"name": "tf.nn.relu", "trainable": True, "dtype": "float32", "function": "nn.relu"}
    written_by_keras_2(
        path / "model.h5",
        {"class_name": "TFOpLambda", "config": call, "name": "tf.nn.relu", "inbound_nodes": []},
    )


def not_h5(path: Path) -> None:
    (path / "model.h5").write_bytes(b"hello")


def reading_files(path: Path) -> None:
    import tensorflow as tf

    class Reads(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None, 2], tf.float32)])
        def run(self, x: Any) -> Any:
            text = tf.io.read_file("/etc/hostname")
            return x + tf.cast(tf.strings.length(text), tf.float32)

    tf.saved_model.save(Reads(), str(path / "saved"))


def no_saved_model(path: Path) -> None:
    (path / "folder").mkdir()


def not_tflite(path: Path) -> None:
    (path / "model.tflite").write_bytes(b"hello, world")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (strings, "the input 'text' takes strings"),
        (open_size, "has an open size, [None, None, 1]. Fix it: --shape 64,64,1"),
        (own_layer, "has a layer 'Swosh' of your own. Name it: --custom-objects module:Swosh"),
        (lambda_h5, "holds a Lambda layer, which is code, and code is not loaded"),
        (weights_h5, "holds weights without a model"),
        (not_h5, "is damaged or not an .h5 file"),
        (reading_files, "run code or touch files, and is not loaded: ReadFile"),
        (no_saved_model, "a folder without saved_model.pb"),
        (stateful, "keeps a state between calls. Build it with stateful=False"),
        (functions_h5, "calls TensorFlow's functions as Keras 2 alone can. Where it was made"),
        (not_tflite, "not a .tflite file"),
    ],
)
def test_models_that_are_refused(
    make: Any, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make(tmp_path)
    path = next(tmp_path.iterdir())
    np.savez(tmp_path / "x.npz", x=np.zeros((4, 2), np.float32))
    words = ["--calibration", str(tmp_path / "x.npz"), "--out", str(tmp_path / "out")]
    assert main(["quantize", str(path), *words]) == 1
    said = capsys.readouterr().err
    assert message in said
    assert len(said.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


def loaded(name: str, tmp_path: Path) -> models.Model:
    """Return a network of the zoo as the command loads it."""
    zoo.build(name).save(tmp_path / "model.keras")
    (tmp_path / "work").mkdir()
    return models.load(tmp_path / "model.keras", tmp_path / "work", {})


def test_inputs_are_judged_by_the_model(tmp_path: Path) -> None:
    model = loaded("rescaling", tmp_path)
    path = tmp_path / "x.npz"
    pixels = np.random.default_rng(0).integers(0, 256, (120, 8, 8, 1))
    np.savez(path, x=pixels.astype(np.uint8))
    found = samples.read(model, path)
    assert found.calibration["picture"].dtype == np.float32
    assert found.warnings == ()
    np.savez(path, x=(pixels / 255).astype(np.float32))
    assert "Were they divided twice?" in " ".join(samples.read(model, path).warnings)


@pytest.mark.parametrize(("most", "warned"), [(1.0, False), (255.0, True)])
def test_a_normalization_layer_says_what_it_expects(
    most: float, warned: bool, tmp_path: Path
) -> None:
    import keras

    start = keras.Input((8,), name="facts")
    scaling = keras.layers.Normalization(mean=[most / 2] * 8, variance=[(most / 3) ** 2] * 8)
    keras.Model(start, keras.layers.Dense(2)(scaling(start))).save(tmp_path / "model.keras")
    model = models.load(tmp_path / "model.keras", tmp_path, {})
    np.savez(tmp_path / "x.npz", x=np.random.default_rng(0).random((120, 8), np.float32))
    said = " ".join(samples.read(model, tmp_path / "x.npz").warnings)
    assert ("Were they divided twice?" in said) == warned


def test_what_the_first_normalization_saw(tmp_path: Path) -> None:
    import keras

    rng = np.random.default_rng(0)
    start = keras.Input((8,), name="facts")
    x = keras.layers.BatchNormalization(momentum=0.1)(keras.layers.Dense(4)(start))
    model = keras.Model(start, keras.layers.Dense(2)(x))
    seen = rng.uniform(0, 1, (200, 8)).astype(np.float32)
    model.compile("sgd", "mse")
    model.fit(seen, np.zeros((200, 2)), epochs=2, verbose=0)
    model.save(tmp_path / "model.keras")
    (tmp_path / "work").mkdir()
    ready = models.load(tmp_path / "model.keras", tmp_path / "work", {})
    path = tmp_path / "x.npz"
    np.savez(path, x=seen)
    assert samples.read(ready, path).warnings == ()
    np.savez(path, x=255 * seen)
    assert "unlike those of the training" in " ".join(samples.read(ready, path).warnings)


def test_whole_numbers_stay_within_the_embedding(tmp_path: Path) -> None:
    model, path = loaded("embedding", tmp_path), tmp_path / "x.npz"
    np.savez(path, x=np.full((60, 10), 49))
    assert "are the same" in " ".join(samples.read(model, path).warnings)
    np.savez(path, x=np.full((60, 10), 50))
    with pytest.raises(ValueError, match="0 to 49; got 50 to 50"):
        samples.read(model, path)
    np.savez(path, x=np.full((60, 10), 1.5))
    with pytest.raises(ValueError, match=r"got float64. Use .astype\('int32'\)"):
        samples.read(model, path)


def test_a_folder_of_images(tmp_path: Path) -> None:
    from PIL import Image

    model = loaded("resnet", tmp_path)
    for name in ("cats", "dogs"):
        (tmp_path / "x" / name).mkdir(parents=True)
        for i in range(3):
            shade = 255 if name == "dogs" else 0
            Image.new("L", (9, 20), shade).save(tmp_path / "x" / name / f"{i}.png")
    with pytest.raises(ValueError, match="say what black and white were in training: --scale"):
        samples.read(model, tmp_path / "x")
    found = samples.read(model, tmp_path / "x", scale=(-1, 1))
    pictures, classes = found.evaluation["picture"], found.labels[""]
    assert pictures.shape == (3, 16, 16, 3)
    for picture, label in zip(pictures, classes, strict=True):
        assert (picture == (1 if label else -1)).all()
    (tmp_path / "x" / "cats" / "broken.png").write_bytes(b"hello")
    with pytest.raises(ValueError, match=r"broken\.png is no image that can be read"):
        samples.read(model, tmp_path / "x", scale=(0, 1))
