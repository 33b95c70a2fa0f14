"""The cures: a network that int8 breaks is mended, and what a layer costs alone is measured."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qhelpers.cli.main import main
from qhelpers.quantizer import cures, layers, recipes, tasks, verdict
from qhelpers.quantizer.inspection import Support
from qhelpers.quantizer.running import Runner
from qhelpers.tflite import conversion

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
    assert rows["int8_cured"]["sqnr_db"] > rows["int8"]["sqnr_db"] + 10
    assert rows["int8_cured"]["bytes"] < 1.3 * rows["int8"]["bytes"]
    said = " ".join(capsys.readouterr().out.split())
    for words in ("ranges: least squared error: loses", "channels equalized: loses"):
        assert words in said
    assert "biases corrected" in said


def test_equalizing_changes_no_answer(broken: bytes) -> None:
    before = Runner(broken).run({"picture": INPUTS})
    after = Runner(cures._equalized(broken, {"picture": INPUTS})).run({"picture": INPUTS})
    for name, values in before.items():
        np.testing.assert_allclose(after[name], values, rtol=1e-3, atol=1e-3)


def test_a_layer_in_float32_is_really_float(broken: bytes) -> None:
    few = {"picture": INPUTS[:40]}
    worst = layers.worst(layers.compare(broken, recipes.requantized(broken, "int8", few), few))
    assert worst is not None
    assert worst.name.startswith("second")
    kept = recipes.requantized(broken, "int8", few, keep=(worst.tensor,))
    floats = [o for o in Runner(kept).operations if o.name == "CONV_2D"]
    kinds = [Runner(kept).tensors[o.inputs[1]].kind for o in floats]
    assert sorted(kinds) == ["float32", "int8"]


def test_errors_of_a_layer_on_its_own(broken: bytes) -> None:
    few = {"picture": INPUTS[:40]}
    whole = conversion.convert(build(), "float32")
    good = layers.compare(whole, recipes.requantized(whole, "int8", few), few)
    assert [e.operation for e in good[:2]] == ["CONV_2D", "CONV_2D"]
    for error in good[:2]:
        own, weights, activations, arrived = (
            error.errors[n] for n in ("own", "weights", "activations", "arrived")
        )
        assert 0 < weights < own
        assert 0 < activations < own
        assert own < 1.2 * arrived
        assert error.saturated == 0
    same = layers.compare(whole, whole, few)
    assert all(e.errors["arrived"] == e.errors["own"] == 0 for e in same)
    narrow = {n: (v[0] / 4, v[1] / 4) for n, v in recipes.extremes(whole, few).items()}
    cut = layers.compare(whole, recipes.requantized(whole, "int8", few, ranges=narrow), few)
    assert max(e.saturated for e in cut) > 0.01


def test_ranges() -> None:
    values = np.concatenate([np.random.default_rng(0).normal(0, 1, 200_000), [60.0]])
    low, high = cures._least_error(values.astype(np.float32))
    assert 30 < high < 58
    assert low <= 0
    assert max(map(abs, cures._percentile(values))) < 10
    assert cures._least_error(np.zeros(4, np.float32)) == (0.0, 0.0)


def row(
    name: str, size: int, loss: float, most: float, slower: float = 1.0, micro: bool = True
) -> Any:
    from types import SimpleNamespace

    score = tasks.Score(0.9 - loss, 0.8, 0.95, loss, -most, most, 0.3, 1, 30.0)
    return SimpleNamespace(
        name=name,
        score=score,
        runner=SimpleNamespace(content=bytes(size)),
        time=SimpleNamespace(ratio=slower),
        micro=Support(micro, "said", 10),
        integer_only=name.startswith("int"),
    )


def test_the_verdict() -> None:
    rows = [
        row("float32", 1000, 0, 0.001),
        row("int8", 250, 0.005, 0.03, slower=3),
        row("dynamic_range", 300, 0.002, 0.008, micro=False),
        row("int16x8", 280, 0.2, 0.3, slower=30),
    ]
    found = verdict.choose(rows, "desktop", 0.01, "accuracy", 500)
    assert found.name == "dynamic_range"
    assert "no difference can be shown" in " ".join(found.sentences)
    assert "With 95 % it loses 0.80% at most." in found.sentences
    found = verdict.choose(rows, "microcontroller", 0.01, "accuracy", 500)
    assert found.name == "int8"
    assert "a loss of up to 3.00% cannot be excluded" in " ".join(found.sentences)
    found = verdict.choose(rows, "npu", 0.001, "accuracy", 500)
    assert found.name is None
    assert "The nearest is int8, which loses 0.50% of accuracy." in found.sentences
    assert verdict.choose(rows[:1], "npu", 0.01, "accuracy", 5).name is None
    assert verdict.choose(rows[:1], "desktop", 0.01, "accuracy", 5).name == "float32"
