"""Inputs and labels from files: read without unpickling, checked, and split in two."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from qhelpers.quantizer.models import Model, Port
from qhelpers.quantizer.running import Data
from qhelpers.tflite.file import Array

CALIBRATION = 300
"""At most so many samples give the ranges."""

_IMAGES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff")
_FEW = 50


@dataclass(frozen=True)
class Samples:
    """What a model is calibrated and judged on.

    Attributes:
        calibration: by input, the samples that give the ranges.
        evaluation: by input, others, unless `split` says that they are the same.
        labels: the right answers for `evaluation`, by output; "" where the file has no names.
        split: one sentence: how many of which file serve for what.
        warnings: what may make the result worthless.
    """

    calibration: Data
    evaluation: Data
    labels: Data
    split: str
    warnings: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        """How many samples the files are judged on."""
        return len(next(iter(self.evaluation.values())))


def read(
    model: Model,
    calibration: Path,
    evaluation: Path | None = None,
    labels: Path | None = None,
    *,
    limits: tuple[float, float] | None = None,
    image_size: tuple[int, int] | None = None,
    scale: tuple[float, float] | None = None,
) -> Samples:
    """Read what a model is calibrated and judged on.

    Args:
        model: the model.
        calibration: an .npz or .npy file, or a folder of images, in subfolders by class or not.
        evaluation: another one; None: `calibration` is split.
        labels: an .npz or .npy file, for `evaluation` if that is given, else for `calibration`.
        limits: the smallest and the largest value that float inputs may hold; None for any.
        image_size: height and width that images are scaled to; None: what the model takes.
        scale: what black and white become, such as (-1, 1).

    Raises:
        OSError: a file is missing or cannot be read.
        ValueError: it does not hold what this model takes; the message says what it holds.
    """
    how = (model, limits, image_size, scale)
    inputs, classes = _inputs(calibration, *how)
    answers = {} if labels is None else arrays(labels, "labels")
    count = len(next(iter(inputs.values())))
    source, warnings = calibration.name or str(calibration), []
    if evaluation is not None:
        unseen, classes = _inputs(evaluation, *how)
        rows = np.random.default_rng(0).permutation(count)[:CALIBRATION]
        used = {name: values[np.sort(rows)] for name, values in inputs.items()}
        judged = len(next(iter(unseen.values())))
        split = f"{len(rows)} of {count:,} samples of {source} gave the ranges; the files are "
        split += f"judged on {judged:,} of {evaluation.name}."
        answers = _checked_labels(answers, classes, judged, labels, evaluation)
        if judged == count and all(np.array_equal(unseen[n], inputs[n]) for n in inputs):
            warnings.append("Both files hold the same samples: nothing here was unseen.")
    elif count == 1:
        used = unseen = inputs
        split = f"{source} holds one sample, which gave the ranges and is all that is compared."
        answers = _checked_labels(answers, classes, count, labels, calibration)
        warnings.append("Nothing was measured on unseen data: bring more than one sample.")
    else:
        answers = _checked_labels(answers, classes, count, labels, calibration)
        rows = np.random.default_rng(0).permutation(count)
        few = min(count // 2, CALIBRATION)
        first, rest = np.sort(rows[:few]), np.sort(rows[few:])
        used, unseen = ({n: v[some] for n, v in inputs.items()} for some in (first, rest))
        answers = {name: values[rest] for name, values in answers.items()}
        split = f"{source} was split at random: {few:,} samples gave the ranges, the files are "
        split += f"judged on the other {len(rest):,}."
    return Samples(used, unseen, answers, split, (*warnings, *_doubts(model, used)))


def arrays(path: Path, what: str) -> Data:
    """Return the arrays of an .npz file, or that of an .npy file as ""; nothing is unpickled.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is damaged, empty, or holds other objects.
    """
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}.")
    single = path.suffix == ".npy"
    if not single and not zipfile.is_zipfile(path):
        raise ValueError(f"{path} is damaged or not an .npz file. Write it with np.savez.")
    try:
        loaded = np.load(path, allow_pickle=False)
        found = {"": loaded} if single else {name: loaded[name] for name in loaded.files}
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise ValueError(f"{path} is damaged. Write it again with np.savez.") from error
    except ValueError as error:
        raise ValueError(
            f"{path} holds no array of numbers, or is damaged; other objects are not loaded: they "
            "could run code."
        ) from error
    for array in found.values():
        if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiub":
            raise ValueError(f"{path} must hold numbers; got {getattr(array, 'dtype', 'bytes')}.")
        if array.ndim == 0 or len(array) == 0:
            raise ValueError(f"{path} must hold {what}; its array has shape {list(array.shape)}.")
    if not found:
        raise ValueError(f"{path} must hold {what}; it is empty.")
    return found


def _inputs(
    path: Path,
    model: Model,
    limits: tuple[float, float] | None,
    image_size: tuple[int, int] | None,
    scale: tuple[float, float] | None,
) -> tuple[Data, Array | None]:
    """Return one array for each input, and the classes of images that lie in folders of classes."""
    if path.is_dir():
        return _images(path, model, image_size, scale)
    if image_size or scale:
        raise ValueError(f"--image-size and --scale are for a folder of images; got {path}.")
    found, ports = arrays(path, "inputs"), model.inputs
    if len(ports) == 1 and len(found) == 1:
        found = {ports[0].name: next(iter(found.values()))}
    missing = [port.name for port in ports if port.name not in found]
    if missing:
        wanted = ", ".join(port.name for port in ports)
        raise ValueError(
            f"{path} must hold one array for each input: {wanted}; it has {sorted(found)}. "
            f"np.savez('x.npz', {', '.join(f'{port.name}=...' for port in ports)})"
        )
    counts = {port.name: len(found[port.name]) for port in ports}
    if len({*counts.values()}) > 1:
        raise ValueError(f"{path} holds different numbers of samples: {counts}.")
    checked = {}
    for port in ports:
        try:
            checked[port.name] = _fitting(found[port.name], port, model, limits)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error
    return checked, None


def _fitting(values: Array, port: Port, model: Model, limits: tuple[float, float] | None) -> Array:
    """Return values as an input takes them, or say what does not fit."""
    wanted = f"inputs must be {port}"
    if limits is not None and port.dtype.kind == "f":
        wanted += f", {limits[0]:g} to {limits[1]:g}"
    if values.shape[1:] != port.shape:
        advice = " Use x[..., None]." if values.shape[1:] == port.shape[:-1] else ""
        raise ValueError(f"{wanted}; got shape {list(values.shape)}.{advice}")
    low, high = values.min(), values.max()
    if port.dtype.kind in "iub":
        if values.dtype.kind not in "iub":
            raise ValueError(f"{wanted}; got {values.dtype}. Use .astype('{port.dtype}').")
        top = min(np.iinfo(port.dtype).max, model.rows.get(port.name, 2**63) - 1)
        least = 0 if port.name in model.rows else np.iinfo(port.dtype).min
        if low < least or high > top:
            raise ValueError(f"{wanted}, {least} to {top}; got {low} to {high}.")
        return values.astype(port.dtype)
    if values.dtype.kind in "iub" and model.scales:
        values = values.astype(np.float32)  # a layer of the model scales them
    if values.dtype.kind in "iub":
        raise ValueError(
            f"{wanted}; got {values.dtype} from {low} to {high}. Scale them as in training; was "
            "that 0 to 1? Divide by 255 and use .astype('float32')."
        )
    if values.dtype != np.float32:
        raise ValueError(f"{wanted}; got {values.dtype}. Use .astype('float32').")
    if not np.isfinite(values).all():
        count = int((~np.isfinite(values)).sum())
        raise ValueError(f"{wanted}; got {count} NaN or infinities. Take them out first.")
    if limits is not None and (low < limits[0] or high > limits[1]):
        raise ValueError(
            f"{wanted}; got values from {low:g} to {high:g}. Scale them as in training. Trained on "
            "other values? Say which: --range -1 1."
        )
    return values


def _images(
    path: Path, model: Model, size: tuple[int, int] | None, scale: tuple[float, float] | None
) -> tuple[Data, Array | None]:
    """Return a folder's images, in alphabetical order, and their classes if it has subfolders."""
    from PIL import Image

    if len(model.inputs) != 1 or len(model.inputs[0].shape) != 3:
        shapes = "; ".join(map(str, model.inputs))
        raise ValueError(f"{path} is a folder of images; the model takes {shapes}. Use .npz.")
    port = model.inputs[0]
    height, width, channels = port.shape
    if size is not None and size != (height, width):
        raise ValueError(f"--image-size {size[0]} {size[1]}: the model takes {height} {width}.")
    files = sorted(f for f in path.rglob("*") if f.suffix.lower() in _IMAGES)
    if not files or channels not in (1, 3, 4):
        what = f"no images ({', '.join(_IMAGES)})" if not files else f"{channels} channels"
        raise ValueError(f"{path}: {what}; wanted: pictures for {port}.")
    if scale is None and port.dtype.kind == "f" and not model.scales:
        raise ValueError(
            f"{path}: say what black and white were in training: --scale 0 1, --scale -1 1, or "
            "--scale 0 255. Nothing in the model tells."
        )
    low, high = scale or (0, 255)
    mode = {1: "L", 3: "RGB", 4: "RGBA"}[channels]
    read = np.empty((len(files), *port.shape), port.dtype)
    for place, file in enumerate(files):
        try:
            with Image.open(file) as picture:
                fitted = picture.convert(mode).resize((width, height), Image.Resampling.BILINEAR)
        except (OSError, ValueError, Image.DecompressionBombError) as error:
            raise ValueError(f"{file} is no image that can be read: {error}") from error
        values = np.asarray(fitted, np.float32).reshape(port.shape) / 255 * (high - low) + low
        read[place] = np.rint(values) if port.dtype.kind in "iu" else values
    folders = sorted({file.parent for file in files})
    if path in folders or len(folders) < 2:
        return {port.name: read}, None
    return {port.name: read}, np.array([folders.index(file.parent) for file in files])


def _checked_labels(
    answers: Data, classes: Array | None, count: int, path: Path | None, inputs: Path
) -> Data:
    """Return labels, one for each sample; those of a folder's classes where none are given."""
    if path is None:
        return {} if classes is None else {"": classes}
    for values in answers.values():
        if len(values) != count:
            raise ValueError(
                f"{path} holds labels of shape {list(values.shape)}; the {count} inputs of "
                f"{inputs} need {count}."
            )
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise ValueError(f"{path} holds NaN or infinities. Take these samples out first.")
    return answers


def _doubts(model: Model, used: Mapping[str, Array]) -> list[str]:
    """Return warnings about the samples that give the ranges."""
    said = []
    for name, values in used.items():
        flat = values.reshape(len(values), -1)
        if len(flat) > 1 and (flat == flat[0]).all():
            said.append(f"All calibration samples of {name!r} are the same: the ranges are wrong.")
        elif flat.size > 1 and flat.min() == flat.max():
            said.append(f"All calibration values of {name!r} are {flat.flat[0]:g}.")
        if model.scales and values.dtype.kind == "f" and values.min() >= 0 and values.max() <= 1:
            said.append(
                f"{name!r} holds values from {values.min():.3g} to {values.max():.3g}, and the "
                f"model has a layer {model.scales} of its own. Were they divided twice?"
            )
    count = len(next(iter(used.values())))
    if count < _FEW:
        said.append(f"Only {count} samples gave the ranges; take 100 to 300 typical ones.")
    surprise = model.surprise(dict(used))
    return [
        *said,
        *([f"These inputs are unlike those of the training: {surprise}"] * bool(surprise)),
    ]
