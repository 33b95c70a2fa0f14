"""The plots of lesson 06: observers, integers, roundings, and time in PyTorch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from qhelpers.evaluation import metrics
from qhelpers.notebook import style

Array = npt.NDArray[Any]


class Observed(NamedTuple):
    """What one observer kept, and the range that it chose from it."""

    name: str
    counts: Array
    seen: tuple[float, float]
    kept: tuple[float, float]
    scale: float
    zero_point: int


def observe(name: str, observer: Any) -> Observed:
    """Read a calibrated HistogramObserver of PyTorch.

    Args:
        name: what it watches.
        observer: the observer.

    Returns:
        Its histogram, smallest and largest value, and the reals that the integers reach.
    """
    scale, zero_point = (value.item() for value in observer.calculate_qparams())
    qmin, qmax = observer.quant_min, observer.quant_max
    kept = ((qmin - zero_point) * scale, (qmax - zero_point) * scale)
    seen = (observer.min_val.item(), observer.max_val.item())
    return Observed(name, observer.histogram.numpy(), seen, kept, scale, int(zero_point))


def observers(watched: Sequence[Observed]) -> None:
    """Draw what each observer saw, with the range that the integers will cover.

    Args:
        watched: from `observe`.
    """
    title = "What the observers saw, and the range they chose"
    _, panels = style.new(1, len(watched), title, height=3.3)
    for axes, one in zip(np.ravel(panels), watched, strict=True):
        bins = 48
        edges = np.linspace(*one.seen, len(one.counts) + 1)
        counts, edges = np.histogram(edges[:-1], bins=bins, weights=one.counts, range=one.seen)
        axes.axvspan(*one.kept, color=style.COLORS["pytorch_static"], alpha=0.18, lw=0)
        axes.bar(edges[:-1], counts, np.diff(edges), align="edge", color=style.COLORS["float32"])
        for edge in one.kept:
            axes.axvline(edge, color=style.COLORS["pytorch_static"], lw=1.5)
        axes.set_yscale("log")
        axes.set_title(f"{one.name}\nscale {one.scale:.4f}, zero point {one.zero_point}")
        axes.set_xlabel("real value (shaded: chosen range)")
    np.ravel(panels)[0].set_ylabel("how many values (log)")
    style.finish()


def patch(real: Array, integers: Array, scale: float) -> None:
    """Draw a few weights as floats, as integers, and what the rounding changed.

    Args:
        real: [rows, columns], a part of one row of weights, folded.
        integers: the same weights as int8.
        scale: of that row.
    """
    left = np.abs(real - integers * scale).max()
    title = f"One scale, {scale:.6f}, turns these floats into these integers"
    _, (first, second, third) = style.new(1, 3, title, height=2.9)
    style.annotated(first, real, ".3f")
    first.set_title("float32 weights")
    style.annotated(second, integers, "d")
    second.set_title("int_repr(): int8")
    style.annotated(third, (real - integers * scale) / scale, ".2f")
    third.set_title(f"rounding error, in steps\n(at most {left / scale:.2f})")
    style.finish()


def seen(pictures: Mapping[str, Array]) -> None:
    """Draw one digit as the first layer gets it, with the number of different values.

    Args:
        pictures: title -> [28, 28].
    """
    levels = [len(np.unique(picture)) for picture in pictures.values()]
    title = f"Without calibration this digit reaches the network in {min(levels)} gray levels"
    _, panels = style.new(1, len(pictures), title, height=3.2)
    low, high = -0.43, 2.83  # black and white after normalizing
    for axes, (name, picture), count in zip(panels, pictures.items(), levels, strict=True):
        style.image(axes, picture, f"{name}\n{count} different values", vmin=low, vmax=high)
    style.finish()


def roundings(decibels: Mapping[str, float]) -> None:
    """Draw how far each rounding alone, and all together, move the logits.

    Args:
        decibels: name -> SQNR of the logits in dB; the last one is all together.
    """
    *single, together = decibels
    worst = min(single, key=lambda name: decibels[name])
    title = f"One rounding at a time: that of the {worst} costs most"
    _, axes = style.new(1, 1, title, height=3.0)
    names = [together, *reversed(single)]
    colors = [style.COLORS["error"] if n == together else "#CC79A7" for n in names]
    bars = axes.barh(names, [decibels[name] for name in names], color=colors)
    axes.bar_label(bars, fmt="%.1f dB", padding=3)
    axes.set_xlabel("SQNR of the logits in dB (longer is better: each 6 dB halve the error)")
    axes.set_xlim(0, max(decibels.values()) * 1.15)
    axes.grid(visible=False, axis="y")
    style.finish()


def noise_or_digit(values: Mapping[str, Array], kept: tuple[float, float]) -> None:
    """Draw the input values of noise and of digits over the range that the integers cover.

    Args:
        values: name -> input values, any shape; the first is the noise.
        kept: the smallest and the largest real that the input's integers reach.
    """
    noise = np.asarray(next(iter(values.values())))
    share = ((noise < kept[0]) | (noise > kept[1])).mean()
    title = f"{share:.0%} of the noise lies outside the range that calibration chose"
    _, axes = style.new(1, 1, title, height=3.0)
    axes.axvspan(
        *kept, color=style.COLORS["pytorch_static"], alpha=0.18, lw=0, label="chosen range"
    )
    for (name, numbers), color in zip(
        values.items(), (style.COLORS["error"], style.COLORS["float32"]), strict=True
    ):
        flat = np.ravel(numbers)
        weights = np.full(flat.size, 1 / flat.size)
        axes.hist(flat, 70, (-4, 4), weights=weights, histtype="step", color=color, label=name)
    axes.set_yscale("log")
    axes.set_xlabel("input value (normalized pixel)")
    axes.set_ylabel("share of values (log)")
    axes.legend(loc="upper left")
    style.finish()


def contents(models: Mapping[str, Mapping[str, int]]) -> None:
    """Draw what the bytes of saved models are.

    Args:
        models: name -> {part: bytes}; the same parts in each.
    """
    totals = {name: sum(parts.values()) for name, parts in models.items()}
    first, *_, last = totals.values()
    title = f"The saved network shrinks to {last / first:.1%}, not quite to a quarter"
    _, axes = style.new(1, 1, title, height=2.7)
    names = list(models)
    left = np.zeros(len(names))
    palette = ("float32", "pytorch_static", "pytorch_dynamic", "int16x8", "muted")
    for part, color in zip(next(iter(models.values())), palette, strict=False):
        sizes = np.array([models[name][part] for name in names]) / 1000
        axes.barh(names, sizes, left=left, color=style.COLORS[color], label=part, height=0.55)
        left += sizes
    for place, total in enumerate(totals.values()):
        axes.text(total / 1000 + 4, place, f"{total:,} bytes", va="center")
    axes.set_xlim(0, first / 1000 * 1.25)
    axes.set_xlabel("thousand bytes")
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    axes.legend(loc="lower right", fontsize=8)
    style.finish()


def latencies(batches: Mapping[int, Mapping[str, metrics.Latency]]) -> None:
    """Draw latency ratios to float32 for several batch sizes.

    Args:
        batches: batch size -> what `metrics.latency` returned, float32 first.
    """
    parts = []
    for size, times in batches.items():
        _, *others = times.values()
        parts.append(f"{min(time.ratio for time in others):.2f} at batch {size}")
    title = "Best 8-bit time, as a ratio to float32: " + ", ".join(parts)
    _, axes = style.new(1, 1, title, height=3.0)
    colors = [style.COLORS[k] for k in ("float32", "pytorch_static", "pytorch_dynamic")]
    models = list(next(iter(batches.values())))
    width = 0.8 / len(models)
    for place, (name, color) in enumerate(zip(models, colors, strict=False)):
        measured = [batch[name] for batch in batches.values()]
        ratios = np.array([one.ratio for one in measured])
        low = ratios - [one.ratio_low for one in measured]
        high = [one.ratio_high for one in measured] - ratios
        x = np.arange(len(measured)) + place * width
        bars = axes.bar(x, ratios, width * 0.92, color=color, label=name, yerr=(low, high))
        axes.bar_label(bars, fmt="%.2f", padding=3)
    axes.axhline(1, color=style.COLORS["muted"], lw=1)
    axes.set_xticks(np.arange(len(batches)) + width * (len(models) - 1) / 2)
    axes.set_xticklabels([f"{size} image{'s' * (size > 1)} per call" for size in batches])
    axes.set_ylabel("time / float32's time")
    axes.set_ylim(0, axes.get_ylim()[1] * 1.3)
    axes.legend(loc="upper center", ncols=len(models))
    axes.grid(visible=False, axis="x")
    style.finish()


def far_from_exact(away: Mapping[str, Array], parted: Mapping[str, int]) -> None:
    """Draw how far each engine's levels are from exact ones before they are rounded to integers.

    Args:
        away: engine -> distances in levels.
        parted: engine -> how many bytes differ from those of exact levels.
    """
    median = {name: float(np.median(distances)) for name, distances in away.items()}
    *_, second, worst = sorted(median, key=lambda name: median[name])
    times = f"{median[worst] / median[second]:.0f} times"
    title = f"Before rounding, {worst} is {times} as far from exact as the others"
    _, axes = style.new(1, 1, title, height=3.0)
    bins = np.geomspace(1e-9, max(d.max() for d in away.values()) * 1.1, 70)
    for (name, distances), color in zip(away.items(), ("int16x8", "float16", "int8"), strict=True):
        label = f"{name}: {parted[name]} of {distances.size:,} bytes differ"
        look = {"color": style.COLORS[color], "lw": 2, "histtype": "step", "label": label}
        axes.hist(distances, bins, weights=np.full(distances.size, 100 / distances.size), **look)
    axes.set_xscale("log")
    axes.set_xlabel("distance from exact arithmetic, in levels (log)")
    axes.set_ylabel("% of values")
    axes.legend(loc="upper left")
    style.finish()


def overflow(errors: Mapping[tuple[str, str], float]) -> None:
    """Draw the error of the logits for 8 and 7 bits, added in 32 bits or, in pairs, in 16.

    Args:
        errors: bits of activations and of sums -> mean error of a logit.
    """
    title = "Pairs of products added in 16 bits: 8-bit activations lose, 7-bit ones do not"
    _, axes = style.new(1, 1, title, height=2.7)
    names = [f"{bits}, added in {width}" for bits, width in errors]
    colors = [style.COLORS["int16x8" if "8" in bits else "int8"] for bits, _ in errors]
    bars = axes.barh(names, list(errors.values()), color=colors, height=0.6)
    axes.bar_label(bars, fmt="%.3f", padding=3)
    axes.set_xlabel("mean error of a logit (shorter is better)")
    axes.invert_yaxis()
    axes.set_xlim(0, max(errors.values()) * 1.15)
    axes.grid(visible=False, axis="y")
    style.finish()
