"""Float sums and the dynamic-range dense layer: both engines of LiteRT, and exact arithmetic."""

from __future__ import annotations

import platform
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from float_rules import float_rules_here
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from qhelpers.arithmetic import float_order
from qhelpers.arithmetic.float_order import FLOAT_RULES, FloatRules
from qhelpers.tflite import conversion, litert
from qhelpers.tflite.numpy_network import NumpyNetwork

ENGINES = ("xnnpack", "reference")
SHAPES = {(64, 16): b"", (67, 17): b"", (2028, 10): b""}  # 67: the last 3 of a row go by themselves
F32 = np.float32
NORMAL = st.floats(width=32, allow_nan=False, allow_infinity=False, allow_subnormal=False)


def file_for(inputs: int, outputs: int) -> bytes:
    """A dynamic-range file with one dense layer, converted once for each shape."""
    if not SHAPES[inputs, outputs]:
        import keras

        keras.utils.set_random_seed(0)
        layer = keras.layers.Dense(outputs, bias_initializer="uniform")
        model = keras.Sequential([keras.Input((inputs,)), layer])
        SHAPES[inputs, outputs] = conversion.convert(model, "dynamic_range")
    return SHAPES[inputs, outputs]


def parts(opened: litert.LiteModel) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    (step,) = [o for o in opened.operations if o.name == "FULLY_CONNECTED"]
    kernel, bias = (opened.value(i) for i in step.inputs[1:])
    return kernel, opened.tensors[step.inputs[1]].scales, bias


def patched(content: bytes, kernel: np.ndarray, scales: np.ndarray, bias: np.ndarray) -> bytes:
    """The same file with other numbers in it."""
    for old, new in zip(parts(litert.LiteModel(content)), (kernel, scales, bias), strict=True):
        assert (old.dtype, old.shape) == (new.dtype, new.shape)
        assert content.count(old.tobytes()) == 1
        content = content.replace(old.tobytes(), new.tobytes())
    return content


def random_file(shape: tuple[int, int], rng: np.random.Generator) -> bytes:
    """A file whose channels have scales of every size; one of them is all zeros."""
    inputs, outputs = shape
    kernel = rng.integers(-127, 128, (outputs, inputs)).astype(np.int8)
    kernel[rng.integers(outputs)] = 0
    scales = np.exp2(rng.uniform(-20, 3, outputs)).astype(F32)
    return patched(file_for(*shape), kernel, scales, rng.normal(0, 10, outputs).astype(F32))


def random_rows(count: int, inputs: int, rng: np.random.Generator) -> np.ndarray:
    """Rows of every kind: of any size and offset, after ReLU, all alike, all zero, one spike."""
    rows = rng.normal(size=(count, inputs)) + rng.normal(0, 2, (count, 1))
    kinds = rng.integers(0, 8, count)
    rows[kinds == 0] = np.maximum(rows[kinds == 0], 0)
    rows[kinds == 1] = rows[kinds == 1, :1]
    rows[kinds == 2] = 0
    rows[kinds == 3] *= rng.random((int((kinds == 3).sum()), inputs)) < 0.02
    rows[kinds == 4] = np.rint(rows[kinds == 4] * 8) / 8  # many values half way between two levels
    return (rows * np.exp2(rng.uniform(-90, 90, (count, 1)))).astype(F32)


@pytest.fixture(scope="module")
def here() -> dict[str, FloatRules | None]:
    """The rules that each engine follows on this machine, found with a row set of its own."""
    rng = np.random.default_rng(99)
    found = {}
    for engine in ENGINES:
        content, rows = random_file((67, 17), rng), random_rows(200, 67, rng)
        outputs = litert.LiteModel(content, engine).predict(rows)
        found[engine] = float_rules_here(content, engine, rows, outputs)
        print(f"{engine}: {found[engine].name if found[engine] else 'rules of its own'}")
    return found


def usual(engine: str) -> FloatRules:
    return next(rules for rules in FLOAT_RULES if rules.engine == engine)


def compare(opened: litert.LiteModel, rows: np.ndarray, rules: FloatRules | None) -> None:
    """Bit for bit with known rules; with others, values may go to the next level: half of that."""
    theirs = opened.predict(rows)
    ours = NumpyNetwork(opened.content, opened.engine, rules).run(rows)
    if rules:
        np.testing.assert_array_equal(ours, theirs)
    else:
        kernel, scales, _ = parts(opened)
        _, row_scales, _ = float_order.quantize_rows(rows, usual(opened.engine))
        level = row_scales[:, None] * scales * np.abs(kernel).sum(axis=1, dtype=np.int64)
        assert (np.abs(ours - theirs) <= level / 2 + 1e-5 * np.abs(theirs)).all()


@pytest.mark.parametrize("engine", ENGINES)
@settings(max_examples=60, deadline=None)
@given(shape=st.sampled_from(list(SHAPES)), seed=st.integers(0, 2**32 - 1))
def test_the_layer_is_the_engines(
    engine: str, shape: tuple[int, int], seed: int, here: dict[str, FloatRules | None]
) -> None:
    rng = np.random.default_rng(seed)
    opened = litert.LiteModel(random_file(shape, rng), engine)
    compare(opened, random_rows(50, shape[0], rng), here[engine])


@pytest.mark.parametrize("engine", ENGINES)
@settings(max_examples=60, deadline=None)
@given(
    rows=hnp.arrays(F32, (3, 64), elements=st.floats(-(2.0**100), 2.0**100, width=32)),
    lift=st.sampled_from([0.0, 1.0, -1.0, 1e30]),
)
def test_rows_of_any_numbers(
    engine: str, rows: np.ndarray, lift: float, here: dict[str, FloatRules | None]
) -> None:
    rows = rows + F32(lift)
    wide = np.maximum(rows.max(axis=1), 0) - np.minimum(rows.min(axis=1), 0)
    rows[(wide != 0) & (wide < 1e-30)] = 0  # products would leave float32's normal numbers
    compare(litert.LiteModel(file_for(64, 16), engine), rows, here[engine])


@pytest.mark.parametrize("engine", ENGINES)
def test_extreme_rows(engine: str, here: dict[str, FloatRules | None]) -> None:
    one = np.ones(64, F32)
    ramp = np.linspace(-1, 1, 64, dtype=F32)
    rows = np.stack([0 * one, one, -one, 1e35 * ramp, 1e-30 * ramp, ramp + 1, ramp - 1, one / 255])
    compare(litert.LiteModel(file_for(64, 16), engine), rows.astype(F32), here[engine])


@pytest.mark.parametrize("engine", ENGINES)
def test_threads_and_batches_change_no_bit(engine: str) -> None:
    rng = np.random.default_rng(5)
    content, rows = random_file((2028, 10), rng), random_rows(101, 2028, rng)
    together = litert.LiteModel(content, engine).predict(rows)
    np.testing.assert_array_equal(
        litert.LiteModel(content, engine, threads=2).predict(rows), together
    )
    opened = litert.LiteModel(content, engine)
    alone = np.concatenate([opened.predict(row[None]) for row in rows])
    np.testing.assert_array_equal(alone, together)


def test_this_processor_follows_the_rules_that_its_features_say(
    here: dict[str, FloatRules | None],
) -> None:
    listed = Path("/proc/cpuinfo")
    features = listed.read_text(encoding="utf-8") if listed.exists() else ""
    if platform.machine() == "x86_64" and features:
        assert here["xnnpack"] == FLOAT_RULES[0 if " fma " in features else 1]
        assert here["reference"] == usual("reference")
    else:
        known = {*FLOAT_RULES, None}
        assert known.issuperset(here.values())


def test_a_row_by_hand() -> None:
    # From -1 to 4.1: 255 levels, 50 to the unit; -128 + 50 stands for 0.
    row = np.array([[-1.0, 0.0, 0.5, 4.1, 0.02]], F32)
    for rules in FLOAT_RULES:
        values, scales, zero_points = float_order.quantize_rows(row, rules)
        assert values.tolist() == [[-128, -78, -53, 127, -77]]
        assert values.dtype == np.int8
        assert zero_points.tolist() == [-78]
        np.testing.assert_allclose(scales, 0.02, rtol=1e-6)


def test_halves_go_where_the_rules_send_them() -> None:
    row = np.array([[0.0, 0.5, 1.5, 2.5, 255.0]], F32)  # scale 1, zero point -128
    for rules in FLOAT_RULES:
        values = float_order.quantize_rows(row, rules)[0][0, 1:4].astype(int) + 128
        assert values.tolist() == ([0, 2, 2] if rules.halves == "even" else [1, 2, 3])


@given(hnp.arrays(F32, (2, 9), elements=st.floats(-(2.0**60), 2.0**60, width=32)))
def test_no_value_moves_by_more_than_about_a_level(rows: np.ndarray) -> None:
    wide = np.maximum(rows.max(axis=1), 0) - np.minimum(rows.min(axis=1), 0)
    rows[wide < 1e-30] = 0
    for rules in FLOAT_RULES:
        values, scales, zero_points = float_order.quantize_rows(rows, rules)
        real = scales[:, None] * (values.astype(F32) - zero_points[:, None])
        # Half a level for the value, and half for the zero point where it clips at an end.
        assert (np.abs(real - rows) <= scales[:, None] * F32(1.001)).all()
        assert (real[rows == 0] == 0).all()


@given(st.integers(0, 2**32 - 1))
def test_integer_sums_with_a_zero_point_for_each_row(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = (rng.normal(size=(2, 40)) * [[1], [9]] + [[-2], [1]]).astype(F32)
    kernels = rng.integers(-127, 128, (3, 40), np.int8)
    for rules in FLOAT_RULES:
        values, scales, zero_points = float_order.quantize_rows(rows, rules)
        by_hand = [
            [sum((int(v) - int(z)) * int(w) for v, w in zip(x, y, strict=True)) for y in kernels]
            for x, z in zip(values, zero_points, strict=True)
        ]
        got = float_order.dynamic_dense(rows, kernels, np.ones(1, F32), None, rules)
        np.testing.assert_array_equal(got.T, np.array(by_hand, F32) * scales[:, None])


def test_sums_of_rows_beyond_32_bits_are_refused() -> None:
    length = 2**31 // (255 * 127) + 1
    row = np.full((1, length), 1, F32)
    kernel = np.full((1, length), 127, np.int8)
    with pytest.raises(OverflowError, match="does not fit int32"):
        float_order.dynamic_dense(row, kernel, np.ones(1, F32), None, FLOAT_RULES[0])


def rounded_once(a: float, b: float, c: float) -> Fraction:
    """The float32 nearest to the exact a * b + c, halves to even, by fractions."""
    exact = Fraction(a) * Fraction(b) + Fraction(c)
    if exact == 0:
        return exact
    power = 0  # 2^23 <= |exact| / 2^power < 2^24
    while abs(exact) / Fraction(2) ** power >= 2**24:
        power += 1
    while abs(exact) / Fraction(2) ** power < 2**23:
        power -= 1
    return round(exact / Fraction(2) ** power) * Fraction(2) ** power


SMALL = st.floats(-(2.0**40), 2.0**40, width=32, allow_subnormal=False)


@given(SMALL, SMALL, SMALL)
def test_fma_rounds_once(a: float, b: float, c: float) -> None:
    expected = rounded_once(a, b, c)
    if expected != 0 and abs(expected) < Fraction(2) ** -126:
        return
    assert Fraction(float(float_order.multiply_add(F32(a), F32(b), F32(c), fused=True))) == expected


ABOVE = (1 + 2.0**-12, 2.0**-24 * (1 - 2.0**-12 + 2.0**-24), 1.0)  # 1 + 2^-24 + 2^-60
BELOW = (1 + 2.0**-23, 2.0**-24 * (1 - 2.0**-23), 1 + 2.0**-23)  # 1 + 2^-23 + 2^-24 - 2^-70


@pytest.mark.parametrize(("abc", "expected"), [(ABOVE, 1 + 2.0**-23), (BELOW, 1 + 2.0**-23)])
def test_fma_where_rounding_to_float64_first_goes_wrong(
    abc: tuple[float, float, float], expected: float
) -> None:
    a, b, c = map(F32, abc)
    assert tuple(map(float, (a, b, c))) == abc
    assert (np.float64(a) * np.float64(b) + c).astype(F32) != expected
    assert rounded_once(*abc) == expected
    assert float_order.multiply_add(a, b, c, fused=True) == expected
    assert float_order.multiply_add(-a, b, -c, fused=True) == -expected


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1))
def test_fma_broadcasts_and_agrees_one_by_one(seed: int) -> None:
    rng = np.random.default_rng(seed)
    a = rng.integers(-50, 50, (4, 1)).astype(F32)
    b = (rng.integers(-50, 50, 5) * 2.0**-24).astype(F32)
    c = (1 + rng.integers(0, 3, (4, 5)) * 2.0**-23).astype(F32)
    got = float_order.multiply_add(a, b, c, fused=True)
    assert (got.shape, got.dtype) == ((4, 5), F32)
    for i, j in np.ndindex(4, 5):
        assert Fraction(float(got[i, j])) == rounded_once(*map(float, (a[i, 0], b[j], c[i, j])))


def test_unfused_rounds_twice() -> None:
    a = F32(1 + 2.0**-12)
    assert float_order.multiply_add(a, a, F32(-1), fused=False) == 2.0**-11
    assert float_order.multiply_add(a, a, F32(-1), fused=True) == 2.0**-11 + 2.0**-24


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (np.ones((2, 3)), r"float32 \[n, inputs\]; got float64 \[2, 3\]"),
        (np.ones(3, F32), r"got float32 \[3\]"),
        (np.ones((2, 0), F32), r"got float32 \[2, 0\]"),
        (F32([[1], [np.inf]]), "row 1 goes from 0 to inf"),
        (F32([[np.nan, 1]]), "row 0 goes from nan to nan"),
        (F32([[3e38, -3e38]]), r"row 0 goes from -3e\+38 to 3e\+38"),
        (F32([[0, 1e-37]]), "Rescale the inputs"),
    ],
)
def test_rows_that_no_engine_can_quantize(rows: Any, message: str) -> None:
    for rules in FLOAT_RULES:
        with pytest.raises(ValueError, match=message):
            float_order.quantize_rows(rows, rules)
