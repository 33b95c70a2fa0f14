"""The cures: a network that int8 breaks is mended, and what a layer costs alone is measured."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from qhelpers.arithmetic import ranges
from qhelpers.cli.main import main
from qhelpers.evaluation import layer_errors, metrics
from qhelpers.quantizer import cures, recipes, tasks, verdict
from qhelpers.quantizer.inspection import Support
from qhelpers.tflite import conversion, litert

pytest.importorskip("litert_quantizer")
INPUTS = np.random.default_rng(0).normal(0, 1, (200, 8, 8, 2)).astype(np.float32)


def build(outlier: float = 1.0) -> Any:
    """Two convolutions; one channel between them is `outlier` times as large as the others."""
    import keras

    keras.utils.set_random_seed(0)
    layers = keras.layers
    start = keras.Input((8, 8, 2), name="picture")
    x = layers.Conv2D(8, 3, activation="relu", name="first")(start)
    x = layers.Conv2D(8, 3, activation="relu", name="second")(x)
    x = layers.Dense(4, name="scores")(layers.Flatten(name="flat")(x))
    model = keras.Model(start, x, name="net")
    factor = np.ones(8, np.float32)
    factor[0] = outlier
    (kernel, bias), (after, other) = (model.get_layer(n).get_weights() for n in ("first", "second"))
    model.get_layer("first").set_weights([kernel * factor, bias * factor])
    model.get_layer("second").set_weights([after / factor[:, None], other])
    return model


@pytest.fixture(scope="module")
def broken() -> bytes:
    return conversion.convert(build(1000), "float32")


def test_the_broken_network_is_mended_and_the_lesser_evil_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    build(1000).save(tmp_path / "model.keras")
    np.savez(tmp_path / "x.npz", x=INPUTS)
    files = [str(tmp_path / "model.keras"), "--calibration", str(tmp_path / "x.npz")]
    assert main(["quantize", *files, "--recipes", "int8", "--out", str(tmp_path / "out")]) == 0
    text = (tmp_path / "out" / "scorecard.json").read_text(encoding="utf-8")
    card = json.loads(text)
    rows = {row["model"]: row for row in card["rows"]}
    assert rows["int8_cured"]["score"]["sqnr_db"] > rows["int8"]["score"]["sqnr_db"] + 10
    assert rows["int8_cured"]["bytes"] < 1.3 * rows["int8"]["bytes"]
    said = " ".join(capsys.readouterr().out.split())
    for words in ("ranges: least squared error: loses", "channels equalized: loses"):
        assert words in said
    assert "biases corrected" in said


def test_equalizing_changes_no_answer(broken: bytes) -> None:
    before = litert.opened(broken).run({"picture": INPUTS})
    content, ranges = cures._equalized(broken, {"picture": INPUTS})
    after = litert.opened(content).run({"picture": INPUTS})
    for name, values in before.items():
        np.testing.assert_allclose(after[name], values, rtol=1e-3, atol=1e-3)
    assert max(high for _, high in ranges.values()) < 100


def pooled(layers: Any, start: Any) -> Any:
    x = layers.MaxPooling2D()(layers.Conv2D(8, 3, activation="relu", name="one")(start))
    return layers.Dense(4, name="two")(layers.Flatten()(x))


def relu6(layers: Any, start: Any) -> Any:
    x = layers.ReLU(6.0)(layers.Conv2D(8, 3, name="one")(start))
    x = layers.ReLU(6.0)(layers.Conv2D(8, 1, name="two")(x))
    return layers.Dense(4)(layers.GlobalAveragePooling2D()(x))


def normalized(layers: Any, start: Any) -> Any:
    x = layers.Conv2D(8, 3, activation="relu", name="one")(start)
    x = layers.Conv2D(8, 3, padding="same")(layers.BatchNormalization(name="two")(x))
    return layers.Dense(4)(layers.GlobalAveragePooling2D()(x))


@pytest.mark.parametrize(
    ("net", "pair"),
    [
        (pooled, ("CONV_2D", "FULLY_CONNECTED")),
        (relu6, ("CONV_2D", "CONV_2D")),
        (normalized, ("CONV_2D", "MUL")),
    ],
)
def test_channels_are_equalized_through_what_lets_factors_pass(
    net: Any, pair: tuple[str, str]
) -> None:
    import keras

    keras.utils.set_random_seed(0)
    start = keras.Input((8, 8, 2), name="picture")
    model = keras.Model(start, net(keras.layers, start))
    factor = 2.0 ** np.arange(-7, 1).astype(np.float32)
    kernel, bias = model.get_layer("one").get_weights()
    model.get_layer("one").set_weights([kernel * factor, bias * factor])
    first, *rest = model.get_layer("two").get_weights()
    back = 1 / np.tile(factor, first.shape[-2] // 8 if first.ndim == 2 else 1)
    model.get_layer("two").set_weights([first * (back[:, None] if first.ndim > 1 else back), *rest])
    float32, few = conversion.convert(model, "float32"), {"picture": INPUTS[:100]}
    file = litert.LiteModel(float32)
    found = [tuple(file.operations[at].name for at in places) for places in cures._neighbours(file)]
    assert pair in found
    content, ranges = cures._equalized(float32, few)
    real, same = (litert.opened(c).run(few)["output_0"] for c in (float32, content))
    assert metrics.sqnr_db(real, same) > 100
    before = litert.opened(recipes.requantized(float32, "int8", few)).run(few)["output_0"]
    after = litert.opened(recipes.requantized(content, "int8", few, ranges=ranges)).run(few)
    assert metrics.sqnr_db(real, after["output_0"]) > metrics.sqnr_db(real, before) + 6


def test_a_mean_over_channels_lets_no_factor_pass() -> None:
    import keras

    start = keras.Input((8, 8, 2), name="picture")
    x = keras.layers.Conv2D(8, 1, activation="relu")(start)
    x = keras.layers.Dense(4)(keras.ops.mean(x, axis=-1))  # 8 columns, as many as channels
    file = litert.LiteModel(conversion.convert(keras.Model(start, x), "float32"))
    assert cures._neighbours(file) == []


def compared(float32: bytes, other: bytes) -> list[layer_errors.TensorError]:
    few = INPUTS[:40]
    return layer_errors.tensor_errors(float32, other, few, alone=True)


def test_a_layer_in_float32_is_really_float(broken: bytes) -> None:
    few = {"picture": INPUTS[:40]}
    errors = cures.compared(broken, recipes.requantized(broken, "int8", few), few)
    worst = cures._worst_layers(errors)[0]
    assert worst.name.startswith("second")
    kept = litert.opened(recipes.requantized(broken, "int8", few, keep=(worst.tensor,)))
    kinds = [kept.tensors[o.inputs[1]].kind for o in kept.operations if o.name == "CONV_2D"]
    assert sorted(kinds) == ["float32", "int8"]


def test_errors_of_a_layer_on_its_own() -> None:
    few = {"picture": INPUTS[:40]}
    whole = conversion.convert(build(), "float32")
    good = compared(whole, recipes.requantized(whole, "int8", few))
    assert [e.operation for e in good[:3]] == ["", "CONV_2D", "CONV_2D"]
    for error in good[1:3]:
        own, weights, inputs = (error.alone[n] for n in ("own", "weights", "inputs"))
        assert own < weights < 80
        assert own < inputs < 80
        assert own > error.sqnr_db - 1
        assert error.saturated == 0
    same = compared(whole, whole)
    assert all(e.sqnr_db == e.alone.get("own", math.inf) == math.inf for e in same)
    seen = recipes.extremes(recipes.activations(whole, few))
    narrow = {n: (v[0] / 4, v[1] / 4) for n, v in seen.items()}
    cut = compared(whole, recipes.requantized(whole, "int8", few, ranges=narrow))
    assert max(e.saturated for e in cut) > 0.01


def test_a_range_in_real_numbers() -> None:
    low, high = cures._ends(ranges.by_minmax(np.array([-1.0, 3.0])))
    assert (low, high) == pytest.approx((-1, 3), abs=4 / 255)
    assert high - low == pytest.approx(4)


def row(
    name: str, size: int, loss: float, most: float, slower: float = 1.0, micro: bool = True
) -> Any:
    return SimpleNamespace(
        model=name,
        score=tasks.Score(0.9 - loss, 0.8, 0.95, loss, -most, most, 0.3, 1, 30.0),
        bytes=size,
        smaller=1000 / size,
        latency_ratio=slower,
        microcontroller=Support(micro, "said", 10),
        facts={"Integers": "said"},
        floats=[] if name.startswith("int") else ["CONV_2D"],
    )


def test_the_verdict() -> None:
    rows = [
        row("float32", 1000, 0, 0.001),
        row("int8", 250, 0.005, 0.03, slower=3),
        row("dynamic_range", 300, 0.002, 0.008, micro=False),
        row("int16x8", 280, 0.2, 0.3, slower=30),
    ]
    found = verdict.choose(rows, "desktop", 0.01, "accuracy", 500)
    assert found.ship == "dynamic_range"
    assert "no difference can be shown" in " ".join(found.why)
    assert "With 95 % it loses 0.80% at most." in found.why
    found = verdict.choose(rows, "microcontroller", 0.01, "accuracy", 500)
    assert found.ship == "int8"
    assert "a loss of up to 3.00% cannot be excluded" in " ".join(found.why)
    found = verdict.choose(rows, "npu", 0.001, "accuracy", 500)
    assert found.ship is None
    assert "The nearest is int8, which loses 0.50% of accuracy." in found.why
    assert "bring +0.0 dB: the weights are to blame, or ranges that clip" in found.why[-1]
    rows[-1].score = dataclasses.replace(rows[-1].score, sqnr_db=34.0)
    won = verdict.choose(rows, "npu", 0.001, "accuracy", 500).why[-1]
    assert won.startswith("16-bit activations win 4.0 dB: better ranges")
    close = [rows[0], row("float16", 960, 0, 0.001)]
    assert verdict.choose(close, "phone", 0.01, "accuracy", 5).ship == "float32"
    assert verdict.choose(rows[:1], "npu", 0.01, "accuracy", 5).ship is None
    assert verdict.choose(rows[:1], "desktop", 0.01, "accuracy", 5).ship == "float32"
