"""The plots of lesson 06, and the broken network that its second exercise is about."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from qhelpers.data import Array
from qhelpers.evaluation import metrics
from qhelpers.notebook import style

if TYPE_CHECKING:
    from torch import nn

    from qhelpers.data import Digits


def observers(names: Sequence[str], watched: Sequence[Any]) -> None:
    """Draw what `HistogramObserver`s saw, and the range that the integers will cover."""
    title = "What the observers saw, and the range that each chose"
    _, panels = style.new(1, len(watched), title, height=3.2, sharey=True)
    for axes, name, observer in zip(np.ravel(panels), names, watched, strict=True):
        scale, zero_point = (value.item() for value in observer.calculate_qparams())
        kept = [(q - zero_point) * scale for q in (observer.quant_min, observer.quant_max)]
        seen = (observer.min_val.item(), observer.max_val.item())
        centres = np.linspace(*seen, len(observer.histogram))
        counts, edges = np.histogram(centres, 48, weights=observer.histogram.numpy(), range=seen)
        axes.axvspan(*kept, color=style.COLORS["pytorch_static"], alpha=0.18, lw=0)
        wide, color = np.diff(edges), style.COLORS["pytorch_float"]
        axes.bar(edges[:-1], counts, wide, align="edge", color=color)
        for edge in kept:
            axes.axvline(edge, color=style.COLORS["pytorch_static"], lw=1.5)
        axes.set_yscale("log")
        axes.set(title=name, xlabel="real value (shaded: chosen range)")
    np.ravel(panels)[0].set_ylabel("how many values (log)")
    style.finish()


def seen(pictures: Mapping[str, Array]) -> None:
    """Draw one digit, normalized, as the first layer gets it, and how many values it has."""
    levels = [len(np.unique(picture)) for picture in pictures.values()]
    title = f"Without calibration this digit reaches the network in {min(levels)} gray levels"
    _, panels = style.new(1, len(pictures), title, height=3.2)
    for axes, (name, picture), count in zip(panels, pictures.items(), levels, strict=True):
        # black and white after normalizing
        style.image(axes, picture, f"{name}\n{count} different values", vmin=-0.43, vmax=2.83)
    style.finish()


def times(measured: Mapping[str, metrics.Latency], batch: int) -> None:
    """Draw the time of a batch as ratio to the first network's."""
    names, times = list(measured), measured.values()
    title = f"One batch of {batch}: time as a ratio to {names[0]}"
    _, axes = style.new(title=title, height=2.6)
    low, ratios, high = np.array([[t.ratio_low, t.ratio, t.ratio_high] for t in times]).T
    colors = [style.COLORS["pytorch_static" if "int8" in n else "pytorch_float"] for n in names]
    ends = ratios - low, high - ratios
    bars = axes.barh(names, ratios, color=colors, height=0.6, xerr=ends)
    axes.bar_label(bars, fmt="%.2f", padding=8)
    axes.axvline(1, color=style.COLORS["muted"], lw=1)
    axes.set_xlabel("time ratio (bar: fastest rounds; line: quartiles of all rounds)")
    axes.set_xlim(0, 1.15 * high.max())
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    style.finish()


def broken(fused: nn.Module, digits: Digits) -> nn.Module:
    """Quantize a network (float, with stubs and a qconfig) with a mistake: exercise 06.2."""
    import torch
    from torch.ao import quantization

    tq: Any = quantization
    # The mistake: pixels from 0 to 1, where the network expects normalized ones.
    pixels: Any = torch.from_numpy(np.array(digits.train_images[:1000])).float().div(255)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        prepared: Any = tq.prepare(fused)
        for part in pixels.split(100):
            prepared(part)
        converted: nn.Module = tq.convert(prepared)
    return converted
