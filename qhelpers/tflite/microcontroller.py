"""Running a .tflite file on LiteRT for Microcontrollers, and what it would take on a board."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np

from qhelpers import paths
from qhelpers.tflite import silence
from qhelpers.tflite.file import Array, TfliteFile, checked_inputs

_ROOM = 1 << 20  # bytes of arena to begin with: more than any file of the course takes


class RefusedError(ValueError):
    """LiteRT for Microcontrollers does not take this file; the message holds its own words."""


def available() -> bool:
    """Say whether the package `tflite-micro` is installed (it exists for Linux on x86-64)."""
    return importlib.util.find_spec("tflite_micro") is not None


class MicroModel:
    """A .tflite file on the interpreter for microcontrollers: one image at a time."""

    def __init__(self, content: bytes | Path, arena: int = _ROOM) -> None:
        """Open a file, its bytes or its path, within an arena of so many bytes for all tensors.

        A RefusedError says that it cannot run the file, or not within this memory.
        """
        self.file = TfliteFile(content)
        module = paths.require("tflite_micro.python.tflite_micro.runtime", extra="micro")
        with silence.quiet() as messages:
            try:
                self._interpreter = module.Interpreter.from_bytes(
                    self.file.content, arena_size=arena
                )
            except Exception as error:
                why = next((line.strip() for line in messages() if line.strip()), str(error))
                why = f"LiteRT for Microcontrollers refuses the file: {why}"
                raise RefusedError(why) from error

    def run_raw(self, raw: Array) -> Array:
        """Run the model on inputs in its own dtype: [n, *input shape] -> [n, *output shape]."""
        outputs = []
        for image in checked_inputs(raw, self.file.inputs[0]):
            self._interpreter.reset()  # what an LSTM remembers of the image before
            self._interpreter.set_input(image[None], 0)
            self._interpreter.invoke()
            outputs.append(self._interpreter.get_output(0)[0])
        return np.array(outputs)


def smallest_arena(content: bytes) -> int:
    """Return the working memory that a file takes, in bytes: found by trying, to 64 bytes."""
    MicroModel(content)
    few, enough = 0, _ROOM // 64
    while enough - few > 1:
        middle = (few + enough) // 2
        try:
            MicroModel(content, middle * 64)
            enough = middle
        except RefusedError:
            few = middle
    return enough * 64
