"""GPTQ against the updates it stands for, done slowly with the inverse of what is left of H."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qhelpers.arithmetic import gptq, groups

FOUR = functools.partial(groups.choose, bits=4, mapping="narrow")


def layer(seed, rows=5, columns=12, samples=60):
    """Return a weight, inputs whose columns depend on each other, and their Hessian."""
    random = np.random.default_rng(seed)
    inputs = random.normal(size=(samples, columns)) @ random.normal(size=(columns, columns))
    return random.normal(size=(rows, columns)), inputs, gptq.hessian(inputs)


def slowly(weight, matrix, choose, group, damping, order):
    """Optimal brain quantization in a fixed order: invert what is left of H at each step."""
    real, damped = weight.copy(), matrix + damping * np.diag(matrix).mean() * np.eye(len(matrix))
    left, fixed = list(order), {}
    if list(order) != sorted(order):
        fixed = {g: choose(weight[:, g : g + group]) for g in range(0, len(matrix), group)}
    found = np.zeros(weight.shape, int)
    while left:
        column, start = left[0], left[0] // group * group
        if start not in fixed:
            fixed[start] = choose(real[:, start : start + group])
        scale = fixed[start].scales[:, 0].astype(float)
        zero = fixed[start].zero_points[:, 0].astype(float)
        levels = np.rint(np.float32(real[:, column]) * (1 / fixed[start].scales[:, 0])) + zero
        found[:, column] = np.clip(levels, fixed[start].qmin, fixed[start].qmax)
        error = real[:, column] - (found[:, column] - zero) * scale
        inverse = np.linalg.inv(damped[np.ix_(left, left)])
        real[:, left] -= np.outer(error / inverse[0, 0], inverse[0])
        left.pop(0)
    return found


@settings(deadline=None, max_examples=30)
@given(
    st.integers(0, 10**6),
    st.sampled_from([3, 4, 12]),
    st.sampled_from(["narrow", "asymmetric"]),
    st.integers(2, 8),
    st.booleans(),
    st.sampled_from([0.001, 0.01, 0.3]),
)
def test_integers_are_those_of_the_slow_way(seed, group, mapping, bits, by_activation, damping):
    weight, _, matrix = layer(seed)
    choose = functools.partial(groups.choose, bits=bits, mapping=mapping)
    order = np.argsort(-np.diag(matrix), kind="stable") if by_activation else range(12)
    found, _ = gptq.quantize(weight, matrix, choose, group, damping, by_activation)
    expected = slowly(weight, matrix, choose, group, damping, order)
    # A half may fall to the other side where the two ways differ in the last bit.
    assert (found != expected).sum() <= 1


def test_two_weights_by_the_closed_form():
    weight, matrix = np.array([[0.9, 0.35]]), np.array([[2.0, 1.2], [1.2, 1.5]])
    steps = groups.choose([[1.0, 1.0]], 2, mapping="narrow")  # -1, 0, 1
    steps = groups.GroupParams(**(vars(steps) | {"scales": np.float32([[1.0]])}))
    found, _ = gptq.quantize(weight, matrix, lambda _: steps, damping=0)
    # The first becomes 1, an error of -0.1; the second's best place is then 0.35 - 0.1 * 1.2 / 1.5.
    assert found.tolist() == [[1, 0]]
    weight[0, 1] = 0.55  # nearest: 1; moved: 0.47, so 0
    found, _ = gptq.quantize(weight, matrix, lambda _: steps, damping=0)
    assert found.tolist() == [[1, 0]]
    losses = {
        (a, b): float(([a, b] - weight[0]) @ matrix @ ([a, b] - weight[0]))
        for a in (0, 1)
        for b in (0, 1)
    }
    assert min(losses, key=losses.__getitem__) == (1, 0)


def test_a_diagonal_hessian_is_rounding_to_the_nearest():
    weight = layer(0)[0]
    found, params = gptq.quantize(weight, np.diag(np.arange(1.0, 13)), FOUR, 4)
    nearest = groups.choose(weight, 4, 4, "narrow")
    np.testing.assert_array_equal(found, groups.quantize(weight, nearest))
    np.testing.assert_array_equal(params.scales, nearest.scales)


@pytest.mark.parametrize("by_activation", [False, True])
def test_the_output_is_nearer_than_by_rounding_to_the_nearest(by_activation):
    gains = []
    for seed in range(20):
        weight, inputs, matrix = layer(seed, 16, 32, 400)
        nearest = groups.choose(weight, 3, 8, "narrow")
        choose = functools.partial(groups.choose, bits=3, mapping="narrow")
        ways = (
            (groups.quantize(weight, nearest), nearest),
            gptq.quantize(weight, matrix, choose, 8, by_activation=by_activation),
        )
        plain, better = (
            np.square(inputs @ (groups.dequantize(*way) - weight).T).mean() for way in ways
        )
        gains.append(better / plain)
    assert np.mean(gains) < 0.6
    assert max(gains) < 1


def test_hessian_is_that_of_the_squared_error():
    _, inputs, matrix = layer(3)
    step = np.random.default_rng(1).normal(size=12)
    np.testing.assert_allclose(step @ matrix @ step / 2, np.square(inputs @ step).mean())
    np.testing.assert_allclose(gptq.hessian(inputs.reshape(6, 10, 12)), matrix)


def test_what_cannot_work_says_why():
    weight, inputs, matrix = layer(0)
    with pytest.raises(ValueError, match="12 columns and the Hessian is of shape \\(11, 11\\)"):
        gptq.quantize(weight, matrix[:11, :11], FOUR)
    few = gptq.hessian(inputs[:3])
    with pytest.raises(ValueError, match=r"not positive definite with damping 0: .*more text"):
        gptq.quantize(weight, few, FOUR, damping=0)
    gptq.quantize(weight, few, FOUR)
    with pytest.raises(ValueError, match="damping must be 0 or more; got -1"):
        gptq.quantize(weight, matrix, FOUR, damping=-1)
    with pytest.raises(ValueError, match="not whole groups of 5"):
        gptq.quantize(weight, matrix, FOUR, 5)
    matrix[2, 3] = np.nan
    with pytest.raises(ValueError, match="Hessian has NaN"):
        gptq.quantize(weight, matrix, FOUR)
    inputs[0, 0] = np.inf
    with pytest.raises(ValueError, match="1 of 720 inputs are NaN or infinite"):
        gptq.hessian(inputs)
    weight[1, 1] = np.nan
    with pytest.raises(ValueError, match=r"first \[1, 1\]"):
        gptq.quantize(weight, layer(0)[2], FOUR)
