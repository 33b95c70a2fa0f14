"""Plucked notes that fade, with hiss, and the small network that cleans them."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy.ndimage import uniform_filter1d

from qhelpers import paths
from qhelpers.arithmetic import affine, ranges
from qhelpers.data import Floats
from qhelpers.progress import progress
from qhelpers.tflite import conversion
from qhelpers.tflite.litert import LiteModel

if TYPE_CHECKING:
    import keras

RATE = 8_000
"""Samples a second."""
SAMPLES = 2_048
"""Samples of a clip: about a quarter of a second."""
EDGES = (1.0, 0.1, 0.03, 0.01, 0.003, 0.001)
"""Borders of the bands of loudness, as shares of a clip's peak, loudest first."""

_RECIPE = 2  # count it up when sounds or training change: older cached networks are not used
_HISS = 0.3  # of the local level: about 10 dB below the notes
_HARMONICS = 5
_CLIPS, _EPOCHS, _PART, _BATCH, _RATE = 800, 3, 512, 16, 1e-2


@dataclass(frozen=True)
class Clips:
    """Sounds, each divided by the peak of its noisy version; all float32 [n, 2048, 1]."""

    noisy: Floats
    clean: Floats
    level: Floats
    """Loudness around each sample: root of the mean square of 65 clean samples."""


def pluck(count: int, seed: int) -> Clips:
    """Make up clips of one to three plucked notes that die away, with hiss that dies with them."""
    rng = np.random.default_rng(seed)
    time = np.arange(SAMPLES) / RATE
    clean = np.zeros((count, SAMPLES))
    for note in range(3):
        start = rng.uniform(0, 0.01 if note == 0 else 0.06, (count, 1))
        since = np.maximum(time - start, 0)
        pitch = 220 * 2 ** rng.uniform(0, 2, (count, 1))
        fade = rng.uniform(0.02, 0.035, (count, 1))
        loud = rng.uniform(0.3, 1, (count, 1)) * (note < rng.integers(1, 4, (count, 1)))
        loud = np.where(note == 0, np.maximum(loud, 0.3), loud)
        shape = np.minimum(since / 0.002, 1) * np.exp(-since / fade)
        for k in range(1, _HARMONICS + 1):
            share = rng.uniform(0.3, 1, (count, 1)) / k
            clean += loud * share * shape * np.sin(2 * np.pi * k * pitch * since)
    level = _moving_rms(clean)
    noisy = clean + _HISS * level * rng.normal(size=clean.shape)
    peak = np.abs(noisy).max(axis=1, keepdims=True)
    return Clips(*((x / peak)[..., None].astype(np.float32) for x in (noisy, clean, level)))


def _moving_rms(sounds: npt.NDArray[np.float64], width: int = 65) -> npt.NDArray[np.float64]:
    """Return the root of the mean square of `width` samples around each one."""
    means = uniform_filter1d(sounds**2, width, mode="constant")
    return np.asarray(np.sqrt(np.maximum(means, 1e-12)), np.float64)


def by_loudness(clips: Clips, cleaned: Floats) -> list[float]:
    """Return signal over error, in decibels, for each band of `EDGES`.

    Each sample is divided by its local level first: loud ones count no more than quiet ones.
    """
    error = ((cleaned.astype(np.float64) - clips.clean) / clips.level) ** 2
    signal = (clips.clean.astype(np.float64) / clips.level) ** 2
    peak = np.abs(clips.clean).max(axis=1, keepdims=True)
    share = clips.level * np.sqrt(2) / peak
    bands = [(share < high) & (share >= low) for high, low in itertools.pairwise(EDGES)]
    return [float(10 * np.log10(signal[b].sum() / error[b].sum())) for b in bands]


def trained(network: keras.Model) -> None:
    """Train a network in place, for quiet passages as much as for loud ones, or once for all."""
    made_by = f"{paths.versions('tensorflow', 'keras', 'numpy')} {_RECIPE} {network.to_json()}"
    name = f"notes-{hashlib.sha256(made_by.encode()).hexdigest()[:12]}"
    paths.learn_once(name, network.get_weights, network.set_weights, lambda: _train(network))


def _train(network: keras.Model) -> None:
    """Train a network in place, on pieces of 512 samples: it does not look further than 12."""
    import keras

    clips = pluck(_CLIPS, seed=0)
    parts = (clips.noisy, clips.clean, clips.level)
    noisy, clean, level = (part.reshape(-1, _PART, 1) for part in parts)
    keras.utils.set_random_seed(0)
    pieces = keras.Sequential([keras.Input((_PART, 1)), *network.layers])
    falling = keras.optimizers.schedules.CosineDecay(_RATE, _EPOCHS * len(noisy) // _BATCH)
    pieces.compile(keras.optimizers.Adam(falling), loss="mae", steps_per_execution=25)
    with progress(_EPOCHS, "Training on notes") as advance:
        bar = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: advance())
        options = {"epochs": _EPOCHS, "batch_size": _BATCH, "callbacks": [bar], "verbose": 0}
        pieces.fit(noisy, clean, sample_weight=1 / level[..., 0], **options)


def loudness(sounds: Floats, width: int = 129) -> Floats:
    """Return the root of the mean square of `width` samples around each one, [n, 2048, 1]."""
    return _moving_rms(sounds[..., 0].astype(np.float64), width)[..., None].astype(np.float32)


def _activations(
    kernels: Sequence[Floats],
    sounds: Floats,
    params: Sequence[affine.QuantParams | None] = (None,) * 4,
) -> list[Floats]:
    """Return the input and each layer's output, quantized by `params` and dequantized again.

    The kernels are [9, channels in, channels out]; ReLU stands behind all but the last.
    """
    import keras

    found = [sounds if params[0] is None else affine.fake_quantize(sounds, params[0])]
    for layer, kernel in enumerate(kernels, 1):
        sums = keras.ops.conv(found[-1], kernel, strides=1, padding="same")
        after = keras.ops.relu(sums) if layer < len(kernels) else sums
        values, ruler = np.asarray(after, np.float32), params[layer]
        found.append(values if ruler is None else affine.fake_quantize(values, ruler))
    return found


WAYS = ("1 percentile 99", "2 least MSE", "3 mu-law input")
"""The ways of `eight_bits` that the lesson tries; "int8" is the converter's."""


def eight_bits(
    network: keras.Model, training: Floats, noisy: Floats, ways: Sequence[str] = WAYS
) -> dict[str, Floats]:
    """Clean sounds with int8 weights and 256 integers for every activation, layer by layer.

    Args:
        network: three convolutions without biases.
        training: [n, 2048, 1], in [-1, 1], for the ranges of the activations.
        noisy: [n, 2048, 1], in [-1, 1], to clean.
        ways: of `WAYS`, or "int8": ranges by minimum and maximum.
    """
    kernels: list[Floats] = []
    for kernel in network.get_weights():
        scale = np.abs(kernel).max((0, 1)) / 127
        kernels.append(np.asarray(np.rint(kernel / scale) * scale, np.float32))
    low, high, some = np.zeros(4), np.zeros(4), [[] for _ in range(4)]  # type: ignore[var-annotated]
    for part in np.array_split(training, 4):  # in parts: less memory
        for i, values in enumerate(_activations(kernels, part)):
            low[i], high[i] = min(low[i], values.min()), max(high[i], values.max())
            some[i].append(values.ravel()[::41])
    plain = [affine.choose(*ends) for ends in zip(low.tolist(), high.tolist(), strict=True)]
    sample = [np.concatenate(parts) for parts in some]
    chosen: dict[str, Sequence[affine.QuantParams | None]] = {
        "int8": plain,
        WAYS[0]: [ranges.by_percentile(values, percent=99) for values in sample],
        WAYS[1]: [ranges.by_mse(values) for values in sample],
        WAYS[2]: [None, *plain[1:]],
    }
    made = {}
    for way in ways:
        sounds = np.array_split(_mu_law(noisy) if way == WAYS[2] else noisy, 4)
        made[way] = np.concatenate([_activations(kernels, s, chosen[way])[-1] for s in sounds])
    return made


def in_frames(network: keras.Model, sounds: Floats, length: int = 64) -> Floats:
    """Clean sounds [n, 2048, 1] in short frames, by a dynamic-range file for such frames."""
    import keras

    reach = 12  # how far the three layers look to each side
    wide = length + 2 * reach
    padded = np.pad(sounds[..., 0], ((0, 0), (reach, reach)))
    frames = np.lib.stride_tricks.sliding_window_view(padded, wide, axis=1)[:, ::length]
    short = keras.Sequential([keras.Input((wide, 1)), *network.layers])
    lite = LiteModel(convert(short, "dynamic_range", sounds))
    cleaned = lite.predict(np.ascontiguousarray(frames).reshape(-1, wide, 1))
    return np.asarray(cleaned[:, reach:-reach].reshape(sounds.shape), np.float32)


def _mu_law(sounds: Floats, mu: int = 255) -> Floats:
    """Round to 255 levels that lie denser near zero (ITU-T G.711's law, not its segments)."""
    levels = np.rint(127 * np.log1p(mu * np.abs(sounds)) / np.log1p(mu))
    real = np.expm1(levels / 127 * np.log1p(mu)) / mu
    return np.asarray(np.sign(sounds) * real, np.float32)


def convert(network: keras.Model, recipe: str, sounds: Floats) -> bytes:
    """Convert the network by one of the five recipes, calibrated on sounds from -1 to 1."""
    return conversion.convert(network, recipe, sounds, (-1, 1))


def tone(pitch: float, strength: float) -> Floats:
    """Return a steady note [1, 2048, 1] of that many hertz."""
    time = np.arange(SAMPLES) / RATE
    return np.asarray(strength * np.sin(2 * np.pi * pitch * time), np.float32)[None, :, None]


def summed(patch: Floats, kernel: Floats, multiplier: float) -> tuple[int, int]:
    """Return the sum of products of integers, and the integer that it becomes."""
    total = int((patch.astype(np.int64) * kernel).sum())
    return total, round(total * multiplier)


def table(rows: Mapping[str, Sequence[float]]) -> str:
    """Return ratios by loudness as a text table: name -> decibels per band of `EDGES`."""
    head = f"{'dB, loudness down to':20}" + "".join(f"{edge:8g}" for edge in EDGES[1:])
    for name, row in rows.items():  # adding 0.0 makes 0.0 of -0.0
        head += f"\n{name:20}" + "".join(f"{round(x, 1) + 0.0:8.1f}" for x in row)
    return head


def one_number(lite: LiteModel, clips: Clips, clip: int) -> dict[str, Any]:
    """Return what makes one int16 number of a file's last layer, at a clip's loudest sample."""
    lite.predict(clips.noisy[clip : clip + 1])
    last = [step for step in lite.operations if step.name == "CONV_2D"][-1]
    source, weights = (lite.tensors[i] for i in last.inputs[:2])
    result = lite.tensors[last.outputs[0]]
    at = int(np.abs(clips.noisy[clip, 4:-4, 0]).argmax()) + 4
    return {
        "patch": lite.value(source.index).reshape(SAMPLES, 16)[at - 4 : at + 5],
        "kernel": lite.value(weights.index).reshape(9, 16),
        "multiplier": float(source.scales[0] * weights.scales[0] / result.scales[0]),
        "expected": int(lite.value(result.index).reshape(SAMPLES)[at]),
    }
