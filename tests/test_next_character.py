"""How a language model is judged, against definitions and cases that are known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qhelpers.evaluation import next_character

RANDOM = np.random.default_rng(0)
FOLLOWING = RANDOM.integers(0, 8, (6, 3, 10))
FLOAT = RANDOM.normal(size=(6, 3, 10, 8)) * 2


def test_without_knowledge_a_character_of_eight_costs_three_bits():
    judged = next_character.judge(np.zeros_like(FLOAT), FLOAT, FOLLOWING)
    assert judged.bits.value == judged.bits.low == judged.bits.high == pytest.approx(3)
    assert judged.more.value == pytest.approx(
        3 - next_character.judge(FLOAT, FLOAT, FOLLOWING).bits.value
    )


def test_the_float_model_does_not_differ_from_itself():
    judged = next_character.judge(FLOAT + 5, FLOAT, FOLLOWING)  # a constant changes no probability
    for mean in judged[1:]:
        np.testing.assert_allclose([mean.value, mean.low, mean.high], 0, atol=1e-12)


@given(st.integers(0, 10**6))
def test_divergence_and_changes_by_their_definitions(seed):
    logits = FLOAT + np.random.default_rng(seed).normal(size=FLOAT.shape)
    judged = next_character.judge(logits, FLOAT, FOLLOWING)
    p, q = (np.exp(a) / np.exp(a).sum(-1, keepdims=True) for a in (FLOAT, logits))
    assert judged.kl.value == pytest.approx((p * np.log2(p / q)).sum(-1).mean())
    assert judged.kl.value > 0
    assert judged.changed.value == pytest.approx((p.argmax(-1) != q.argmax(-1)).mean())
    really = np.take_along_axis(q, FOLLOWING[..., None], -1)
    assert judged.bits.value == pytest.approx(-np.log2(really).mean())
    for mean in judged:
        assert mean.low <= mean.value <= mean.high


def test_the_interval_holds_the_mean_as_often_as_it_says():
    random = np.random.default_rng(1)
    found = [next_character.bootstrap(random.normal(size=30), 400) for _ in range(300)]
    held = np.mean([mean.low <= 0 <= mean.high for mean in found])
    assert 0.88 < held < 0.98
    assert str(next_character.Mean(1.5, 1.25, 2)) == "1.500 [1.250, 2.000]"


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="do not fit"):
        next_character.judge(FLOAT[:, :2], FLOAT, FOLLOWING)
    with pytest.raises(ValueError, match="do not fit"):
        next_character.judge(FLOAT, FLOAT, FOLLOWING[:, :2])
    broken = FLOAT.copy()
    broken[0, 0, 0, 0] = np.nan
    with pytest.raises(ValueError, match="quantization broke"):
        next_character.judge(broken, FLOAT, FOLLOWING)
