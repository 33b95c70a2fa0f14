"""Inputs and labels from files: read without unpickling, checked, and split in two."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from qhelpers.quantizer.models import Model, about, described
from qhelpers.tflite.file import Array, TensorInfo

CALIBRATION = 300
"""At most so many samples give the ranges."""

Data = dict[str, Array]
"""Arrays by the name of the input or output; the first axis counts samples."""

Pair = Sequence[float]

_IMAGES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff")


@dataclass(frozen=True)
class Samples:
    """What a model is calibrated and judged on."""

    calibration: Data  # by input, the samples that give the ranges
    evaluation: Data  # others, unless `split` says that they are the same
    labels: Data  # for `evaluation`, by output; "" where the file has no names
    split: str  # one sentence: how many of which file serve for what
    warnings: tuple[str, ...]  # what may make the result worthless


def count(data: Data) -> int:
    """Return how many samples there are."""
    return len(next(iter(data.values())))


def read(
    model: Model,
    calibration: Path,
    evaluation: Path | None = None,
    labels: Path | None = None,
    *,
    limits: Pair | None = None,
    image_size: Sequence[int] | None = None,
    scale: Pair | None = None,
) -> Samples:
    """Read what a model is calibrated and judged on; an error says which file does not fit.

    `calibration` is an .npz or .npy file, or a folder of images, in subfolders by class or not; it
    is split where there is no `evaluation`. `labels`, .npz or .npy, are for `evaluation` if that is
    given, else for `calibration`. Float inputs may hold values between `limits`; images must be of
    `image_size`, height and width; black and white become the two values of `scale`.
    """

    def inputs(path: Path) -> tuple[Data, Data]:
        if path.is_dir():
            return _images(path, model, image_size, scale)
        if image_size or scale:
            raise ValueError(f"--image-size and --scale are for a folder of images; got {path}.")
        return _inputs(path, model, limits), {}

    everything, answers = inputs(calibration)
    unseen, source, others = everything, calibration, "others"
    total = count(everything)
    rows = np.random.default_rng(0).permutation(total)
    half = min(total // 2, CALIBRATION) or 1
    if evaluation is not None:
        unseen, answers = inputs(evaluation)
        source, others, half = evaluation, f"of {evaluation.name}", CALIBRATION
    if labels is not None:
        answers = _labels(labels, count(unseen), source)
    used = _picked(everything, rows[:half])
    if evaluation is None and total > 1:
        unseen, answers = (_picked(some, rows[half:]) for some in (unseen, answers))
    split = (
        f"{count(used):,} of {total:,} samples of {calibration.name} gave the ranges; the files "
        f"are judged on {count(unseen):,} {others}."
    )
    warnings = _doubts(model, used)
    if all(np.array_equal(unseen[name], values) for name, values in everything.items()):
        warnings.append("Nothing was measured on unseen data: bring samples that gave no ranges.")
    return Samples(used, unseen, answers, split, tuple(warnings))


def arrays(path: Path, what: str) -> Data:
    """Return the arrays of an .npz file, or that of an .npy file as ""; nothing is unpickled."""
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}.")
    if path.suffix != ".npy" and not zipfile.is_zipfile(path):
        raise ValueError(f"{path} is damaged or not an .npz file. Write it with np.savez.")
    try:
        loaded = np.load(path, allow_pickle=False)
        found = {"": loaded} if path.suffix == ".npy" else dict(loaded)
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


def _inputs(path: Path, model: Model, limits: Pair | None) -> Data:
    """Return one array for each input."""
    found, ports = arrays(path, "inputs"), model.file.ins
    if len(ports) == 1 and len(found) == 1:
        found = {next(iter(ports)): next(iter(found.values()))}
    if not set(ports) <= set(found):
        raise ValueError(
            f"{path} must hold one array for each input; it has {sorted(found)}. Write it with "
            f"np.savez('x.npz', {', '.join(f'{name}=...' for name in ports)})."
        )
    counts = {name: len(found[name]) for name in ports}
    if len({*counts.values()}) > 1:
        raise ValueError(f"{path} holds different numbers of samples: {counts}.")
    with about(path):
        return {n: _fitting(found[n], n, info, model, limits) for n, info in ports.items()}


def _fitting(
    values: Array, name: str, info: TensorInfo, model: Model, limits: Pair | None
) -> Array:
    """Return values as an input takes them, or say what does not fit."""
    wanted, found, shape = f"inputs must be {described(name, info)}", "", info.shape[1:]
    low, high, kind = values.min(), values.max(), values.dtype.kind
    if values.shape[1:] != shape:
        advice = " Use x[..., None]." if values.shape[1:] == shape[:-1] else ""
        found = f"shape {list(values.shape)}.{advice}"
    elif info.dtype.kind in "iub":
        rows = model.rows.get(name)
        fits = np.iinfo(info.dtype if info.dtype.kind in "iu" else np.uint8)
        least, most = (fits.min, fits.max) if rows is None else (0, rows - 1)
        if kind not in "iub":
            found = f"{values.dtype}. Use .astype('{info.kind}')."
        elif low < least or high > most:
            wanted, found = f"{wanted}, {least} to {most}", f"{low} to {high}."
    elif kind in "iub" and not model.reach:  # else a layer of the model scales them
        found = f"{values.dtype} from {low} to {high}. Scale them as in training; was that 0 to 1? "
        found += "Divide by 255 and use .astype('float32')."
    elif kind == "f" and values.dtype != np.float32:
        found = f"{values.dtype}. Use .astype('float32')."
    elif not np.isfinite(values).all():
        found = f"{(~np.isfinite(values)).sum()} NaN or infinities. Take them out first."
    elif limits is not None and (low < limits[0] or high > limits[1]):
        wanted += f", {limits[0]:g} to {limits[1]:g}"
        found = f"values from {low:g} to {high:g}. Scale them as in training. Trained on other "
        found += "values? Say which: --range -1 1."
    if found:
        raise ValueError(f"{wanted}; got {found}")
    return values.astype(info.dtype, copy=False)


def _images(
    path: Path, model: Model, size: Sequence[int] | None, scale: Pair | None
) -> tuple[Data, Data]:
    """Return a folder's images, in alphabetical order, and their classes if it has subfolders."""
    from PIL import Image

    name, info = next(iter(model.file.ins.items()))
    if len(model.file.ins) != 1 or len(info.shape) != 4 or info.shape[3] not in (1, 3, 4):
        takes = "; ".join(described(n, i) for n, i in model.file.ins.items())
        raise ValueError(f"{path} is a folder of images; the model takes {takes}. Use .npz.")
    height, width, channels = info.shape[1:]
    if size is not None and (size[0], size[1]) != (height, width):
        raise ValueError(f"--image-size {size[0]} {size[1]}: the model takes {height} {width}.")
    files = sorted(f for f in path.rglob("*") if f.suffix.lower() in _IMAGES)
    if not files:
        raise ValueError(f"{path} holds no images ({', '.join(_IMAGES)}).")
    if scale is None and info.dtype.kind == "f" and not model.reach:
        raise ValueError(
            f"{path}: say what black and white were in training: --scale 0 1, --scale -1 1, or "
            "--scale 0 255. Nothing in the model tells."
        )
    low, high = scale or (0, 255)
    read = np.empty((len(files), *info.shape[1:]), np.float32)
    for place, file in enumerate(files):
        try:
            with Image.open(file) as picture:
                fitted = picture.convert({1: "L", 3: "RGB", 4: "RGBA"}[channels])
                fitted = fitted.resize((width, height), Image.Resampling.BILINEAR)
        except (OSError, ValueError, Image.DecompressionBombError) as error:
            raise ValueError(f"{file} is no image that can be read: {error}") from error
        read[place] = np.asarray(fitted, np.float32).reshape(info.shape[1:])
    read *= (high - low) / 255
    read += low
    pictures = {name: np.rint(read).astype(info.dtype) if info.dtype.kind in "iu" else read}
    folders = sorted({file.parent for file in files})
    if path in folders or len(folders) < 2:
        return pictures, {}
    return pictures, {"": np.array([folders.index(file.parent) for file in files])}


def _labels(path: Path, wanted: int, inputs: Path) -> Data:
    """Read labels, one for each sample."""
    found = arrays(path, "labels")
    for values in found.values():
        if len(values) != wanted:
            raise ValueError(
                f"{path} holds labels of shape {list(values.shape)}; the {wanted} inputs of "
                f"{inputs} need {wanted}."
            )
        if not np.isfinite(values).all():
            raise ValueError(f"{path} holds NaN or infinities. Take these samples out first.")
    return found


def _picked(data: Data, rows: Array) -> Data:
    """Return some of the samples, in the file's order."""
    return {name: values[np.sort(rows)] for name, values in data.items()}


def _doubts(model: Model, used: Data) -> list[str]:
    """Return warnings about the samples that give the ranges."""
    said = []
    for name, values in used.items():
        if len(values) > 1 and (values == values[0]).all():
            said.append(f"All calibration samples of {name!r} are the same: the ranges are wrong.")
        if model.reach > 10 and values.dtype.kind == "f" and 0 <= values.min() <= values.max() <= 1:
            said.append(
                f"{name!r} holds values from {values.min():.3g} to {values.max():.3g}, and the "
                f"model scales ones of about {model.reach:.3g} itself. Were they divided twice?"
            )
    if count(used) < 50:
        said.append(f"Only {count(used)} samples gave the ranges; take 100 to 300 typical ones.")
    return said + [text for text in [model.surprise(used)] if text]
