"""Every way to quantize a model; each succeeds or fails alone, and says why in one line."""

from __future__ import annotations

import dataclasses
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from qhelpers import paths
from qhelpers.progress import progress
from qhelpers.quantizer.models import Model
from qhelpers.quantizer.running import Data, Runner
from qhelpers.tflite import conversion, silence
from qhelpers.tflite.file import TfliteFile

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

COURSE = conversion.RECIPES
_CALIBRATED = ("int8", "int16x8", "int16x8_bias32")
_KEEP = "no_quantize"
_TRY = {
    "int8": "float16 or dynamic_range, which keep floats",
    "int16x8": "int8",
    "int16x8_bias32": "int16x8",
    "int4": "dynamic_int8",
}


@dataclass(frozen=True)
class Made:
    """What a recipe gave.

    Attributes:
        recipe: its name.
        content: the file; None where it failed.
        why: why it failed, in one line.
        advice: what to try instead.
        seconds: how long it took.
        notes: how it was made, where that was not as usual.
    """

    recipe: str
    content: bytes | None
    why: str = ""
    advice: str = ""
    seconds: float = 0.0
    notes: tuple[str, ...] = field(default=())


def chosen(text: str | None) -> tuple[str, ...]:
    """Return the recipes of "int8,float16", "all", or None for the five of the course.

    Raises:
        ValueError: there is no such recipe.
    """
    names = COURSE if text is None else tuple(RECIPES) if text == "all" else text.split(",")
    unknown = [name for name in names if name not in RECIPES]
    if unknown:
        raise ValueError(f"--recipes: no recipe {unknown[0]!r}; there are {', '.join(RECIPES)}.")
    return tuple(name for name in RECIPES if name == "float32" or name in names)


def available() -> bool:
    """Say whether LiteRT Quantizer is installed."""
    try:
        paths.require("litert_quantizer", extra="quantizer")
    except ImportError:
        return False
    return True


def make(model: Model, names: Sequence[str], calibration: Data, io: str = "uint8") -> list[Made]:
    """Quantize a model by several recipes.

    Args:
        model: the model.
        names: of RECIPES.
        calibration: by input, the samples that give the ranges.
        io: "uint8", "int8" or "float32": inputs and outputs of the int8 file.

    Returns:
        One result for each name, also where it failed.
    """
    results = []
    with progress(len(names), "Converting") as advance:
        for name in names:
            advance(0, name)
            start = time.perf_counter()
            made = _one(model, name, calibration, io)
            seconds = time.perf_counter() - start
            results.append(dataclasses.replace(made, seconds=seconds))
            advance(1, f"{name} {seconds:.0f} s")
    return results


def _one(model: Model, name: str, calibration: Data, io: str) -> Made:
    """Quantize by one recipe: by the converter, else by LiteRT Quantizer."""
    if name == "float32":
        return Made(name, model.float32)
    reasons = []
    for way in ("converter", "quantizer"):
        try:
            if way == "converter":
                content = _converted(model, name, calibration, io)
            else:
                content = requantized(model.float32, name, calibration, io)
            runner = Runner(content)
            runner.run({n: v[:1] for n, v in calibration.items()})
        except ImportError as error:
            reasons.append(str(error))
        except Exception as error:  # whatever the converter meets
            reasons.append(reason(error))
        else:
            notes: tuple[str, ...] = ()
            if way == "quantizer" and model.saved is not None and name in COURSE:
                notes = (f"Made by LiteRT Quantizer. The converter: {reasons[0]}",)
            return Made(name, content, notes=notes)
    return Made(name, None, reasons[0], _TRY.get(name, "another recipe"))


class _NotByConverterError(ValueError):
    """The converter has no such recipe, or no model to read."""


def _converted(model: Model, name: str, calibration: Data, io: str) -> bytes:
    """Quantize by TensorFlow's converter."""
    if model.saved is None:
        raise _NotByConverterError("the converter reads no .tflite file")
    if name in ("dynamic_int8", "int4"):
        raise _NotByConverterError("LiteRT Quantizer makes it, which is not installed or failed")
    if name in _CALIBRATED and any(o.name == "WHILE" for o in TfliteFile(model.float32).operations):
        raise ValueError("the model has a loop, which cannot be calibrated; save it unrolled")
    tf = paths.require("tensorflow", extra="tensorflow")
    with silence.quiet():
        converter = tf.lite.TFLiteConverter.from_saved_model(str(model.saved))
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if name == "float16":
            converter.target_spec.supported_types = [tf.float16]
        if name in _CALIBRATED:
            count = len(next(iter(calibration.values())))
            converter.representative_dataset = lambda: (
                {n: v[i : i + 1] for n, v in calibration.items()} for i in range(count)
            )
        if name == "int8":
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
            if all(port.dtype.kind == "f" for port in model.inputs):
                converter.inference_input_type = getattr(tf, io)
            converter.inference_output_type = getattr(tf, io)
        if name.startswith("int16x8"):
            ops = tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
            converter.target_spec.supported_ops = [ops]
        if name == "int16x8_bias32":
            converter._experimental_full_integer_quantization_bias_type = tf.int32
        content = bytes(converter.convert())
    floats = float_operations(TfliteFile(content)) if name in _CALIBRATED else []
    if floats:
        raise conversion.ConversionError(f"{', '.join(floats)} would stay in floating point")
    return content


def float_operations(file: TfliteFile) -> list[str]:
    """Return the kinds of operations that compute in floating point."""
    floats = {t.index for t in file.tensors if t.dtype.kind == "f"}
    moves = ("QUANTIZE", "DEQUANTIZE")
    found = [o.name for o in file.operations if o.name not in moves and floats & {*o.outputs}]
    return list(dict.fromkeys(found))


def requantized(
    float32: bytes,
    name: str,
    calibration: Data,
    io: str = "int8",
    keep: Sequence[str] = (),
    ranges: dict[str, tuple[float, float]] | None = None,
) -> bytes:
    """Quantize a float32 .tflite file by LiteRT Quantizer.

    Args:
        float32: the file's content.
        name: of RECIPES.
        calibration: by input, the samples that give the ranges.
        io: "float32" keeps float inputs and outputs; else they become integers.
        keep: names of tensors; the operations that make them stay in float32.
        ranges: smallest and largest value by tensor, in place of those seen.

    Raises:
        ImportError: LiteRT Quantizer is not installed.
        ValueError: there is no such recipe here.
    """
    tool = paths.require("litert_quantizer.quantizer", extra="quantizer")
    config = _config(name, TfliteFile(float32))
    no = {"algorithm_key": _KEEP}
    if io == "float32":
        config += [{"regex": ".*", "operation": kind, **no} for kind in ("INPUT", "OUTPUT")]
    config += [{"regex": f"^{re.escape(k)}", "operation": "*", **no} for k in keep]
    with silence.quiet():
        quantizer = tool.Quantizer(bytearray(float32), config)
        found = None
        if quantizer.need_calibration:
            count = len(next(iter(calibration.values())))
            few = [{n: v[i : i + 1] for n, v in calibration.items()} for i in range(count)]
            key = next(iter(Runner(float32).signatures()), None)
            found = quantizer.calibrate({key: few[:1]}, num_threads=1)
            seen = ranges if ranges is not None else extremes(float32, calibration)
            for tensor, (low, high) in seen.items():
                if tensor in found:
                    shape = np.shape(found[tensor]["min"])
                    found[tensor]["min"] = np.full(shape, low, np.float32)
                    found[tensor]["max"] = np.full(shape, high, np.float32)
        content = quantizer.quantize(found, enable_progress_report=False).quantized_model
    if content is None or bytes(content) == float32:
        raise ValueError("LiteRT Quantizer found nothing to quantize")
    return bytes(content)


def extremes(float32: bytes, calibration: Data) -> dict[str, tuple[float, float]]:
    """Return the smallest and the largest value of each activation, by the tensor's name."""
    runner = Runner(float32, keep_tensors=True)
    found: dict[str, tuple[float, float]] = {}
    made = [*runner.inputs, *(runner.tensors[i] for o in runner.operations for i in o.outputs)]
    for _ in runner.batches(calibration):
        for info in made:
            if info.dtype.kind == "f":
                values = runner.tensor(info.index)
                low, high = found.get(info.name, (np.inf, -np.inf))
                found[info.name] = min(low, float(values.min())), max(high, float(values.max()))
    return found


def _config(name: str, file: TfliteFile) -> list[dict[str, Any]]:
    """Return LiteRT Quantizer's configuration of a recipe."""

    def weights(bits: int, dtype: str = "INT", group: str = "CHANNELWISE") -> dict[str, Any]:
        return {"num_bits": bits, "symmetric": True, "granularity": group, "dtype": dtype}

    def rule(
        config: dict[str, Any], key: str = "min_max_uniform_quantize", regex: str = ".*"
    ) -> dict[str, Any]:
        settings = {"skip_checks": False, "min_weight_elements": 0, **config}
        return {"regex": regex, "operation": "*", "algorithm_key": key, "op_config": settings}

    dynamic = {"compute_precision": "INTEGER", "explicit_dequantize": False}
    if name in ("dynamic_range", "dynamic_int8"):
        return [rule({"weight_tensor_config": weights(8), **dynamic})]
    if name == "float16":
        half = {"compute_precision": "FLOAT", "explicit_dequantize": True}
        return [rule({"weight_tensor_config": weights(16, "FLOAT"), **half}, "float_casting")]
    if name == "int4":
        rules = [rule({"weight_tensor_config": weights(8), **dynamic})]
        for step in file.operations:
            if step.name == "FULLY_CONNECTED":
                grouped = file.tensors[step.inputs[1]].shape[-1] % 32 == 0
                group = "BLOCKWISE_32" if grouped else "CHANNELWISE"
                one = rule(
                    {"weight_tensor_config": weights(4, group=group), **dynamic},
                    regex=f"^{re.escape(file.tensors[step.outputs[0]].name)}",
                )
                rules.append({**one, "operation": "FULLY_CONNECTED"})
        if len(rules) == 1:
            raise ValueError("no dense layer, and LiteRT computes 4-bit convolutions slowly")
        return rules
    if name in ("int8", "int16x8"):
        bits = 8 if name == "int8" else 16
        activations = {"num_bits": bits, "symmetric": bits == 16, "granularity": "TENSORWISE"}
        config = {"activation_tensor_config": {**activations, "dtype": "INT"}, **dynamic}
        return [rule({"weight_tensor_config": weights(8), **config})]
    raise ValueError(f"LiteRT Quantizer has no recipe {name}")


def reason(error: Exception) -> str:
    """Return why a conversion failed, in one line."""
    said = str(error).strip() or type(error).__name__
    sixteen = re.findall(r"16x8-bit not yet supported for op: '(\w+)'", said)
    if sixteen:
        return f"the converter has no 16-bit {', '.join(dict.fromkeys(sixteen))}."
    missing = re.findall(r"'(tf\.\w+)' op is neither", said)
    if missing:
        return f"LiteRT has no operation for {', '.join(dict.fromkeys(missing))}."
    if "no_integer_overflow" in said:
        return (
            "no engine opens it: a bias is too large for its scale (a layer that is always zero?)."
        )
    if "Empty min/max" in said:
        return "the converter cannot calibrate inputs of whole numbers for 16 bits."
    lines = [line for line in said.splitlines() if line.strip()]
    return lines[0].strip()[:240]


def already(content: bytes) -> bool:
    """Say whether a .tflite file is quantized: it holds weights with scales, or half floats."""
    file = TfliteFile(content)
    return any(t.scales.size or t.kind == "float16" for t in file.constants())
