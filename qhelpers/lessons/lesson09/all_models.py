"""Every .tflite file of the course in the scorecard: what is missing or stale is measured.

Training and converting take a lot of memory, and TensorFlow gives little of it back. So `make` lets
`python -m qhelpers.lessons.lesson09.all_models` do that.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from qhelpers import data as all_digits
from qhelpers import keras_cnn, paths
from qhelpers.data import Digits
from qhelpers.evaluation import scorecard
from qhelpers.lessons.lesson09 import own_process
from qhelpers.tflite.conversion import RECIPES, convert
from qhelpers.tflite.file import Array
from qhelpers.tflite.litert import LiteModel

DARK = {f"dark {recipe}": recipe for recipe in ("float32", "int8", "int16x8")}
_DARK_IMAGES = 2000


def make(digits: Digits) -> tuple[dict[str, bytes], dict[str, str]]:
    """Convert every file anew and bring the scorecard up to date, in a process of its own.

    Args:
        digits: the data; the other process loads the same.

    Returns:
        What `files` returns there, and what `refresh` does.

    Raises:
        RuntimeError: the other process failed.
    """
    label = "Networks of lessons 01 to 05, in a process of their own"
    done = own_process.run("qhelpers.lessons.lesson09.all_models", digits, label, steps=3)
    return {name: _path(digits, name).read_bytes() for name in done}, done


def _path(digits: Digits, name: str) -> Path:
    """Return where a file lies for the process that asked for it."""
    return paths.home() / "files" / digits.key / f"{name.replace(' ', '_')}.tflite"


def files(digits: Digits) -> dict[str, bytes]:
    """Return the files of lessons 01 to 05, converted anew from the trained networks.

    Args:
        digits: the data; a network that is not cached is trained on them first.

    Returns:
        The contents by name: RECIPES for the plain network, DARK for the one of lesson 05.
    """
    model = keras_cnn.trained(digits, show=False)
    print("the network", flush=True)
    images = all_digits.representative(digits.train_images)
    found = {recipe: convert(model, recipe, images) for recipe in RECIPES}
    dark = keras_cnn.trained(digits, "dark", show=False)
    print("the one for the dark", flush=True)
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
        stale = [
            name
            for name, model in models.items()
            if not scorecard.unchanged(name, data.key, model.content, first.content)
        ]
        if stale:
            chosen = {n: m for n, m in models.items() if m is first or n in stale}
            real = all_digits.to_float(data.test_images) if images is None else images
            outputs = {n: _predict(m, real) for n, m in chosen.items()}
            scorecard.lesson(chosen, data, real, outputs, upto=9)
        done |= {name: "measured" if name in stale else "kept" for name in models}
    return done


def _predict(model: LiteModel, images: Array) -> Array:
    """Run a model on the images; in two halves side by side where 16x8's kernels are slow."""
    if not any(tensor.dtype == np.int16 for tensor in model.tensors):
        return model.predict(images)
    with ThreadPoolExecutor(2) as pool:
        halves = np.array_split(images, 2)
        parts = pool.map(lambda half: LiteModel(model.content).predict(half), halves)
        return np.concatenate(list(parts))


if __name__ == "__main__":
    data = own_process.data()
    contents = files(data)
    for name, content in contents.items():
        paths.write_atomically(_path(data, name), content)
    print("files", flush=True)
    own_process.answer(data, refresh(data, contents))
