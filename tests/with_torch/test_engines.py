"""Every engine of the machine is the oracle: the cells of notebook 22 give the same integers."""

import os
import platform
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import nbformat
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from qhelpers.lessons.lesson22 import exercises
from qhelpers.pytorch import engines, networks

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "22_pytorch_engines.ipynb"
ON_X86 = platform.machine().lower() in ("x86_64", "amd64")
OLDER = "ONEDNN_MAX_CPU_ISA" in os.environ
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")


def definitions():
    """Run the notebook's cells that define the arithmetic, and nothing else of it."""
    space = {"np": np, "torch": torch, "dataclass": dataclass, "__name__": "cells"}
    space |= {"engines": engines, "qnnpack": exercises.qnnpack}
    for cell in nbformat.read(NOTEBOOK, 4).cells:
        if "definitions" in cell.metadata.get("tags", []):
            exec(cell.source, space)
    return space


CELLS = definitions()
enter, finish, forward = CELLS["enter"], CELLS["finish"], CELLS["forward"]
sums, sums_in_pairs = CELLS["sums"], CELLS["sums_in_pairs"]
Layer, layers_of = CELLS["Layer"], CELLS["layers_of"]


def linear(x, layer, add, rule):
    return finish(rule(add(x, layer), layer), layer)


def run(inputs, layer, engine):
    """Run a layer through an engine: uint8 [n, inputs] to [n, outputs]."""
    weight = torch.from_numpy(layer.weight)
    if layer.weight_scale.ndim:
        scales = torch.from_numpy(layer.weight_scale)
        zero_points = torch.from_numpy(layer.weight_zero_point)
        weight = torch._make_per_channel_quantized_tensor(weight, scales, zero_points, 0)
    else:
        scale, zero_point = float(layer.weight_scale), int(layer.weight_zero_point)
        weight = torch._make_per_tensor_quantized_tensor(weight, scale, zero_point)
    x = torch._make_per_tensor_quantized_tensor(
        torch.from_numpy(inputs), layer.input_scale, layer.input_zero_point
    )
    operation = torch.ops.quantized.linear_relu if layer.relu else torch.ops.quantized.linear
    with engines.using(engine):
        packed = torch.ops.quantized.linear_prepack(weight, torch.from_numpy(layer.bias))
        return operation(x, packed, layer.scale, layer.zero_point).int_repr().numpy()


@pytest.fixture(scope="module", params=engines.supported())
def followed(request):
    """Each engine, with the width of its sums and the orders that it may take."""
    engine = request.param
    add = sums_in_pairs if CELLS["adds_pairs_in_16_bits"](engine) else sums
    return engine, add, CELLS["RULES"][engine]


def assert_same(found, layer, x, theirs):
    """One of the engine's orders gives the engine's integers."""
    _, add, rules = found
    ours = [linear(x, layer, add, rule) for rule in rules]
    if not ON_X86 and not any(np.array_equal(one, theirs) for one in ours):
        pytest.skip(f"another order than those known, on {platform.machine()}")
    assert any(np.array_equal(one, theirs) for one in ours)


@st.composite
def scales(draw):
    """A scale as an observer computes it: a float32."""
    return float(np.float32(10.0 ** draw(st.floats(-4, 0))))


@st.composite
def cases(draw, per_channel):
    """A layer and inputs; on request sums that lie almost halfway between two integers."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n, inputs, outputs = (draw(st.integers(1, most)) for most in (9, 70, 40))
    halves = draw(st.booleans())
    largest = draw(st.sampled_from([1, 2, 8] if halves else [1, 20, 127]))
    weight = rng.integers(-largest - (largest == 127), largest + 1, (outputs, inputs))
    weight[rng.random(outputs) < 0.1] = 0
    input_scale, weight_scale = draw(scales()), np.asarray(draw(scales()))
    if per_channel:
        weight_scale = weight_scale * 2.0 ** rng.integers(-1, 2, outputs)
        weight_scale = weight_scale * (1 + rng.integers(-1, 2, outputs) * 2.0**-23)
        weight_scale = weight_scale.astype(np.float32).astype(np.float64)
    ratio = 2.0 ** draw(st.integers(1, 4)) * (1 + draw(st.integers(-3, 3)) * 2.0**-24)
    if not halves:
        ratio = 10.0 ** draw(st.sampled_from([-1, 0, 1, 2, 3]))
    bias = rng.integers(-40, 41, outputs) / 2 * (1 + rng.integers(-2, 3, outputs) * 2.0**-24)
    if not halves:
        bias = rng.normal(0, 1000, outputs)
    layer = Layer(
        weight.astype(np.int8),
        weight_scale,
        np.zeros(weight_scale.shape, np.int64),
        (bias * input_scale * weight_scale).astype(np.float32) * draw(st.booleans()),
        input_scale,
        draw(st.integers(0, 20 if halves else 255)),
        float(np.float32(ratio * input_scale * np.median(weight_scale))),
        draw(st.integers(0, 255)),
        draw(st.booleans()),
    )
    return rng.integers(0, draw(st.sampled_from([2, 20, 128, 256])), (n, inputs), np.uint8), layer


# --- each engine, by the cells of the notebook ----------------------------------------------------


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_engine_computes_the_same_integers(followed, data):
    # As its own qconfig quantizes weights: qnnpack with one scale, the others with one a row.
    x, layer = data.draw(cases(per_channel=followed[0] != "qnnpack"))
    assert_same(followed, layer, x, run(x, layer, followed[0]))


@pytest.mark.parametrize("shape", [(1, 784, 128), (300, 784, 128), (300, 128, 10), (70, 3000, 3)])
def test_engine_computes_the_same_integers_in_large_layers(followed, shape):
    n, inputs, outputs = shape
    rng = np.random.default_rng(inputs)
    step = np.float32(0.0031) * np.ones(() if followed[0] == "qnnpack" else outputs)
    step = (step * (1 + rng.random(step.shape))).astype(np.float32).astype(np.float64)
    bias = rng.normal(0, 1, outputs).astype(np.float32)
    weight = rng.integers(-128, 128, (outputs, inputs), np.int8)
    zeros = np.zeros(step.shape, np.int64)
    scale = float(np.float32(0.02))
    layer = Layer(weight, step, zeros, bias, scale, 30, 0.5, 100, True)
    x = rng.integers(0, 256, (n, inputs), np.uint8)
    theirs = run(x, layer, followed[0])
    assert_same(followed, layer, x, theirs)
    assert len(np.unique(theirs)) > 10, "not all clipped"


@pytest.mark.skipif(not ON_X86, reason="the instructions of x86 processors")
@pytest.mark.skipif(OLDER, reason="this is the process that the test starts")
@pytest.mark.parametrize("instructions", [("AVX2", "AVX2"), ("AVX512_CORE", "AVX512")])
def test_engines_without_the_newest_instructions(instructions):
    """Both libraries can be told to do as on an older CPU; all of the above holds there too."""
    limits = dict(
        zip(("ONEDNN_MAX_CPU_ISA", "FBGEMM_ENABLE_INSTRUCTIONS"), instructions, strict=True)
    )
    chosen = ["-q", "-pno:cacheprovider", "-k(same_integers or narrow) and not qnnpack", __file__]
    result = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "pytest", *chosen],
        env=os.environ | limits,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.skipif(not OLDER, reason="runs in the process that the test above starts")
def test_sums_are_narrow_where_the_newest_instructions_are_missing():
    wide = [n for n in engines.supported() if not CELLS["adds_pairs_in_16_bits"](n)]
    assert set(wide) <= {"qnnpack"}


# --- the input, and a whole network ---------------------------------------------------------------


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32 - 1), scales(), st.integers(0, 255))
def test_input_is_quantized_as_pytorch_does(seed, scale, zero_point):
    rng = np.random.default_rng(seed)
    near_ties = (rng.integers(-300, 301, 300) / 2 * scale).astype(np.float32)
    wide = rng.normal(0, 1000 * scale, 40).astype(np.float32)
    real = np.concatenate([near_ties, np.nextafter(near_ties, np.float32(9)), wide])
    theirs = torch.quantize_per_tensor(torch.from_numpy(real), scale, zero_point, torch.quint8)
    np.testing.assert_array_equal(enter(real, scale, zero_point), theirs.int_repr().numpy())


def converted(engine, network, x):
    """Quantize a network for an engine, all eager steps."""
    from torch.ao import quantization as tq

    network.qconfig = tq.get_default_qconfig(engine)
    prepared = tq.prepare(network.eval())
    prepared(x)
    with engines.using(engine):
        return tq.convert(prepared)


def test_every_integer_of_a_network(followed):
    from torch.ao import quantization as tq

    engine, add, rules = followed
    torch.manual_seed(0)
    x = torch.randn(1500, 784)
    network = tq.fuse_modules(networks.mlp(stubs=True).eval(), [["fc1", "relu"]])
    network = converted(engine, network, x)
    layers = layers_of(network)
    assert {name: layer.relu for name, layer in layers.items()} == {"fc1": True, "fc2": False}
    with engines.using(engine):
        theirs = {"input": network.quant(x)}
        theirs["fc1"] = network.fc1(theirs["input"])
        theirs["fc2"] = network.fc2(theirs["fc1"])
    theirs = {name: integers.int_repr().numpy() for name, integers in theirs.items()}
    tried = [forward(x.numpy(), layers, add, rule) for rule in rules]
    assert list(tried[0]) == list(theirs)
    if ON_X86:
        assert any(all(np.array_equal(ours[n], theirs[n]) for n in theirs) for ours in tried)


def test_using_gives_back_the_engine_that_was_chosen():
    chosen = engines.choose()
    assert torch.backends.quantized.engine == chosen == engines.supported()[0]
    with pytest.raises(ZeroDivisionError), engines.using(engines.supported()[-1]):
        1 / 0  # noqa: B018
    assert torch.backends.quantized.engine == chosen


def test_no_engine_is_said_to_be_missing(monkeypatch):
    monkeypatch.setattr(engines, "supported", list)
    with pytest.raises(RuntimeError, match="has no engine for 8-bit layers"):
        engines.choose()


# --- by hand --------------------------------------------------------------------------------------


def small(**changes):
    layer = Layer(
        np.array([[127, 127, -1]], np.int8),
        np.asarray(0.5),
        np.asarray(0),
        np.array([3.0], np.float32),
        0.25,
        0,
        64.0,
        10,
    )
    return replace(layer, **changes)


@pytest.mark.parametrize("rule", [rule for rules in CELLS["RULES"].values() for rule in rules])
def test_one_value_by_hand(rule):
    x = np.array([[255, 200, 3]], np.uint8)
    assert sums(x, small()).tolist() == [[255 * 127 + 200 * 127 - 3]]
    assert sums_in_pairs(x, small()).tolist() == [[32767 - 3]]
    # (57782 + 3 / 0.125) * 0.125 / 64 = 112.90; (32764 + 24) * 0.125 / 64 = 64.04
    assert linear(x, small(), sums, rule).tolist() == [[123]]
    assert linear(x, small(), sums_in_pairs, rule).tolist() == [[74]]
    biases = [np.array([b], np.float32) for b in (-1e5, 1e5)]
    ends = [linear(x, small(bias=bias, relu=True), sums, rule) for bias in biases]
    assert [int(end[0, 0]) for end in ends] == [10, 255]


def test_pairs_are_clipped_at_both_ends():
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (50, 7), np.uint8)
    weight = rng.integers(-128, 128, (30, 7), np.int8)
    x8, w8 = (np.pad(a, ((0, 0), (0, 1))).astype(np.int64) for a in (x, weight))
    products = x8[:, None] * w8[None]
    pairs = products[..., ::2] + products[..., 1::2]
    assert pairs.max() > 32767
    assert pairs.min() < -32768
    expected = pairs.clip(-32768, 32767).sum(-1)
    np.testing.assert_array_equal(sums_in_pairs(x, small(weight=weight)), expected)
