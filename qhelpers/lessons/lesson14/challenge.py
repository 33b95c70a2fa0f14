"""The budget, and what checks a file that somebody hands in: an honour system."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from qhelpers import data
from qhelpers.data import Digits
from qhelpers.evaluation import metrics
from qhelpers.evaluation.scorecard import text_table
from qhelpers.lessons.lesson14 import network
from qhelpers.quantizer import inspection
from qhelpers.tflite import conversion
from qhelpers.tflite.file import Array
from qhelpers.tflite.litert import LiteModel

LEVELS = ("bronze", "silver", "gold")
# What each level allows at most.
BUDGET: Mapping[str, tuple[int, int, int]] = {
    "uses of floats": (0, 0, 0),
    "answers lost, %": (5, 3, 2),
    "bytes of activations": (20_000, 10_000, 10_000),
    "bytes of the file": (28_000, 24_000, 18_000),
    "refusals by LiteRT Micro": (0, 0, 0),
}


@dataclass(frozen=True)
class Card:
    """What was found of a file by the requirements of BUDGET that were asked; a hint on each."""

    found: Mapping[str, float]
    hints: Mapping[str, str]
    footer: tuple[str, ...]

    def missed(self, level: str) -> list[str]:
        """Return the requirements of a level that the file does not keep."""
        at = LEVELS.index(level)
        return [name for name, found in self.found.items() if found > BUDGET[name][at]]

    @property
    def levels(self) -> list[str]:
        """The levels that the file has reached; each allows less than the one before it."""
        return [level for level in LEVELS if not self.missed(level)]

    @property
    def hint(self) -> str:
        """A hint on the first requirement that is in the way of the next level; "" at gold."""
        following = next((level for level in LEVELS if self.missed(level)), "")
        return following and f"For {following}: {self.hints[self.missed(following)[0]]}"

    def __repr__(self) -> str:
        """Return the card as a table, with the level and the hint below it."""
        rows = []
        for name, found in self.found.items():
            marks = [f"{'✗' if found > most else '✓'} {most:6,}" for most in BUDGET[name]]
            rows.append([name, f"{found:,}", *marks])
        footer = [*self.footer, f"Level: {[*self.levels, 'none yet'][len(self.levels) - 1]}."]
        return text_table(("at most", "found", *LEVELS), rows, [*footer, self.hint])


def check(content: bytes | Path, digits: Digits | None = None) -> Card:
    """Measure a .tflite file, its bytes or its path, on hidden images, by default `data.load()`'s.

    An OSError or ValueError says why it cannot be measured, and what to do.
    """
    file, digits = _opened(content), digits or data.load(quiet=True)
    images, labels, float_outputs = _hidden(digits)
    wanted = metrics.accuracy(float_outputs, labels)
    outputs = file.predict(images.reshape(-1, *file.inputs[0].shape[1:]))
    if not np.isfinite(outputs).all():
        raise ValueError("scores are NaN or infinite: are the weights, and the images, finite?")
    reached = metrics.accuracy(outputs, labels)
    micro = inspection.microcontrollers(file.content)
    ends = sum(port.dtype.kind == "f" for port in (*file.inputs, *file.outputs))
    lost = round(100 * (wanted.value - reached.value), 1) + 0.0  # no "-0.0"
    refused = [] if micro.takes is None else [int(not micro.takes)]
    sizes = inspection.peak_memory(file), file.size
    found = len(file.float_operations()) + ends, lost, *sizes, *refused
    footer = (
        f"{reached.value:.1%} of {reached.n:,} hidden images are read, float32 {wanted.value:.1%}.",
        f"LiteRT Micro: {micro.said.rstrip('.')}.",
        f"Data: {digits.source}.",
    )
    return Card(dict(zip(BUDGET, found, strict=False)), _hints(file, micro.said), footer)


@functools.lru_cache(1)
def _hidden(digits: Digits) -> tuple[Array, Array, Array]:
    """Return the hidden images, their labels, and float32's outputs."""
    images, labels = network.half(digits, hidden=True)
    float32 = LiteModel(conversion.convert(network.trained(digits), "float32"))
    return images, labels, float32.predict(images)


def _hints(file: LiteModel, micro: str) -> dict[str, str]:
    """Return where to look, for each requirement of BUDGET."""
    whole = file.inputs[0].to_real(file.inputs[0].to_raw(np.linspace(0, 1, 9)))
    inside = (
        "the input is in order. Where does noise come in, and is it weights or steps (lesson 09)?"
        if np.abs(whole - np.linspace(0, 1, 9)).max() < 0.01
        else "what is the largest number the input can hold, and the largest it gets (03, 09)?"
    )
    hints = (
        "which settings decide what goes in and out, and which allows float kernels (lesson 03)?",
        inside,
        "how many bytes has one activation? What made so many necessary (lessons 05, 09)?",
        "`inspect` tells numbers from what describes them: which are more (lesson 13)?",
        f"it has its reasons: {micro}.",
    )
    return dict(zip(BUDGET, hints, strict=True))


def _opened(content: bytes | Path) -> LiteModel:
    """Open what is handed in; a ValueError says what it must be."""
    if isinstance(content, Path) and not content.is_file():
        raise FileNotFoundError(f"there is no file {content}. Write yours by path.write_bytes().")
    try:
        whole = content.read_bytes() if isinstance(content, Path) else content
        file = LiteModel(whole, engine="optimized")  # XNNPACK does not take every scale
    except ValueError as error:
        raise ValueError(f"{error} Hand in what converter.convert() returns, whole.") from error
    ports, names = (*file.inputs, *file.outputs), [step.name for step in file.operations]
    shapes = [port.shape[1:] for port in ports]
    kinds = [port.kind if port.scales.size or port.dtype.kind == "f" else "bare" for port in ports]
    if len(shapes) != 2 or shapes[0] not in ((28, 28), (28, 28, 1)) or shapes[1] != (10,):
        why = f"images [1, 28, 28] in and scores [1, 10] out; got {', '.join(map(str, shapes))}"
    elif not {*kinds} <= {"float32", "uint8", "int8", "int16"}:
        why = f"uint8, int8 or int16 with a scale, or float32, at both ends; got {kinds}"
    elif names.count("DEPTHWISE_CONV_2D") < len(network.BLOCKS):
        why = f"the challenge's network, with its depthwise layers; got {', '.join(names)}"
    else:
        return file
    raise ValueError(f"the file must have {why}. Convert the network as it came.")
