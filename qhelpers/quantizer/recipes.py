"""Every way to quantize a model; each succeeds or fails alone, and says why in one line."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from qhelpers import paths
from qhelpers.progress import progress
from qhelpers.quantizer.models import Model, first_line, quantized
from qhelpers.quantizer.samples import Data, count
from qhelpers.tflite import conversion, litert, silence
from qhelpers.tflite.conversion import ConversionError
from qhelpers.tflite.file import Array, TfliteFile
from qhelpers.tflite.litert import LiteModel

RECIPES = {
    "float32": "as trained",
    "dynamic_range": "8-bit weights; activations quantized while it runs, where kernels can",
    "int8": "8-bit weights and activations, with ranges from the calibration samples",
    "float16": "weights in half precision",
    "int16x8": "16-bit activations, 8-bit weights",
    "int16x8_bias32": "the same with 32-bit biases: faster, and a sum may overflow",
    "dynamic_int8": "8-bit weights of all layers, by LiteRT Quantizer",
    "int4": "4-bit weights in groups of 32 where dense layers allow it, else by channel",
}
"""Name -> what it is."""

Ranges = Mapping[str, tuple[float, float]]
"""Smallest and largest value of each activation, by the tensor's name."""

_INSTEAD = {"int8": "float16 or dynamic_range", "int16x8": "int8", "int4": "dynamic_int8"}


@dataclass(frozen=True)
class Made:
    """What a recipe gave."""

    recipe: str
    file: LiteModel | None  # None where it failed
    why: str = ""  # it failed, or how it was made where that was not as usual
    advice: str = ""  # what to try instead


def chosen(text: str | None) -> tuple[str, ...]:
    """Return the recipes of "int8,float16", "all", or None for the five of the course."""
    names = RECIPES if text == "all" else text.split(",") if text else conversion.RECIPES
    for name in names:
        if name not in RECIPES:
            raise ValueError(f"--recipes: no recipe {name!r}; there are {', '.join(RECIPES)}.")
    return tuple(name for name in RECIPES if name == "float32" or name in names)


def make(model: Model, names: Sequence[str], calibration: Data, io: str = "uint8") -> list[Made]:
    """Quantize a model by several recipes; each gives a result, also where it failed.

    The samples give the ranges; `io` is the type of the int8 file's inputs and outputs.
    """
    results = []
    with progress(len(names), "Converting") as advance:
        for name in names:
            advance(0, name)
            start = time.perf_counter()
            results.append(_made(model, name, calibration, io))
            advance(1, f"{name} {time.perf_counter() - start:.0f} s")
    return results


def _made(model: Model, name: str, calibration: Data, io: str) -> Made:
    """Quantize by one recipe: by the converter, else by LiteRT Quantizer."""
    if name == "float32":
        return Made(name, model.file)
    why = ""
    for tool in ("converter", "quantizer") if model.saved else ("quantizer",):
        try:
            if tool == "converter":
                content = _converted(model, name, calibration, io)
            else:
                content = requantized(model.file.content, name, calibration, io)
            file = litert.opened(content)
            if not quantized(file):
                raise ValueError("it leaves weights of fewer than 1,024 numbers as they are")
            file.run({n: v[:1] for n, v in calibration.items()})
        except Exception as error:  # whatever the tools meet
            why = why or reason(error)
            continue
        why = f"The converter: {why}" if why else "It reads .tflite files."
        return Made(name, file, "" if tool == "converter" else f"Made by LiteRT Quantizer. {why}")
    return Made(name, None, why, _INSTEAD.get(name, "another recipe"))


def _converted(model: Model, name: str, calibration: Data, io: str) -> bytes:
    """Quantize by TensorFlow's converter."""
    if name in ("dynamic_int8", "int4"):
        raise ValueError("it has no such recipe")
    if "int" in name and any(step.name == "WHILE" for step in model.file.operations):
        raise ValueError("the model has a loop, which cannot be calibrated; save it unrolled")
    tf = paths.require("tensorflow", extra="tensorflow")
    with silence.quiet():
        converter = tf.lite.TFLiteConverter.from_saved_model(str(model.saved))
    if name == "int16x8_bias32":
        converter._experimental_full_integer_quantization_bias_type = tf.int32
    floats = all(info.dtype.kind == "f" for info in model.file.ins.values())
    recipe = name.removesuffix("_bias32")
    singles = [{n: v[i : i + 1] for n, v in calibration.items()} for i in range(count(calibration))]
    return conversion.converted(converter, recipe, lambda: iter(singles), io if floats else "", io)


def requantized(
    float32: bytes,
    name: str,
    calibration: Data,
    io: str = "int8",
    keep: Sequence[str] = (),
    ranges: Ranges | None = None,
) -> bytes:
    """Quantize a float32 .tflite file by LiteRT Quantizer, by a recipe of RECIPES.

    Samples, or `ranges` in their place, give the ranges; `io` "float32" keeps float inputs and
    outputs, else they become integers; operations that make a tensor of `keep` stay in float32.
    """
    module = paths.require("litert_quantizer.quantizer", extra="quantizer")
    with silence.quiet():
        tool, file = module.Quantizer(bytearray(float32)), TfliteFile(float32)
        _configure(tool, name, file)
        floats = [(".*", "INPUT"), (".*", "OUTPUT")] if io == "float32" else []
        for regex, operation in [*floats, *((f"^{re.escape(tensor)}", "*") for tensor in keep)]:
            tool.update_quantization_recipe(regex, operation, algorithm_key="no_quantize")
        if tool.need_calibration and ranges is None:
            ranges = extremes(activations(float32, calibration))
        limits = {
            tensor: {"min": np.array([[low]], "f"), "max": np.array([[high]], "f")}
            for tensor, (low, high) in (ranges or {}).items()
        }
        content = tool.quantize(limits or None, enable_progress_report=False).quantized_model
    if content is None or not quantized(TfliteFile(bytes(content))):
        raise ValueError("LiteRT Quantizer found nothing to quantize")
    return bytes(content)


def _configure(tool: Any, name: str, file: TfliteFile) -> None:
    """Tell LiteRT Quantizer a recipe."""
    everything = (".*", "*")
    if name in ("dynamic_range", "dynamic_int8", "int4"):
        tool.add_dynamic_config(*everything, 8)
    elif name == "float16":
        tool.add_weight_only_config(*everything, 16, algorithm_key="float_casting")
    elif name in ("int8", "int16x8"):
        tool.add_static_config(*everything, 8 if name == "int8" else 16, 8)
    else:
        raise ValueError(f"LiteRT Quantizer has no recipe {name}")
    if name == "int4":
        dense = [step for step in file.operations if step.name == "FULLY_CONNECTED"]
        if not dense:
            raise ValueError("no dense layer, and LiteRT computes 4-bit convolutions slowly")
        for step in dense:
            grouped = file.tensors[step.inputs[1]].shape[-1] % 32 == 0
            regex = f"^{re.escape(file.tensors[step.outputs[0]].name)}"
            group = "BLOCKWISE_32" if grouped else "CHANNELWISE"
            tool.add_dynamic_config(regex, step.name, 4, granularity=group)


def activations(float32: bytes, samples: Data) -> Iterator[tuple[str, Array]]:
    """Run a float32 file, and yield the name and the values of each activation, batch by batch."""
    file = LiteModel(float32, engine="optimized", keep_tensors=True)
    made = [file.tensors[i] for step in file.operations for i in step.outputs]
    floats = [info for info in (*file.inputs, *made) if info.dtype.kind == "f"]
    for _ in file.batches(samples):
        for info in floats:
            yield info.name, file.value(info.index)


def extremes(batches: Iterable[tuple[str, Array]]) -> Ranges:
    """Return the ranges that hold every value of `activations`."""
    found: dict[str, tuple[float, float]] = {}
    for name, values in batches:
        low, high = found.get(name, (np.inf, -np.inf))
        found[name] = min(low, float(values.min())), max(high, float(values.max()))
    return found


def reason(error: Exception) -> str:
    """Return why a conversion failed, in one line."""
    said = str(error)
    sixteen = re.findall(r"16x8-bit not yet supported for op: '(\w+)'", said)
    if sixteen:
        return f"the converter has no 16-bit {', '.join(dict.fromkeys(sixteen))}."
    if "no_integer_overflow" in said:
        return "no engine opens it: a bias is too large for its scale (a layer that is always 0?)."
    if "Empty min/max" in said:
        return "the converter cannot calibrate inputs of whole numbers for 16 bits."
    if isinstance(error, ConversionError):
        return said.partition(". ")[0] + "."
    return first_line(error)
