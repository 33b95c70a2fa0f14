"""Whole networks, published ones and Keras' own, in NumPy against every engine: every byte."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zoo

from qhelpers.tflite import conversion, litert, microcontroller
from qhelpers.tflite.numpy_network import NumpyNetwork, UnknownStepError

Array = np.ndarray[Any, Any]
ROOT = Path(__file__).resolve().parent.parent
TINY = next(
    (d for p in ROOT.parents[:2] if (d := p / "shared" / "data" / "mlperf-tiny").is_dir()), None
)
ENGINES = ("reference", "optimized", "xnnpack", "micro")


def inputs(network: NumpyNetwork, count: int) -> Array:
    """Random inputs: some over the whole range, some like a picture, smooth and in a part of it."""
    info, rng = network.file.inputs[0], np.random.default_rng(0)
    shape = (count, *info.shape[1:])
    reals = rng.random(shape, dtype=np.float32)
    reals[1::2] = np.cumsum(reals[1::2] - 0.5, axis=1, dtype=np.float32) * 0.1 + 0.5
    if info.dtype == np.float32:
        return reals
    limits = np.iinfo(info.dtype)
    whole = np.rint(limits.min + reals * (limits.max - limits.min))
    return np.clip(whole, limits.min, limits.max).astype(info.dtype)


def agree(content: bytes, engine: str, count: int) -> None:
    if engine == "micro" and not microcontroller.available():
        pytest.skip("tflite-micro is not installed")
    network = NumpyNetwork(content, engine)
    raw = inputs(network, count)
    if engine == "micro":
        wanted = microcontroller.MicroModel(content).run_raw(raw)
    else:
        wanted = litert.LiteModel(content, engine=engine).run_raw(raw)
    got = network.run(raw)
    assert (got.dtype, got.shape) == (wanted.dtype, wanted.shape)
    assert np.array_equal(got, wanted), f"{(got != wanted).sum()} of {got.size} differ"
    assert len(np.unique(wanted)) > min(20, count // 3), "outputs that say something"


@pytest.mark.slow
@pytest.mark.skipif(TINY is None, reason="MLPerf Tiny's files are not here")
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", ["ad01_int8", "kws_ref_model", "pretrainedResnet_quant"])
def test_mlperf_tiny_on_a_thousand_inputs(name: str, engine: str) -> None:
    assert TINY is not None
    agree((TINY / f"{name}.tflite").read_bytes(), engine, 1000)


def branches(batch: int | None = 1) -> Any:
    """What the networks of `keras.applications` leave out, in a graph that branches and joins.

    Where the batch is open, the converter writes dilation as SPACE_TO_BATCH_ND.
    """
    from keras import Input, layers

    start = Input((16, 16, 4), batch_size=batch)
    x = layers.LeakyReLU(negative_slope=0.1)(layers.Conv2D(8, 3, groups=2, padding="same")(start))
    y = layers.DepthwiseConv2D(3, padding="same", dilation_rate=2, depth_multiplier=2)(x)
    y = layers.PReLU("random_normal", shared_axes=[1, 2])(y)
    y = layers.Subtract()([y, layers.Conv2D(16, 3, dilation_rate=(3, 2), padding="same")(x)])
    z = layers.AveragePooling2D(3, 2, padding="same")(layers.ZeroPadding2D((0, 1))(x))
    z = layers.Conv2DTranspose(16, 3, strides=2, padding="same", activation="tanh")(z)
    z = layers.Cropping2D(((0, 0), (1, 3)))(layers.UpSampling2D(interpolation="bilinear")(z))
    y = layers.Multiply()([y, layers.MaxPooling2D((2, 2))(z)])
    both = layers.Concatenate()([layers.GlobalAveragePooling2D()(y), layers.Flatten()(x)])
    return zoo._net(start, layers.Dense(5, activation="softmax")(layers.ReLU(6)(both)))


def attention() -> Any:
    """Products of two tensors that are both computed."""
    from keras import Input, layers

    start = Input((8, 16), batch_size=1)
    x = layers.Add()([start, layers.MultiHeadAttention(2, 8)(start, start)])
    return zoo._net(start, layers.Dense(3)(layers.GlobalAveragePooling1D()(x)))


NETWORKS: dict[str, Callable[[], Any]] = {
    "MobileNetV2": zoo.mobilenet_v2,
    "MobileNetV3Small": zoo.mobilenet_v3,
    "EfficientNetB0": zoo.efficientnet,
    "ResNet": zoo.resnet,
    "branches": branches,
    "attention": attention,
    "branches, open batch": lambda: branches(None),
}


@pytest.fixture(scope="module")
def converted() -> Callable[[str, str], bytes]:
    files: dict[tuple[str, str], bytes] = {}

    def convert(name: str, recipe: str) -> bytes:
        if (name, recipe) not in files:
            model = zoo.with_statistics(NETWORKS[name])
            few = np.random.default_rng(2).random((16, *model.inputs[0].shape[1:]))
            files[name, recipe] = conversion.convert(model, recipe, few.astype(np.float32))
        return files[name, recipe]

    return convert


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("name", "recipe"),
    [(name, "int8") for name in NETWORKS]
    + [(name, "int16x8") for name in ("MobileNetV2", "EfficientNetB0", "ResNet", "attention")],
)
def test_networks_from_keras(
    name: str, recipe: str, engine: str, converted: Callable[[str, str], bytes]
) -> None:
    """The converter takes hard-swish and PReLU, which are in the others, to 8 bits only."""
    content = converted(name, recipe)
    if engine == "micro" and "open" in name:
        with pytest.raises(UnknownStepError, match=r"SPACE_TO_BATCH_ND.*the batch is open"):
            NumpyNetwork(content, engine)
    else:
        agree(content, engine, 100)
