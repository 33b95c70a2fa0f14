"""Every .tflite file of the course in the scorecard: what is missing or stale is measured."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from qhelpers import digits as all_digits
from qhelpers import keras_cnn, rows, scorecard
from qhelpers.conversion import RECIPES, convert
from qhelpers.digits import Digits
from qhelpers.litert import LiteModel
from qhelpers.tflite import Array

DARK = {f"dark {recipe}": recipe for recipe in ("float32", "int8", "int16x8")}
_DARK_IMAGES = 2000


def files(digits: Digits, show: bool = True) -> dict[str, bytes]:
    """Return the files of lessons 01 to 05, converted anew from the trained networks.

    Args:
        digits: the data; a network that is not cached is trained on them first.
        show: show a progress bar while training.

    Returns:
        The contents by name: RECIPES for the plain network, DARK for the one of lesson 05.
    """
    model = keras_cnn.trained(digits, show=show)
    images = all_digits.representative(digits.train_images)
    found = {recipe: convert(model, recipe, images) for recipe in RECIPES}
    dark = keras_cnn.trained(digits, "dark", show=show)
    dimmed, _ = all_digits.darken(digits.train_images[:100])
    some = np.concatenate([all_digits.representative(digits.train_images, 300), dimmed])
    return found | {name: convert(dark, recipe, some) for name, recipe in DARK.items()}


def refresh(digits: Digits, contents: Mapping[str, bytes]) -> dict[str, str]:
    """Measure the files whose row is missing, or was measured on another file or processor.

    Args:
        digits: the data.
        contents: from `files`.

    Returns:
        By row "kept" or "measured".
    """
    dark, _ = all_digits.darken(digits.test_images[:_DARK_IMAGES], seed=1)
    few = dataclasses.replace(
        digits,
        test_images=digits.test_images[:_DARK_IMAGES],
        test_labels=digits.test_labels[:_DARK_IMAGES],
    )
    done: dict[str, str] = {}
    groups: tuple[tuple[Any, Digits, Array | None], ...] = (
        (RECIPES, digits, None),
        (DARK, few, dark),
    )
    for names, data, images in groups:
        models = {name: LiteModel(contents[name]) for name in names}
        first, *_ = models.values()
        stale = [n for n, m in models.items() if not rows.unchanged(n, data.key, m.sha, first.sha)]
        if stale:
            chosen = {n: m for n, m in models.items() if m is first or n in stale}
            real = all_digits.to_float(data.test_images) if images is None else images
            outputs = {n: _predict(m, real) for n, m in chosen.items()}
            scorecard.lesson(chosen, data, real, outputs)
        done |= {name: "measured" if name in stale else "kept" for name in models}
    return done


def _predict(model: LiteModel, images: Array) -> Array:
    """Run a model on two halves of the images side by side: 16x8's kernels are slow."""
    with ThreadPoolExecutor(2) as pool:
        halves = np.array_split(images, 2)
        parts = pool.map(lambda half: LiteModel(model.content).predict(half), halves)
        return np.concatenate(list(parts))
