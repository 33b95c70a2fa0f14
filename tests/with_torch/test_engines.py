"""Every engine of the machine is the oracle: NumPy has to give the same integers, all of them."""

import os
import platform
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction
from itertools import combinations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from qhelpers.pytorch import engines, networks
from qhelpers.pytorch.engines import Layer, Rule

ENGINES = [name for name in torch.backends.quantized.supported_engines if name != "none"]
ON_X86 = platform.machine().lower() in ("x86_64", "amd64")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")


@pytest.fixture(scope="module", params=ENGINES)
def followed(request):
    """Each engine, with the rule that it follows here."""
    try:
        return request.param, engines.followed(request.param)
    except ValueError as unknown:
        if ON_X86:
            raise
        pytest.skip(f"on {platform.machine()}: {unknown}")


@st.composite
def scales(draw):
    """A scale as an observer computes it (a float32), or as a user types it."""
    value = 10.0 ** draw(st.floats(-4, 0))
    return float(np.float32(value)) if draw(st.booleans()) else value


@st.composite
def cases(draw):
    """A layer and inputs; on request sums that lie almost half-way between two integers."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n, inputs, outputs = (draw(st.integers(1, most)) for most in (9, 70, 40))
    halves, per_channel = draw(st.booleans()), draw(st.booleans())
    largest = draw(st.sampled_from([1, 2, 8] if halves else [1, 20, 127]))
    weight = rng.integers(-largest - (largest == 127), largest + 1, (outputs, inputs))
    weight[rng.random(outputs) < 0.1] = 0
    input_scale, weight_scale = draw(scales()), np.asarray(draw(scales()))
    if per_channel:
        weight_scale = weight_scale * 2.0 ** rng.integers(-1, 2, outputs)
        weight_scale = weight_scale * (1 + rng.integers(-1, 2, outputs) * 2.0**-23)
    zero_point = draw(st.sampled_from([0, 0, 5, -128])) if largest < 127 else 0
    zero_points = np.full(weight_scale.shape, zero_point, np.int64)
    # From 1/16 to far above one: everything saturates, up to what leaves int32.
    ratio = 2.0 ** draw(st.integers(1, 4)) * (1 + draw(st.integers(-3, 3)) * 2.0**-24)
    if not halves:
        ratio = 10.0 ** draw(st.sampled_from([-9, -1, 0, 1, 2, 3]))
    bias = rng.integers(-40, 41, outputs) / 2 * (1 + rng.integers(-2, 3, outputs) * 2.0**-24)
    if not halves:
        bias = rng.normal(0, 1000, outputs)
    layer = Layer(
        "case",
        weight.astype(np.int8),
        weight_scale,
        zero_points,
        (bias * input_scale * weight_scale).astype(np.float32) if draw(st.booleans()) else None,
        input_scale,
        draw(st.integers(0, 20 if halves else 255)),
        float(np.float32(ratio * input_scale * np.median(weight_scale))),
        draw(st.integers(0, 255)),
        draw(st.booleans()),
    )
    return rng.integers(0, draw(st.sampled_from([2, 20, 128, 256])), (n, inputs), np.uint8), layer


# --- each engine, by the rule that it follows here --------------------------------------------


@settings(max_examples=100, deadline=None)
@given(case=cases())
def test_engine_computes_the_same_integers(followed, case):
    engine, rule = followed
    inputs, layer = case
    if engine == "onednn":
        layer = replace(layer, weight_zero_point=np.zeros_like(layer.weight_zero_point))
    theirs = engines.run(inputs, layer, engine)
    np.testing.assert_array_equal(engines.linear(inputs, layer, rule), theirs)


@pytest.mark.parametrize("shape", [(1, 784, 128), (300, 784, 128), (300, 128, 10), (70, 3000, 3)])
@pytest.mark.parametrize("per_channel", [True, False])
def test_engine_computes_the_same_integers_in_large_layers(followed, shape, per_channel):
    engine, rule = followed
    n, inputs, outputs = shape
    rng = np.random.default_rng(inputs)
    step = 0.0031 * (1 + rng.random(outputs)) if per_channel else np.asarray(0.0031)
    bias = rng.normal(0, 1, outputs).astype(np.float32)
    weight = rng.integers(-128, 128, (outputs, inputs), np.int8)
    zeros = np.zeros(step.shape, np.int64)
    layer = Layer("large", weight, step.astype(np.float64), zeros, bias, 0.02, 30, 0.5, 100, True)
    x = rng.integers(0, 256, (n, inputs), np.uint8)
    theirs = engines.run(x, layer, engine)
    np.testing.assert_array_equal(engines.linear(x, layer, rule), theirs)
    assert len(np.unique(theirs)) > 10, "not all clipped"


@pytest.mark.skipif(not ON_X86, reason="the instructions of x86 processors")
@pytest.mark.parametrize("instructions", [("AVX2", "AVX2"), ("AVX512_CORE", "AVX512")])
def test_engines_without_the_newest_instructions(instructions):
    """Both libraries can be told to do as on an older CPU; all of the above holds there too."""
    if "ONEDNN_MAX_CPU_ISA" in os.environ:
        return  # this is the process started below
    limits = dict(
        zip(("ONEDNN_MAX_CPU_ISA", "FBGEMM_ENABLE_INSTRUCTIONS"), instructions, strict=True)
    )
    code = (
        "import sys, pytest; from qhelpers.pytorch import engines\n"
        "for engine in ('x86', 'fbgemm', 'onednn'): print(engines.followed(engine))\n"
        "chosen = '-ksame_integers and not qnnpack'\n"
        "sys.exit(pytest.main(['-q', '-pno:cacheprovider', chosen, sys.argv[1]]))"
    )
    result = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, __file__],
        env=os.environ | limits,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.count("in 16 bits") == 3, result.stdout


def test_probes_tell_all_rules_apart():
    for engine in ("x86", "onednn"):
        for one, other in combinations(engines.rules(engine), 2):
            assert any(
                (engines.linear(x, layer, one) != engines.linear(x, layer, other)).any()
                for x, layer in engines.probes()
            ), f"{one} and {other}"


def test_unknown_rules_are_named(monkeypatch):
    monkeypatch.setattr(engines, "run", lambda x, layer, engine: np.zeros((len(x), 4), np.uint8))
    with pytest.raises(ValueError, match="here the engine x86 follows a rule that is not known"):
        engines.followed("x86")
    with pytest.raises(ValueError, match="'tpu' is not one of those known: x86"):
        engines.rules("tpu")


# --- the input, and a whole network ---------------------------------------------------------------


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32 - 1), scales(), st.integers(0, 255))
def test_input_is_quantized_as_pytorch_does(seed, scale, zero_point):
    rng = np.random.default_rng(seed)
    near_ties = (rng.integers(-300, 301, 300) / 2 * scale).astype(np.float32)
    wide = rng.normal(0, 1000 * scale, 40).astype(np.float32)
    real = np.concatenate([near_ties, np.nextafter(near_ties, np.float32(9)), wide])
    theirs = torch.quantize_per_tensor(torch.from_numpy(real), scale, zero_point, torch.quint8)
    ours = engines.quantize_input(real, scale, zero_point)
    np.testing.assert_array_equal(ours, theirs.int_repr().numpy())


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

    engine, rule = followed
    torch.manual_seed(0)
    x = torch.randn(1500, 784)
    network = tq.fuse_modules(networks.mlp(stubs=True).eval(), [["fc1", "relu"]])
    network = converted(engine, network, x)
    layers = engines.read(network)
    assert {name: layer.relu for name, layer in layers.items()} == {"fc1": True, "fc2": False}
    ours = engines.forward(x.numpy(), layers, rule)
    with engines.using(engine):
        theirs = {"input": network.quant(x)}
        theirs["fc1"] = network.fc1(theirs["input"])
        theirs["fc2"] = network.fc2(theirs["fc1"])
    assert list(ours) == list(theirs)
    for name, integers in theirs.items():
        np.testing.assert_array_equal(ours[name], integers.int_repr().numpy())


def test_layers_of_another_kind_are_named():
    from torch import nn
    from torch.ao import quantization as tq

    network = nn.Sequential(tq.QuantStub(), nn.Conv1d(1, 2, 3), tq.DeQuantStub())
    network = converted(ENGINES[0], network, torch.randn(5, 1, 9))
    with pytest.raises(ValueError, match="1 is a Conv1d: only int8 Linear"):
        engines.read(network)
    with pytest.raises(ValueError, match="in one place; this one does in 0"):
        engines.read(nn.Sequential(nn.Linear(2, 2)))


# --- by hand, and by exact arithmetic -------------------------------------------------------------


def small(**changes):
    layer = Layer(
        "small",
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


def test_one_value_by_hand():
    x = np.array([[255, 200, 3]], np.uint8)
    assert engines.sums(x, small()).tolist() == [[255 * 127 + 200 * 127 - 3]]
    assert engines.sums(x, small(), saturating=True).tolist() == [[32767 - 3]]
    # (57782 + 3 / 0.125) * 0.125 / 64 = 112.90; (32764 + 24) * 0.125 / 64 = 64.04
    for rounding in engines.ROUNDINGS:
        assert engines.linear(x, small(), Rule(rounding)).tolist() == [[123]]
        assert engines.linear(x, small(), Rule(rounding, True)).tolist() == [[74]]
        ends = [
            engines.linear(x, small(bias=np.array([b], np.float32), relu=True), Rule(rounding))
            for b in (-1e5, 1e5)
        ]
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
    layer = small(weight=weight, bias=None)
    expected = pairs.clip(-32768, 32767).sum(-1)
    np.testing.assert_array_equal(engines.sums(x, layer, saturating=True), expected)


def test_sums_are_exact_up_to_the_longest_layer():
    count = engines.MOST_INPUTS
    weight = np.full((2, count), -128, np.int8)
    weight[1] = np.random.default_rng(0).integers(-128, 128, count)
    layer = small(weight=weight, weight_zero_point=np.array([127, 127]), weight_scale=np.ones(2))
    x = np.full((1, count), 255, np.uint8)
    expected = 255 * (weight.astype(np.int64) - 127).sum(axis=1)
    assert engines.sums(x, layer).tolist() == [expected.tolist()]
    assert expected[0] == -255 * 255 * count >= -(2**31)
    with pytest.raises(ValueError, match="small: 33,026 inputs could overflow"):
        small(weight=np.zeros((1, count + 1), np.int8))


FLOATS = st.floats(-(2.0**40), 2.0**40, width=32)


def nearest_float32(exact):
    """Round a fraction once; halves go to the even last bit."""
    start = np.float32(float(exact))
    around = [
        np.nextafter(start, np.float32(-np.inf)),
        start,
        np.nextafter(start, np.float32(np.inf)),
    ]
    return min(around, key=lambda f: (abs(Fraction(float(f)) - exact), int(f.view(np.int32)) & 1))


@settings(max_examples=500)
@given(FLOATS, FLOATS, st.integers(-(2**31), 2**31).map(np.float32))
def test_fused_rounds_once(a, b, c):
    a, b, c = (np.array([value], np.float32) for value in (a, b, c))
    expected = nearest_float32(
        Fraction(float(a[0])) * Fraction(float(b[0])) + Fraction(float(c[0]))
    )
    assert engines._fused(a, b, c)[0] == expected


def test_fused_where_rounding_twice_fails():
    # a * b is 2^-54 short of 2^-24, and 2^-24 is half of the last bit of c: float64 loses the rest.
    a, b, c = np.array([[1 - 2**-15], [2**-24 + 2**-39], [1 + 2**-23]], np.float32)
    assert (a.astype(np.float64) * b + c).astype(np.float32) == 1 + 2**-22
    assert engines._fused(a, b, c) == 1 + 2**-23


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: small(weight=np.zeros((1, 3))), r"int8 \[outputs, inputs\]; got float64 \(1, 3\)"),
        (lambda: engines.sums(np.zeros((1, 3)), small()), "uint8 .n, 3.; got float64"),
        (lambda: engines.sums(np.zeros((1, 4), np.uint8), small()), r"got uint8 \(1, 4\)"),
        (
            lambda: engines.requantize(np.zeros((1, 1)), small(), Rule("ruy")),
            "no rounding 'ruy'; there are: fbgemm",
        ),
        (
            lambda: engines.requantize(
                np.zeros((1, 1)), small(weight_zero_point=np.asarray(1)), Rule("onednn")
            ),
            "onednn takes weights with zero point 0",
        ),
        (
            lambda: engines.requantize(
                np.zeros((1, 1)), small(bias=np.array([1e10], np.float32)), Rule("qnnpack")
            ),
            "do not fit 32 bits",
        ),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_importing_it_does_not_import_pytorch():
    code = "import qhelpers.pytorch.engines, sys; print('torch' in sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout == "False\n"
