"""Lesson 13: what its cases are made of, each against something that is not its own code."""

from __future__ import annotations

import re

import keras
import matplotlib.pyplot as plt
import numpy as np
import pytest
from course_files import markdown_cells, read
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from qhelpers import data, keras_cnn
from qhelpers.arithmetic.integer_ops import sums_in_pairs
from qhelpers.evaluation import metrics
from qhelpers.lessons.lesson13 import cases, figures
from qhelpers.tflite import conversion, litert

REPOSITORIES = (
    *("tensorflow/tensorflow", "tensorflow/model-optimization"),
    *("microsoft/onnxruntime", "pytorch/pytorch", "pytorch/ao"),
)


@pytest.fixture(scope="module")
def digits():
    return data._builtin()


@pytest.fixture(scope="module")
def model():
    return keras_cnn.build()  # its weights are random, and the same each time


def test_a_thread_is_counted_once_and_those_that_the_lesson_names_are_counted():
    counted = set()
    for threads in cases.THREADS.values():
        by = threads.split(";")
        assert len(by) == len(cases.TRACKERS) == len(REPOSITORIES)
        for repository, numbers in zip(REPOSITORIES, by, strict=True):
            some = {(repository, number) for number in numbers.split()}
            assert not some & counted
            counted |= some
    text = "\n".join(cell.source for cell in markdown_cells(read("13_clinic")))
    named = set(re.findall(r"github\.com/([\w-]+/[\w-]+)/issues/(\d+)", text))
    assert len(named) >= 20
    assert {thread for thread in named if thread[0] in REPOSITORIES} <= counted


def test_the_table_of_complaints_adds_up_and_fits_a_page():
    head, _, *rows = cases.complaints().splitlines()
    assert max(map(len, [head, *rows])) <= 78
    totals = [[int(n) for n in re.findall(r"(?<= )\d+", row)] for row in rows]
    for row, (first, *others) in zip(rows, totals, strict=True):
        if row.startswith("all scores 0"):  # a number in its name
            first, *others = others
        assert first == sum(others)


@given(
    st.integers(1, 9).flatmap(
        lambda k: st.tuples(
            arrays(np.uint8, (3, k)), arrays(np.int8, (k, 2), elements=st.integers(-127, 127))
        )
    )
)
def test_pairs_are_added_in_16_bits(some):
    pixels, weights = some
    found = sums_in_pairs(pixels, weights)
    for i, row in enumerate(pixels.tolist()):
        for j, column in enumerate(weights.T.tolist()):
            products = [a * b for a, b in zip(row, column, strict=True)]
            pairs = [sum(products[k : k + 2]) for k in range(0, len(products), 2)]
            assert found[i, j] == sum(max(-(2**15), min(2**15 - 1, pair)) for pair in pairs)


def test_xnnpack_takes_float32_and_int8_and_leaves_16_bit_activations(model, digits):
    images = data.representative(digits.train_images, 20)
    for recipe in ("float32", "int8"):
        assert not cases.left_out(litert.LiteModel(conversion.convert(model, recipe, images)))
    finer = litert.LiteModel(conversion.convert(model, "int16x8", images))
    assert cases.left_out(finer) == ["CONV_2D", "MAX_POOL_2D", "FULLY_CONNECTED"]


def test_the_detector_has_the_models_scores_and_finds_the_ink(model, digits):
    images = data.to_float(digits.test_images[:100])
    found = cases.detector(model, digits, 1280).predict(images, verbose=0)
    logits = model.predict(images, verbose=0)
    scores = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    assert np.allclose(found[:, 2:], scores, atol=1e-5)
    rows, columns = np.mgrid[:28, :28] + 0.5
    for place, image in zip(found[:, :2], images, strict=True):
        centre = [(image * where).sum() / image.sum() for where in (columns, rows)]
        assert np.abs(place - 1280 / 28 * np.array(centre)).max() < 60


def test_tuning_at_no_rate_changes_nothing_and_trains_rounded_weights(model, digits):
    before = model.get_weights()
    for rounding in (False, True):
        same = cases.tune(model, digits, 0.0, rounding, steps=2).get_weights()
        assert all(map(np.array_equal, before, same))
    losses = []
    images, labels = data.to_float(digits.train_images), digits.train_labels
    score = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    tuned = cases.tune(model, digits, 1e-3, True, steps=30)
    for network in (model, tuned):
        losses.append(float(score(labels, network.predict(images, verbose=0))))
    assert losses[1] < 0.8 * losses[0]
    exact = cases.tune(model, digits, 1e-3, False, steps=30)
    assert not np.array_equal(exact.get_weights()[0], tuned.get_weights()[0]), "it does round"


def test_the_broken_files_are_broken_as_said(model, digits):
    def frozen(x):
        return keras.ops.reshape(x, (-1, 784))[:, 300:310]

    one, two, three = cases.broken_files(model, digits, frozen)
    images = data.to_float(digits.test_images[:100])
    whole = litert.LiteModel(conversion.convert(model, "float32")).predict(images)
    assert one.outputs[0].scales[0] > 2
    assert not one.predict(images)[:, 2:].any()
    assert cases.left_out(two) == ["HARD_SWISH"]
    assert metrics.flips(whole, two.predict(images)) <= 10
    assert np.allclose(three.predict(images), frozen(images), atol=0.01)


def test_the_figures_name_every_case_and_show_what_is_fed(model, digits):
    images = data.representative(digits.train_images, 20)
    file = litert.LiteModel(conversion.convert(model, "int8", images))
    figures.cases(file, digits.test_images[0])
    text = " ".join(t.get_text() for t in plt.gcf().axes[0].texts if ":" in t.get_text())
    assert {int(n) for n in re.findall(r"\d", text)} == set(range(1, 9))
    raw = digits.test_images[:1]
    figures.shown(file, {"bytes": raw, "none": 0 * raw}, "title")
    first, second = (axes.images[0].get_array() for axes in plt.gcf().axes)
    assert np.allclose(first, raw[0] / 255, atol=1e-3)
    assert not np.any(second)
    plt.close("all")
