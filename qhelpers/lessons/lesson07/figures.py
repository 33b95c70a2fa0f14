"""The plots of lesson 07: better ranges, fake quantization, and what training adds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from qhelpers.data import Array
from qhelpers.evaluation.metrics import Interval
from qhelpers.notebook import journey, style

AFTER, AWARE = style.COLORS["pytorch_float"], style.COLORS["pytorch_static"]
_CLEAR = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}  # no line runs through a number


def ranges(
    after: Mapping[str, Mapping[str, Mapping[int, Interval]]], before: Mapping[str, Interval]
) -> None:
    """Draw accuracy: network -> way to choose ranges -> bits; and that before, in float32."""
    title = "Two bits, no training: a better range mends most of the damage"
    _, panels = style.new(1, len(after), title, height=3.4)
    for axes, (name, ways) in zip(np.ravel(panels), after.items(), strict=True):
        level = 100 * before[name].value
        axes.axhline(level, color=style.COLORS["float32"], ls="--", lw=1.2, label="float32")
        for (way, found), color, marker in zip(ways.items(), (AFTER, AWARE), "so", strict=True):
            shares, errors = _with_errors(list(found.values()))
            look = {"color": color, "marker": marker, "ms": 5, "capsize": 3, "lw": 1.5}
            axes.errorbar(list(found), shares, yerr=errors, label=f"range by {way}", **look)
            text = {"s": f"{100 * found[2].value:.1f}", "fontsize": 9, "color": color}
            axes.text(2.3, 100 * found[2].value, ha="right", va="center", **text, bbox=_CLEAR)
        axes.set(title=name, xlabel="bits of a weight (activations float32)", xticks=list(found))
        axes.invert_xaxis()
    np.ravel(panels)[0].set_ylabel("accuracy in % (with 95 % interval)")
    np.ravel(panels)[0].legend(loc="lower left")
    style.finish()


def staircase(x: Array, rounded: Array, true_slope: Array, passed: Array) -> None:
    """Draw fake quantization of x, [n], forward; backward, both gradients."""
    title = "Forward the value is a staircase, backward the gradient pretends it is a ramp"
    _, (forward, backward) = style.new(1, 2, title, height=3.1)
    forward.plot(x, x, color=style.COLORS["muted"], lw=1, ls="--", label="the real value")
    forward.plot(x, rounded, color=AWARE, label="fake-quantized")
    forward.set(ylabel="value that the layer uses", title="forward")
    backward.plot(x, passed, color=AWARE, label="straight-through estimator")
    backward.plot(x, true_slope, color=AFTER, ls="--", label="rounding's own gradient")
    backward.set(ylabel="gradient passed on", title="backward", ylim=(-0.15, 1.55))
    for axes in (forward, backward):
        axes.set_xlabel("weight")
        axes.legend(loc="upper left")
    style.finish()


def latent(real: Array, used: Array, jumps: Array) -> None:
    """Draw one latent weight and its rounded one, [steps, weights], and how many jump."""
    title = "The float weight creeps, the rounded one jumps, less often as the rate falls"
    _, (one, all_of_them) = style.new(1, 2, title, height=3.1)
    column = int(jumps.sum(axis=0).argmax())
    one.plot(real[:, column], color=style.COLORS["float32"], lw=1.2, label="latent")
    one.step(np.arange(len(used)), used[:, column], color=AWARE, label="in use")
    often = int(jumps[:, column].sum())
    one.set(xlabel="training step", ylabel="weight", title=f"the one that jumped most: {often}x")
    one.legend(loc="best")
    counts = jumps.sum(axis=1)
    starts = np.arange(0, len(counts), 10)
    all_of_them.bar(starts + 5, np.add.reduceat(counts, starts), 9, color=AWARE)
    all_of_them.set(xlabel="training step", ylabel="jumps in ten steps")
    all_of_them.set(title=f"all {real.shape[1]:,} weights of the layer")
    style.finish()


def training(
    means: Mapping[str, Mapping[str, Interval]],
    best: Mapping[str, Interval],
    before: Mapping[str, Interval],
) -> None:
    """Draw each recipe's mean accuracy, the best without training, and the float network before."""
    title = "At two bits: the CNN needs a good start, this dense network does not"
    _, panels = style.new(1, len(means), title, height=3.2, sharey=True)
    for axes, (name, rows) in zip(np.ravel(panels), means.items(), strict=True):
        for place, (row, value) in enumerate(rows.items()):
            color = style.COLORS["float32"] if "float32" in row else AWARE
            (share,), errors = _with_errors([value])
            axes.errorbar(share, place, xerr=errors, fmt="o", color=color, capsize=4)
            text = {"s": f"{share:.1f}", "fontsize": 9, "color": color}
            axes.text(share, place - 0.15, ha="center", va="bottom", **text, bbox=_CLEAR)
        level = 100 * best[name].value
        axes.axvline(level, color=AFTER, lw=1.5, ls="--", label=f"2 bits, not trained: {level:.1f}")
        level = 100 * before[name].value
        label = f"float32 at the start: {level:.1f}"
        axes.axvline(level, color=style.COLORS["float32"], lw=1.2, ls=":", label=label)
        axes.set_yticks(range(len(rows)), list(rows))
        axes.set_ylim(len(rows) - 0.5, -0.7)
        axes.set(title=name, xlabel="accuracy in % (mean of 4 runs)")
        axes.margins(x=0.12)
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.22))
    style.finish()


def _with_errors(values: Sequence[Interval]) -> tuple[Array, Array]:
    """Return shares in percent, and how far their intervals reach below and above: [2, values]."""
    low, share, high = 100 * np.array([(v.low, v.value, v.high) for v in values]).T
    return share, np.stack([share - low, high - share])


def path(network: Any, image: Any) -> None:
    """Draw four latent weights of the dense layer, trained in 2 bits, on their way to logit 0.

    The network is the lesson's CNN, with a scale for each output; image: float32 tensor [1, 784].
    """
    import torch

    network = network.eval()
    layer = network.fc.parametrizations.weight
    real, step = layer.original.detach()[0], float(layer[0].scale[0])
    stored = torch.round(real / step).clamp(-1, 1)
    some = real.argsort()[[0, 700, 1400, -1]]
    with torch.no_grad():
        x = network.pool(network.relu(network.conv(image.reshape(1, 1, 28, 28))))
        total, logit = float((x.flatten(1)[0] * stored).sum()), float(network(image)[0, 0])
    journey.draw(
        real[some].numpy(),
        [f"{int(level):d}" for level in stored[some]],
        products=f"{total:.2f}",
        rescaled=f"x {step:.4f}\n{network.fc.bias[0].item():+.3f}",
        result=f"{logit:.2f}",
        types={"weights": "float32, latent", "stored": "2 bits", "sum": "float32"},
        active=("weights", "stored"),
        title="Training moves the weights on the line; three levels are stored",
        of=len(real),
        captions={"rescaled": "x scale, plus bias", "result": "logit"},
    )
