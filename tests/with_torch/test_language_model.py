"""The language model that ships: its file, its text, its cache, what it writes."""

from __future__ import annotations

import re
import sys

import numpy as np
import pytest
import torch

from qhelpers.evaluation import next_character
from qhelpers.pytorch import language_model, text


@pytest.fixture(scope="module")
def model():
    return language_model.load()


def test_the_file_is_small_and_says_what_it_learned_from():
    assert language_model.WEIGHTS.stat().st_size < 2_000_000
    with np.load(language_model.WEIGHTS, allow_pickle=False) as kept:
        assert "PSF License Version 2" in str(kept["text"])
        assert re.fullmatch(r"[0-9a-f]{64}", str(kept["text_sha256"]))
        assert all(kept[name].dtype == np.float16 for name in kept.files if "text" not in name)


def test_a_damaged_file_is_named(monkeypatch, tmp_path):
    damaged = tmp_path / "language_model.npz"
    damaged.write_bytes(language_model.WEIGHTS.read_bytes()[:-1] + b"?")
    monkeypatch.setattr(language_model, "WEIGHTS", damaged)
    with pytest.raises(ValueError, match=r"language_model\.npz is damaged"):
        language_model.load()


def test_it_predicts_text_that_it_has_not_seen(model):
    windows = text.held_out()
    assert windows.shape == (16, 3, 257)
    logits = language_model.logits(model, windows[..., :-1])
    bits = next_character.judge(logits, logits, windows[..., 1:]).bits
    assert bits.high < 2.1  # of the 6.6 that 96 characters have


def test_held_out_text_stands_nowhere_in_the_text_to_learn_from():
    learned = re.sub(r"\s+", " ", " ".join(text.documents(held_out=False).values()))
    seen = {learned[i : i + 50] for i in range(len(learned) - 50)}
    for name, document in text.documents(held_out=True).items():
        plain = re.sub(r"\s+", " ", document)
        assert not [i for i in range(len(plain) - 50) if plain[i : i + 50] in seen], name
        assert len(document) > 3 * text.LENGTH


def test_text_becomes_numbers_and_windows_follow_each_other():
    assert text.encode("\n ~").tolist() == [0, 1, 95]
    windows = text.held_out()
    assert torch.equal(windows[:, :-1, -1], windows[:, 1:, 0])
    assert torch.equal(text.calibration(3), text.calibration(3))
    assert text.calibration(3).shape == (3, 256)


def test_a_python_without_documentation_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "pydoc_data.topics", None)
    with pytest.raises(ImportError, match="install all of Python"):
        text.documents(held_out=True)


def test_character_by_character_is_the_same_as_at_once(model):
    tokens, cache = text.calibration(2)[:, :40], language_model.Cache()
    at_once = language_model.logits(model, tokens)
    with torch.no_grad():
        first = model(tokens[:, :10], cache)
        steps = [first, *(model(tokens[:, i : i + 1], cache) for i in range(10, 40))]
    np.testing.assert_allclose(torch.cat(steps, 1), at_once, atol=2e-4)
    assert len(cache) == 40
    with pytest.raises(ValueError, match="the cache has 40 characters: add one, not 2"):
        model(tokens[:, :2], cache)


def test_what_the_cache_rounds_reaches_the_answers(model):
    tokens = text.calibration(2)
    plain = language_model.logits(model, tokens)
    np.testing.assert_array_equal(language_model.logits(model, tokens, round=lambda x: x), plain)
    coarse = language_model.logits(model, tokens, round=lambda x: x.round())
    assert np.abs(coarse - plain).max() > 0.1


def test_it_writes(model):
    prompt = "The following "
    likeliest = language_model.write(model, prompt, 30)
    assert likeliest == language_model.write(model, prompt, 30, seed=1)
    assert language_model.write(model, prompt, 30, heat=1) != likeliest
    tokens = text.encode(prompt + likeliest)[None]
    found = language_model.logits(model, tokens)[0, len(prompt) - 1 : -1].argmax(-1)
    assert "".join(text.VOCABULARY[i] for i in found) == likeliest
    for prompt, count in (("", 10), ("x" * 200, 57)):
        with pytest.raises(ValueError, match=f"{len(prompt)} characters and {count} more"):
            language_model.write(model, prompt, count)


def test_a_draw_is_as_likely_as_the_model_believes(model):
    logits = language_model.logits(model, text.encode("The ")[None])[0, -1]
    likely = np.exp(logits - logits.max())
    likely /= likely.sum()
    drawn = [language_model.write(model, "The ", 1, heat=1, seed=seed) for seed in range(300)]
    top = text.VOCABULARY[int(likely.argmax())]
    assert abs(drawn.count(top) / 300 - likely.max()) < 4 * np.sqrt(likely.max() / 300)
