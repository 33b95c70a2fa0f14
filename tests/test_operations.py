"""Operations against the engines: one-operation files of random shapes, scales and integers."""

from __future__ import annotations

import platform
from typing import Any

import numpy as np
import one_layer
import pytest
from float_rules import float_rules_here
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from one_layer import Tensor, schema

from qhelpers.arithmetic import integer_ops
from qhelpers.tflite import litert, microcontroller
from qhelpers.tflite.numpy_network import NumpyNetwork, UnknownStepError

Array = np.ndarray[Any, Any]
LIMITS = {np.int8: (-128, 127), np.int16: (-32768, 32767)}
ALL = ("reference", "optimized", "xnnpack", "micro")
LITERT = ALL[:3]
seeds = st.integers(0, 2**32 - 1)
types = st.sampled_from([np.int8, np.int16])
pairs = st.tuples(st.integers(1, 3), st.integers(1, 3))
paddings = st.sampled_from(["SAME", "VALID"])
activations = st.sampled_from([0, 0, 1, 2, 3])


def examples(count: int) -> Any:
    checks = [HealthCheck.filter_too_much, HealthCheck.too_slow]
    return settings(max_examples=count, deadline=None, suppress_health_check=checks)


def agree(content: bytes, raw: Array, engines: tuple[str, ...] = ALL) -> None:
    """Hold the NumPy network against engines that take the file, byte for byte."""
    for engine in engines:
        if engine == "micro":
            if not microcontroller.available():
                continue
            wanted = microcontroller.MicroModel(content).run_raw(raw)
        else:
            # One by one: the last numbers of a sample are left over from the vectors.
            model = litert.LiteModel(content, engine=engine)
            wanted = np.concatenate([model.run_raw(one[None]) for one in raw])
        got = NumpyNetwork(content, engine).run(raw)
        assert got.dtype == wanted.dtype
        apart = np.argwhere(got != wanted)
        assert not len(apart), (
            f"{engine}: {len(apart)} of {got.size}, first at {apart[0]}: "
            f"{got[tuple(apart[0])]}, not {wanted[tuple(apart[0])]}"
        )


def options(name: str, **fields: Any) -> Any:
    made = getattr(schema, f"{name}OptionsT")()
    for field, value in fields.items():
        assert hasattr(made, field), field
        setattr(made, field, value)
    return made


def integers(rng: Any, shape: tuple[int, ...], dtype: Any) -> Array:
    """Random integers, of which a part sits at the ends of the range or next to 0."""
    low, high = LIMITS[dtype]
    values = rng.integers(low, high + 1, shape)
    if rng.random() < 0.3:
        values = values // rng.integers(2, 40)
    ends = rng.choice([low, high, 0], shape)
    return np.where(rng.random(shape) < rng.choice([0.0, 0.1, 0.9]), ends, values).astype(dtype)


def scale(rng: Any, low: float, high: float) -> np.float32:
    """A random scale; some are powers of two, where halves are many."""
    power = rng.uniform(low, high)
    return np.float32(2.0 ** (np.round(power) if rng.random() < 0.3 else power))


def close(rng: Any, other: Any) -> np.float32:
    """A scale whose ratio to another one is 1, or the next float32 above or below it."""
    ratio = np.nextafter(np.float32(1), np.float32(rng.choice([0, 1, 2])))
    return np.float32(np.float32(other) * ratio)


def zero(rng: Any, dtype: Any) -> int:
    if rng.random() < 0.3:
        return 0 if dtype == np.int16 else int(rng.choice([-128, 0, 127]))
    return 0 if dtype == np.int16 else int(rng.integers(-128, 128))


def tensor(rng: Any, name: str, dtype: Any, shape: tuple[int, ...], *power: float) -> Tensor:
    low, high = power or (-6, 1)
    return Tensor(name, scale(rng, low, high), zero(rng, dtype), None, shape, dtype)


def windows(kind: str, stride: Any, padding: str, **more: Any) -> Any:
    down, across = stride
    return options(
        kind, strideH=down, strideW=across, padding=getattr(schema.Padding, padding), **more
    )


def out_shape(shape: Any, size: Any, stride: Any, padding: str, dilation: Any = (1, 1)) -> Any:
    """The height and width of what windows give; a test that has none is left out."""
    from hypothesis import assume

    spans = [(k - 1) * d + 1 for k, d in zip(size, dilation, strict=True)]
    assume(padding == "SAME" or all(a >= b for a, b in zip(shape, spans, strict=True)))
    images = np.zeros((1, *shape, 1), np.int8)
    return integer_ops.windows(images, size, stride, padding, dilation, 0)[0][0].shape[1:3]


def weighted(
    rng: Any, dtype: Any, kernel: tuple[int, ...], count: int, axis: int, bias: Any
) -> tuple[Tensor, Tensor, Tensor | None, Tensor]:
    """Input, weights, bias and output, whose scale spreads the sums over its levels."""
    low, high = LIMITS[dtype]
    weights = integers(rng, kernel, np.int8)
    weights[weights == -128] = -127
    channels = count if rng.random() < 0.8 else 1
    power = rng.random() < 0.3
    scales, source = 2.0 ** rng.uniform(-9, -5, channels), 2.0 ** rng.uniform(-9, 0)
    terms = weights.size / count
    multiplier = (high - low) / 2 / (np.sqrt(terms) * 40 * (high - low) / 4)
    multiplier *= 2.0 ** (rng.uniform(-6, 6) if rng.random() < 0.8 else rng.uniform(-30, 12))
    multiplier = min(multiplier, 100, 2.0**29 / max(1.0, terms * 127 * (high - low)))
    if power:
        scales, source = 2.0 ** np.round(np.log2(scales)), 2.0 ** np.round(np.log2(source))
        multiplier = 2.0 ** np.floor(np.log2(multiplier))
    scales, source = scales.astype(np.float32), np.float32(source)
    size = 2.0 ** rng.uniform(0, min(28, 28 - np.log2(multiplier)))
    stored = None
    if bias is not None:
        values = (rng.uniform(-1, 1, count) * size).astype(bias)
        stored = Tensor("bias", source * scales, values=values)
    output = Tensor("y", np.float32(source * scales.max() / multiplier), zero(rng, dtype))
    output.dtype = dtype
    inputs = Tensor("x", source, zero(rng, dtype), dtype=dtype)
    return inputs, Tensor("w", scales, values=weights, axis=axis), stored, output


@examples(80)
@given(seeds, types, pairs, pairs, pairs, paddings, activations, st.booleans())
def test_depthwise(
    seed: int,
    dtype: Any,
    size: Any,
    stride: Any,
    dilation: Any,
    padding: str,
    relu: int,
    bias: bool,
) -> None:
    rng = np.random.default_rng(seed)
    depth, multiplier = int(rng.choice([1, 2, 3, 8, 11])), int(rng.integers(1, 4))
    height, width = (int(n) for n in rng.integers(5, 10, 2))
    stride = stride if dilation == (1, 1) else (1, 1)
    shape = out_shape((height, width), size, stride, padding, dilation)
    kind = np.int64 if dtype == np.int16 else np.int32
    kernel = (1, *size, depth * multiplier)
    parts = weighted(rng, dtype, kernel, depth * multiplier, 3, kind)
    inputs, weights, stored, output = parts
    inputs.shape, output.shape = (1, height, width, depth), (1, *shape, depth * multiplier)
    made = windows(
        "DepthwiseConv2D",
        stride,
        padding,
        depthMultiplier=multiplier,
        dilationHFactor=dilation[0],
        dilationWFactor=dilation[1],
        fusedActivationFunction=relu,
    )
    given_ = [inputs, weights, stored] if bias or dtype == np.int16 else [inputs, weights]
    content = one_layer.file("DEPTHWISE_CONV_2D", given_, output, made)
    engines = ALL if len(given_) == 3 else ("reference", "micro")
    agree(content, integers(rng, (3, height, width, depth), dtype), engines)
    for engine in set(ALL) - set(engines):
        with pytest.raises(UnknownStepError, match="ends the process where there is no bias"):
            NumpyNetwork(content, engine).run(np.zeros((1, height, width, depth), dtype))


@examples(50)
@given(seeds, types, pairs, pairs, paddings, activations, st.sampled_from([1, 2, 3]))
@example(3, np.int8, (1, 1), (1, 1), "SAME", 0, 3)  # sums that do not lie in the array's order
def test_convolution_in_groups(
    seed: int, dtype: Any, size: Any, stride: Any, padding: str, relu: int, groups: int
) -> None:
    rng = np.random.default_rng(seed)
    depth, each = int(rng.integers(1, 4)), int(rng.integers(1, 5))
    height, width = (int(n) for n in rng.integers(5, 10, 2))
    shape = out_shape((height, width), size, stride, padding)
    kind = rng.choice([np.int32, np.int64]) if dtype == np.int16 and groups == 1 else np.int32
    kind = np.int64 if dtype == np.int16 and groups > 1 else kind
    parts = weighted(rng, dtype, (each * groups, *size, depth), each * groups, 0, kind)
    inputs, weights, stored, output = parts
    inputs.shape, output.shape = (1, height, width, depth * groups), (1, *shape, each * groups)
    made = windows(
        "Conv2D",
        stride,
        padding,
        dilationHFactor=1,
        dilationWFactor=1,
        fusedActivationFunction=relu,
        quantizedBiasType=2 if kind == np.int32 else 4,
    )
    content = one_layer.file("CONV_2D", [inputs, weights, stored], output, made)
    agree(content, integers(rng, (3, *inputs.shape[1:]), dtype))


@examples(50)
@given(seeds, pairs, pairs, paddings, activations, st.booleans(), types)
def test_transposed_convolution(
    seed: int, size: Any, stride: Any, padding: str, relu: int, bias: bool, dtype: Any
) -> None:
    rng = np.random.default_rng(seed)
    depth, channels = (int(n) for n in rng.choice([1, 3, 8, 10], 2))
    height, width = (int(n) for n in rng.integers(1, 6, 2))
    wanted = [
        n * s if padding == "SAME" else (n - 1) * s + k
        for n, s, k in zip((height, width), stride, size, strict=True)
    ]
    kind = np.int64 if dtype == np.int16 else np.int32
    parts = weighted(rng, dtype, (channels, *size, depth), channels, 0, kind)
    inputs, weights, stored, output = parts
    inputs.shape, output.shape = (1, height, width, depth), (1, *wanted, channels)
    shape = Tensor("shape", values=np.array(output.shape, np.int32))
    made = windows("TransposeConv", stride, padding, fusedActivationFunction=relu)
    given_ = [shape, weights, inputs, *([stored] if bias else [])]
    content = one_layer.file("TRANSPOSE_CONV", given_, output, made)
    agree(content, integers(rng, (3, *inputs.shape[1:]), dtype))


@examples(40)
@given(seeds, types, st.integers(1, 20), st.integers(1, 40), activations, st.integers(0, 2))
def test_dense(seed: int, dtype: Any, channels: int, features: int, relu: int, bias: int) -> None:
    rng = np.random.default_rng(seed)
    kind = np.int32 if dtype == np.int8 or bias == 1 else np.int64
    parts = weighted(rng, dtype, (channels, features), channels, 0, kind if bias else None)
    inputs, weights, stored, output = parts
    inputs.shape, output.shape = (1, 3, features), (1, 3, channels)
    made = options(
        "FullyConnected",
        keepNumDims=True,
        fusedActivationFunction=relu,
        quantizedBiasType=2 if kind == np.int32 else 4,
    )
    content = one_layer.file("FULLY_CONNECTED", [inputs, weights, stored], output, made)
    agree(content, integers(rng, (4, 3, features), dtype))


@examples(80)
@given(seeds, types, st.booleans(), st.booleans(), st.sampled_from(["left", "right", "both"]))
def test_products_of_matrices(seed: int, dtype: Any, adj_x: bool, adj_y: bool, read: str) -> None:
    """The input stands left or right of a constant, whose batch is one or as many, or is both."""
    rng = np.random.default_rng(seed)
    rows, depth, columns = (int(n) for n in rng.choice([1, 2, 3, 8, 17], 3))
    if read == "both":
        depth, columns = rows if adj_x == adj_y else depth, rows
    batch = [int(n) for n in rng.integers(1, 4, int(rng.integers(3)))]
    one = (1, *batch, *((depth, rows) if adj_x else (rows, depth)))
    two = (1, *batch, *((columns, depth) if adj_y else (depth, columns)))
    left, right = tensor(rng, "a", dtype, one, -8, -3), tensor(rng, "b", dtype, two, -8, -3)
    if rng.random() < 0.5:
        right.zero_point = 0
    if read == "both":
        right = left
    else:
        other = right if read == "left" else left
        some = [1 if rng.random() < 0.5 else n for n in batch]
        other.shape = (*(1, *some)[int(rng.integers(len(some) + 2)) :], *other.shape[-2:])
        other.values = integers(rng, other.shape, dtype)
    middle = LIMITS[dtype][1] / 3 * np.sqrt(depth) * 2.0 ** rng.uniform(-2, 4)
    if rng.random() < 0.5:  # halves are many, and float32 and float64 tell the multiplier apart
        middle = 2.0 ** np.round(np.log2(middle))
    step_ = np.float32(left.scales * right.scales * middle)
    output = Tensor("y", step_, zero(rng, dtype), None, (1, *batch, rows, columns), dtype)
    made = options("BatchMatMul", adjX=adj_x, adjY=adj_y)
    content = one_layer.file("BATCH_MATMUL", [left, right], output, made)
    raw = integers(rng, (3, *(left if read != "right" else right).shape[1:]), dtype)
    agree(content, raw)


@examples(40)
@given(seeds, st.booleans(), st.booleans(), st.booleans())
def test_products_of_float_matrices(seed: int, adj_x: bool, adj_y: bool, first: bool) -> None:
    rng = np.random.default_rng(seed)
    rows, depth, columns = (int(n) for n in rng.choice([1, 2, 3, 8, 17, 33], 3))
    one = (1, 2, *((depth, rows) if adj_x else (rows, depth)))
    two = (1, 2, *((columns, depth) if adj_y else (depth, columns)))
    left, right = Tensor("a", shape=one, dtype=np.float32), Tensor("b", shape=two, dtype=np.float32)
    source, other = (left, right) if first else (right, left)
    other.values = rng.normal(size=other.shape).astype(np.float32)
    output = Tensor("y", shape=(1, 2, rows, columns), dtype=np.float32)
    made = options("BatchMatMul", adjX=adj_x, adjY=adj_y)
    content = one_layer.file("BATCH_MATMUL", [left, right], output, made)
    raw = rng.normal(size=(3, *source.shape[1:])).astype(np.float32)
    for engine in ("reference", "xnnpack"):
        wanted = litert.LiteModel(content, engine=engine).run_raw(raw)
        rules = float_rules_here(content, engine, raw, wanted)
        assert rules or platform.machine() not in ("x86_64", "AMD64"), engine
        assert np.allclose(NumpyNetwork(content, engine).run(raw), wanted, atol=1e-4)


@pytest.mark.parametrize(
    ("dtype", "scales", "said"),
    [(np.int16, 0.1, "int8 times int16 of 1 scales"), (np.int8, [0.1] * 3, "int8 of 3 scales")],
)
def test_matrices_of_two_kinds_are_refused(dtype: Any, scales: Any, said: str) -> None:
    right = Tensor("b", scales, values=np.ones((1, 2, 3), dtype), axis=2)
    tensors = [Tensor("a", 0.1, shape=(1, 4, 2)), right]
    made = options("BatchMatMul", adjX=False, adjY=False)
    content = one_layer.file("BATCH_MATMUL", tensors, Tensor("y", 0.1, shape=(1, 4, 3)), made)
    with pytest.raises(UnknownStepError, match=f"BATCH_MATMUL.*{said}"):
        NumpyNetwork(content, "reference")


def test_a_sum_of_matrices_that_leaves_int32_is_an_error() -> None:
    first = np.full((1, 1, 33_100), -128, np.int8)
    second = first.reshape(1, 33_100, 1)
    with pytest.raises(OverflowError, match="does not fit int32"):
        integer_ops.sums_of_matrices(first, second, 127, 127)


def lstm(rng: Any, times: int, k: int, cells: int, power: int, clip: float = 0, **more: Any) -> Any:
    """Input, weights, biases and memory of an LSTM, its output, options, and what is inside."""
    inputs, memory = tensor(rng, "x", np.int8, (1, times, k), -8, -1), tensor(rng, "h", np.int8, ())
    memory.scales, memory.shape, memory.variable = scale(rng, -15, -6), (1, cells), True
    cell = Tensor("c", 2.0**power, 0, None, (1, cells), np.int16, variable=True)
    weights = [
        Tensor(f"w{at}", scale(rng, -7, 1) / (4096 * rows.scales), 0, integers(rng, shape, np.int8))
        for at, (shape, rows) in enumerate(
            [((cells, k), inputs)] * 4 + [((cells, cells), memory)] * 4
        )
    ]
    sizes = 2.0 ** rng.uniform(0, 12, (4, 1))
    biases = [
        Tensor(f"b{at}", inputs.scales * weights[at].scales, 0, values)
        for at, values in enumerate((rng.normal(size=(4, cells)) * sizes).astype(np.int32))
    ]
    read = [inputs, *weights, None, None, None, *biases, None, None, memory, cell, *[None] * 4]
    place = memory.scales, memory.zero_point
    within = [Tensor(f"i{at}", shape=(0,), dtype=np.float32) for at in range(4)]
    within.append(Tensor("i4", *place, None, (0,)))
    made = {"fusedActivationFunction": 4, "cellClip": clip, "timeMajor": False, **more}
    output = Tensor("y", *place, None, (1, times, cells))
    return read, output, options("UnidirectionalSequenceLSTM", **made), within


@examples(80)
@given(
    seeds,
    st.integers(1, 9),
    st.integers(-15, -9),
    st.sampled_from([0, 1e-6, 0.25, 4, 1e9]),
    st.booleans(),
)
def test_lstm(seed: int, times: int, power: int, clip: float, time_major: bool) -> None:
    """Each sample begins anew: what the engines remember is reset before it."""
    rng = np.random.default_rng(seed)
    k, cells = (int(n) for n in rng.choice([1, 2, 5, 40], 2))
    parts = lstm(rng, times, k, cells, power, clip, timeMajor=time_major)
    if time_major:  # then the sample is a step, and the batch is in the middle
        parts[0][0].shape, parts[1].shape = (1, 1, k), (1, 1, cells)
        times = 1
    content = one_layer.file("UNIDIRECTIONAL_SEQUENCE_LSTM", *parts)
    agree(content, integers(rng, (12, times, k), np.int8))


@pytest.mark.parametrize("power", [-10, -9])
def test_lstm_whose_cell_fills_up(power: int) -> None:
    parts = lstm(np.random.default_rng(1), 40, 3, 8, power)
    for bias in parts[0][12:16]:
        bias.values = np.full(8, 1 << 26, np.int32)
    for weights in parts[0][5:9]:
        weights.values = np.zeros((8, 8), np.int8)
    for place in (parts[0][18], parts[1], parts[3][4]):  # where tanh of 17 shows
        place.scales, place.zero_point = np.float32(1 / 128), 0
    content = one_layer.file("UNIDIRECTIONAL_SEQUENCE_LSTM", *parts)
    agree(content, integers(np.random.default_rng(2), (3, 40, 3), np.int8))


def test_lstm_on_a_batch_and_with_time_first() -> None:
    for time_major in (False, True):
        rng = np.random.default_rng(3)
        parts = lstm(rng, 4, 5, 6, -11, timeMajor=time_major)
        shape = (4, 2) if time_major else (2, 4)
        parts[0][0].shape, parts[1].shape = (*shape, 5), (*shape, 6)
        for memory in parts[0][18:20]:
            memory.shape = (2, 6)
        content = one_layer.file("UNIDIRECTIONAL_SEQUENCE_LSTM", *parts)
        raw = integers(rng, (*shape, 5), np.int8)
        for engine in LITERT:
            network = NumpyNetwork(content, engine)
            got = network.computed(raw[None])[network.file.outputs[0].index][0]
            assert np.array_equal(got, litert.LiteModel(content, engine=engine).run_raw(raw))


@pytest.mark.parametrize(
    ("places", "said"),
    [
        ((9, 10, 11), "an LSTM with peepholes"),
        ((16,), "an LSTM with a projection"),
        ((20, 21, 22, 23), "an LSTM with layer normalization"),
        ((1, 5, 12), "whose input gate is what its forget gate leaves"),
        ((18,), "input 18 is missing"),
    ],
)
def test_variants_of_lstm_are_refused(places: Any, said: str) -> None:
    read, *rest = lstm(np.random.default_rng(0), 3, 4, 5, -11)
    for at in places:
        read[at] = None if read[at] else Tensor(f"v{at}", 0.1, values=np.ones(5, np.int16))
    content = one_layer.file("UNIDIRECTIONAL_SEQUENCE_LSTM", read, *rest)
    with pytest.raises(UnknownStepError, match=f"UNIDIRECTIONAL_SEQUENCE_LSTM, .*{said}"):
        NumpyNetwork(content, "reference")


@pytest.mark.parametrize(
    ("at", "field", "value", "said"),
    [
        (19, "scales", 0.0003, "a cell of scale 0.0003: it takes"),
        (19, "scales", 2.0**-8, "it takes 2..-15 to 2..-9"),
        (19, "dtype", np.int8, "a cell of int8"),
        (2, "zero_point", 3, "weights of int8, 1 scales, or a zero point"),
        (6, "scales", [0.1] * 5, "weights of int8, 5 scales"),
    ],
)
def test_lstm_of_other_numbers_is_refused(at: int, field: str, value: Any, said: str) -> None:
    parts = lstm(np.random.default_rng(0), 3, 4, 5, -11)
    setattr(parts[0][at], field, value)
    with pytest.raises(UnknownStepError, match=said):
        NumpyNetwork(one_layer.file("UNIDIRECTIONAL_SEQUENCE_LSTM", *parts), "reference")


@examples(50)
@example(5318, np.int8, (2, 2), (2, 2), "SAME", 2, True)  # a clip at half a step
@given(seeds, types, pairs, pairs, paddings, activations, st.booleans())
def test_pooling(
    seed: int, dtype: Any, size: Any, stride: Any, padding: str, relu: int, largest: bool
) -> None:
    rng = np.random.default_rng(seed)
    shape = out_shape((7, 6), size, stride, padding)
    channels = int(rng.choice([1, 3, 8, 19]))
    inputs = tensor(rng, "x", dtype, (1, 7, 6, channels))
    output = Tensor("y", inputs.scales, inputs.zero_point, None, (1, *shape, channels), dtype)
    made = windows(
        "Pool2D",
        stride,
        padding,
        filterHeight=size[0],
        filterWidth=size[1],
        fusedActivationFunction=relu,
    )
    name = "MAX_POOL_2D" if largest else "AVERAGE_POOL_2D"
    content = one_layer.file(name, [inputs], output, made)
    agree(content, integers(rng, (3, *inputs.shape[1:]), dtype))


@examples(60)
@given(seeds, types, st.sampled_from([(1, 2), (1,), (2,), (3,), (2, 3), (-1,), (1, 2, 3)]))
def test_mean(seed: int, dtype: Any, axes: tuple[int, ...]) -> None:
    rng = np.random.default_rng(seed)
    keep = bool(rng.integers(2))
    shape = (1, *(int(n) for n in rng.integers(1, 9, 2)), int(rng.choice([1, 3, 16, 37])))
    inputs = tensor(rng, "x", dtype, shape, -4, -2)
    output = tensor(rng, "y", dtype, np.zeros(shape).sum(axis=axes, keepdims=keep).shape, -5, -2)
    if rng.random() < 0.2:
        output.scales = close(rng, inputs.scales)
    axis = Tensor("axes", values=np.array(axes, np.int32))
    content = one_layer.file("MEAN", [inputs, axis], output, options("Reducer", keepDims=keep))
    agree(content, integers(rng, (4, *shape[1:]), dtype))


@examples(60)
@given(seeds, types, st.sampled_from(["SOFTMAX", "LOGISTIC", "TANH", "ELU"]))
def test_tables(seed: int, dtype: Any, name: str) -> None:
    from hypothesis import assume

    assume(name != "ELU" or dtype == np.int8)
    rng = np.random.default_rng(seed)
    count = int(rng.integers(1, 40)) if name == "SOFTMAX" else 256
    if dtype == np.int8:
        inputs = tensor(rng, "x", dtype, (1, count), -8, 0)
        place = {"TANH": (1 / 128, 0), "ELU": (scale(rng, -8, 0), zero(rng, dtype))}
        step, start = place.get(name, (1 / 256, -128))
    else:
        inputs = tensor(rng, "x", dtype, (1, count), -14, -8)
        step, start = 1 / 32768, 0
    output = Tensor("y", step, start, None, (1, count), dtype)
    beta = float(np.float32(rng.choice([1.0, rng.uniform(0.1, 3)])))
    made = options("Softmax", beta=beta) if name == "SOFTMAX" else None
    content = one_layer.file(name, [inputs], output, made)
    raw = integers(rng, (6, count), dtype)
    if dtype == np.int8 and name != "SOFTMAX":
        raw = np.arange(-128, 128).astype(np.int8)[None]  # all there are
    agree(content, raw, ALL if name != "ELU" else ALL[1:])  # the reference has no ELU


@examples(120)
@given(seeds, types, st.sampled_from(["ADD", "SUB", "MUL"]), activations, st.integers(0, 5))
@example(202, np.int8, "MUL", 0, 0)  # in vectors of the optimized kernels it saturates in int16
@example(58, np.int8, "ADD", 0, 0)  # and this one wraps around
def test_two_numbers(seed: int, dtype: Any, name: str, relu: int, form: int) -> None:
    rng = np.random.default_rng(seed)
    shape = (1, *(int(n) for n in rng.choice([1, 2, 3, 5], 2)), int(rng.choice([1, 3, 8, 16, 37])))
    other = {
        0: shape,
        1: (shape[3],),
        2: (),
        3: (1, 1, 1, shape[3]),
        4: (1, *shape[1:3], 1),
        5: (1, shape[1], 1, 1),
    }[form]
    inputs = tensor(rng, "x", dtype, shape, -4, 1)
    constant = tensor(rng, "c", dtype, other, -4, 1)
    constant.values = integers(rng, other, dtype)
    low, high = (-4, 2) if name != "MUL" else (-4, 6)
    if dtype == np.int8 and rng.random() < 0.2:
        low -= 8  # so that numbers leave 16 bits
    output = tensor(rng, "y", dtype, shape, low, high)
    if rng.random() < 0.1:
        constant.scales = close(rng, inputs.scales)
    if name != "MUL" and rng.random() < 0.1:
        output.scales = close(rng, inputs.scales)
    if dtype == np.int16 and name == "MUL":
        output.scales = np.float32(output.scales * 2**10)
    more = {} if name == "MUL" else {"potScaleInt16": False}
    made = options(name.capitalize(), fusedActivationFunction=relu, **more)
    both = [inputs, constant] if rng.random() < 0.7 else [constant, inputs]
    if form == 0 and rng.random() < 0.4:
        both = [inputs, inputs]
    content = one_layer.file(name, both, output, made)
    agree(content, integers(rng, (4, *shape[1:]), dtype))


@examples(120)
@given(
    seeds,
    types,
    st.sampled_from(["RELU", "RELU6", "RELU_N1_TO_1", "LEAKY_RELU", "PRELU", "HARD_SWISH"]),
)
def test_activations(seed: int, dtype: Any, name: str) -> None:
    from hypothesis import assume

    narrow = ("HARD_SWISH", "RELU_N1_TO_1")
    assume(dtype == np.int8 or name not in narrow)
    rng = np.random.default_rng(seed)
    shape = (1, 2, 3, int(rng.choice([1, 5, 16])))
    power = (-7, -1) if dtype == np.int8 else (-12, -6)
    inputs = tensor(rng, "x", dtype, shape, *power)
    output = tensor(rng, "y", dtype, shape, *power)
    if rng.random() < 0.2:
        output.scales = close(rng, inputs.scales)
    engines, given_, made = ALL, [inputs], None
    if name == "LEAKY_RELU":
        slope = float(np.float32(rng.choice([0.01, 0.1, 0.3, 1.5, -0.5, rng.uniform(0, 1)])))
        made = options("LeakyRelu", alpha=slope)
        engines = LITERT if slope < 0 else ALL
    elif name == "PRELU":
        alpha = tensor(rng, "alpha", np.int8, (1, 1, shape[3]), -8, -6)
        alpha.values = integers(rng, alpha.shape, np.int8)
        given_ = [inputs, alpha]
    elif name == "HARD_SWISH":
        output.scales = np.float32(inputs.scales * 2.0 ** rng.uniform(-2, 2))
    elif name in ("RELU6", "RELU_N1_TO_1"):
        # On microcontrollers RELU6 reads no output scale, and six has to fit the type.
        fits = 6 / float(inputs.scales) + inputs.zero_point <= LIMITS[dtype][1]
        engines = ALL if name == "RELU6" and fits else LITERT
    content = one_layer.file(name, given_, output, made)
    agree(content, integers(rng, (6, *shape[1:]), dtype), engines)


KINDS = [
    (np.int8, np.int8),
    (np.uint8, np.int8),
    (np.int8, np.uint8),
    (np.uint8, np.uint8),
    (np.int8, np.int16),
    (np.int16, np.int8),
    (np.int16, np.int16),
]


@examples(60)
@given(seeds, st.sampled_from(KINDS))
def test_changing_the_scale_between_integers(seed: int, kinds: Any) -> None:
    rng = np.random.default_rng(seed)
    sides = []
    for name, kind in zip("xy", kinds, strict=True):
        power = (-13, -9) if kind == np.int16 else (-5, -1)
        side = tensor(rng, name, np.int16 if kind == np.int16 else np.int8, (1, 37), *power)
        side.dtype, side.zero_point = kind, side.zero_point + 128 * (kind == np.uint8)
        sides.append(side)
    if rng.random() < 0.3:
        sides[1].scales = close(rng, sides[0].scales)
    raw = integers(rng, (5, 37), np.int16 if kinds[0] == np.int16 else np.int8)
    if kinds[0] == np.uint8:
        raw = (raw.astype(np.int16) + 128).astype(np.uint8)
    content = one_layer.file("QUANTIZE", sides[:1], sides[1])
    agree(content, raw, LITERT if kinds[0] == kinds[1] == np.uint8 else ALL)


@examples(100)
@given(seeds, types, st.booleans(), st.sampled_from(["", "alignCorners", "halfPixelCenters"]))
def test_another_size(seed: int, dtype: Any, bilinear: bool, way: str) -> None:
    rng = np.random.default_rng(seed)
    (down, across), wanted = rng.integers(1, 12, 2), rng.integers(1, 30, 2)
    channels = int(rng.choice([1, 3, 8, 17]))
    inputs = tensor(rng, "x", dtype, (1, int(down), int(across), channels))
    place = inputs.scales, inputs.zero_point
    output = Tensor("y", *place, None, (1, *map(int, wanted), channels), dtype)
    name = "RESIZE_BILINEAR" if bilinear else "RESIZE_NEAREST_NEIGHBOR"
    kind = "ResizeBilinear" if bilinear else "ResizeNearestNeighbor"
    made = options(kind, **({way: True} if way else {}))
    size = Tensor("size", values=wanted.astype(np.int32))
    content = one_layer.file(name, [inputs, size], output, made)
    # LiteRT for Microcontrollers has no bilinear int16.
    engines = LITERT if bilinear and dtype == np.int16 else ALL
    agree(content, integers(rng, (3, *inputs.shape[1:]), dtype), engines)


MOVES: dict[str, Any] = {
    "RESHAPE": lambda: ([np.array([1, 6, 20], np.int32)], (1, 6, 20), None),
    "EXPAND_DIMS": lambda: ([np.array(1, np.int32)], (1, 1, 4, 6, 5), options("ExpandDims")),
    "TRANSPOSE": lambda: ([np.array([0, 3, 1, 2], np.int32)], (1, 5, 4, 6), options("Transpose")),
    "PAD": lambda: (
        [np.array([[0, 0], [1, 2], [0, 3], [2, 0]], np.int32)],
        (1, 7, 9, 7),
        options("Pad"),
    ),
    "MIRROR_PAD": lambda: (
        [np.array([[0, 0], [1, 2], [0, 3], [0, 0]], np.int32)],
        (1, 7, 9, 5),
        options("MirrorPad", mode=1),
    ),
    "SLICE": lambda: (
        [np.array([0, 1, 2, 0], np.int32), np.array([1, 2, -1, 3], np.int32)],
        (1, 2, 4, 3),
        options("Slice"),
    ),
    "STRIDED_SLICE": lambda: (
        [np.array(v, np.int32) for v in ([0, 3, 0, 1], [0, 0, 6, 5], [1, -2, 2, 1])],
        (1, 2, 3),
        options("StridedSlice", beginMask=1, endMask=1, shrinkAxisMask=8),
    ),
    "TILE": lambda: ([np.array([1, 1, 2, 3], np.int32)], (1, 4, 12, 15), None),
    "PADV2": lambda: (
        [np.array([[0, 0], [1, 2], [0, 3], [2, 0]], np.int32), np.array(7)],
        (1, 7, 9, 7),
        options("PadV2"),
    ),
    "CONCATENATION": lambda: (
        [np.arange(72).reshape(1, 4, 6, 3)],
        (1, 4, 6, 8),
        options("Concatenation", axis=-1),
    ),
    "PACK": lambda: (
        [np.arange(120).reshape(1, 4, 6, 5)],
        (1, 4, 2, 6, 5),
        options("Pack", axis=2, valuesCount=2),
    ),
    "SPACE_TO_DEPTH": lambda: ([], (1, 2, 3, 20), options("SpaceToDepth", blockSize=2)),
}


@pytest.mark.parametrize(
    ("name", "dtype"),
    [(n, d) for n in MOVES for d in LIMITS if (n, d) != ("SPACE_TO_DEPTH", np.int16)],
)
def test_moving_numbers(name: str, dtype: Any) -> None:
    rng = np.random.default_rng(0)
    constants, shape, made = MOVES[name]()
    inputs = tensor(rng, "x", dtype, (1, 4, 6, 5))
    output = Tensor("y", inputs.scales, inputs.zero_point, None, shape, dtype)
    given_ = [inputs]
    for at, constant in enumerate(constants):
        if constant.dtype == np.int32:
            given_.append(Tensor(f"c{at}", values=constant))
        else:  # of the input's type and scale
            values = constant.astype(dtype)
            given_.append(Tensor(f"c{at}", inputs.scales, inputs.zero_point, values))
    content = one_layer.file(name, given_, output, made)
    # LiteRT for Microcontrollers has no TILE, and pads no int16 with a mirror.
    engines = LITERT if name == "TILE" or (name, dtype) == ("MIRROR_PAD", np.int16) else ALL
    agree(content, integers(rng, (3, 4, 6, 5), dtype), engines)


@pytest.mark.parametrize("name", ["SPLIT", "SPLIT_V", "UNPACK"])
def test_taking_numbers_apart(name: str) -> None:
    rng = np.random.default_rng(0)
    inputs = tensor(rng, "x", np.int8, (1, 4, 6, 3))
    axis = Tensor("axis", values=np.array(-2, np.int32))
    sizes = {"SPLIT": [2, 2, 2], "SPLIT_V": [1, 3, 2], "UNPACK": [1] * 6}[name]
    given_, made = {
        "SPLIT": ([axis, inputs], options("Split", numSplits=3)),
        "SPLIT_V": (
            [inputs, Tensor("sizes", values=np.array(sizes, np.int32)), axis],
            options("SplitV", numSplits=3),
        ),
        "UNPACK": ([inputs], options("Unpack", axis=2, num=6)),
    }[name]
    place = inputs.scales, inputs.zero_point
    shapes = [(1, 4, n, 3) if name != "UNPACK" else (1, 4, 3) for n in sizes]
    outputs = [Tensor(f"y{at}", *place, None, shape) for at, shape in enumerate(shapes)]
    content = one_layer.file(name, given_, outputs, made)
    raw = integers(rng, (1, 4, 6, 3), np.int8)
    kept = litert.LiteModel(content, engine="reference", keep_tensors=True)
    kept.run_raw(raw)
    network = NumpyNetwork(content, "reference")
    values = network.values(raw)
    for info in network.file.outputs:
        assert np.array_equal(values[info.index], kept.value(info.index)), info.name


def test_inputs_of_two_scales_are_not_joined() -> None:
    both = Tensor("x", 0.1, 0, shape=(1, 4)), Tensor("c", 0.2, 0, np.ones((1, 4), np.int8))
    made = options("Concatenation", axis=1)
    content = one_layer.file("CONCATENATION", both, Tensor("y", 0.1, 0, shape=(1, 8)), made)
    with pytest.raises(UnknownStepError, match=r"CONCATENATION.*moves numbers to another scale"):
        NumpyNetwork(content, "reference")
