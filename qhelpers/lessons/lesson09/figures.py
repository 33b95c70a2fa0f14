"""The plots of lesson 09: files side by side, and speed by the size of a layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from qhelpers.data import Bytes, Floats, to_float
from qhelpers.evaluation import metrics
from qhelpers.evaluation.scorecard import Row, speed
from qhelpers.notebook import journey, style
from qhelpers.tflite.litert import LiteModel

_COLORS = {"int4": style.COLORS["error"]}


def choices(rows: Sequence[Row], front: Sequence[str]) -> None:
    """Draw one line for each file, smallest first: accuracy with its interval, bytes and time.

    The rows are of one network, each with labels; dots of models on the `front` are filled.
    """
    spans = [metrics.wilson(row.correct, row.n) for row in rows]
    overlap = max(low for low, _ in spans) <= min(high for _, high in spans)
    title = "The bars overlap, so they cannot rank these files"
    _, axes = style.new(1, 1, title if overlap else "Not all bars overlap", height=3.2)
    ordered = sorted(zip(rows, spans, strict=True), key=lambda pair: pair[0].bytes)
    beside = {"transform": axes.get_yaxis_transform(), "ha": "right", "va": "center", "fontsize": 9}
    for place, (row, span) in enumerate(ordered):
        share, low, high = (100 * x for x in (row.correct / row.n, *span))
        color = style.COLORS.get(row.model) or _COLORS.get(row.model, style.COLORS["muted"])
        time = "" if row.latency_ratio is None else speed(row.latency_ratio)
        fill = color if row.model in front else "white"
        look = {"xerr": [[share - low], [high - share]], "ms": 8, "mew": 1.8, "capsize": 3}
        axes.errorbar(share, place, fmt="o", color=color, mfc=fill, **look)
        for x, text in ((1.15, f"{row.bytes:,} bytes"), (1.30, time)):
            axes.text(x, place, text, **beside)
    axes.set_yticks(range(len(rows)), [row.model for row, _ in ordered])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("right answers in %, with 95 % interval; filled: on the front")
    style.finish()


def speed_by_size(ratios: Mapping[int, float], cpu: str) -> None:
    """Draw width of a dense layer -> int8's time over float32's, as measured on a processor."""
    widths, values = list(ratios), np.array(list(ratios.values()))
    small, large = f"{values[0]:.2g} in small layers", f"{values[-1]:.2g} in large ones"
    title = f"int8's time over float32's: {small}, {large}"
    _, axes = style.new(1, 1, title, height=3.0)
    axes.axhline(1, color=style.COLORS["float32"], lw=1.2)
    axes.plot(widths, values, color=style.COLORS["int8"], marker="o")
    box = {"facecolor": "white", "edgecolor": "none", "pad": 1}
    above: dict[str, Any] = {"textcoords": "offset points", "ha": "center", "bbox": box}
    for width, value in ratios.items():
        axes.annotate(f"{value:.2g}", (width, value), (0, 9), **above)
    axes.set_xscale("log", base=2)
    axes.set_xticks(widths, [f"{width:,}" for width in widths])
    axes.set_yscale("log", base=2)
    axes.set_ylim(min(values.min(), 0.5) / 1.5, 2 * max(values.max(), 1))
    axes.yaxis.set_major_formatter(lambda y, _: f"{y:g}")
    axes.set_xlabel(f"inputs and outputs of each of two dense layers (log); {cpu}")
    axes.set_ylabel("time / float32's time (log)")
    style.finish()


def path(file: LiteModel, weights: Mapping[str, Floats], image: Bytes) -> None:
    """Draw what a device must store and compute: the same four weights in three schemes.

    The file is the course's CNN in int8, the weights are the Keras model's, by name; the image is
    uint8 [28, 28].
    """
    logits = file.predict(to_float(image[None]))[0]
    place, some = int(logits.argmax()), slice(1000, 1004)
    real = weights["logits/kernel"][some, place]
    dense = next(t for t in file.constants() if t.shape == weights["logits/kernel"].shape[::-1])
    stored = file.value(dense.index)[place, some]
    journey.draw(
        real,
        [f"{a:.3f} | {b}" for a, b in zip(real, stored, strict=True)],
        products="float\nor int32",
        rescaled="int8:\nx scale",
        result=f"{logits[place]:.2f}",
        types={"weights": "float32", "stored": "float16 | int8"},
        active=("stored", "sum"),
        title="What a device must store, and what it must compute",
    )
