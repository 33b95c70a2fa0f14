"""The five LiteRT recipes of the course, and running a .tflite file."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np

from qhelpers import silence, storage
from qhelpers.tflite import Array, Operation, TensorInfo, TfliteFile

__all__ = ["RECIPES", "ConversionError", "LiteModel", "Operation", "TensorInfo", "convert"]

RECIPES = ("float32", "dynamic_range", "int8", "float16", "int16x8")
_CALIBRATED = ("int8", "int16x8")
_BATCH = 250
_Step = Callable[[Array], Array]


class ConversionError(ValueError):
    """The model holds an operation that the chosen recipe cannot express."""


def convert(model: Any, recipe: str, representative: Array | None = None) -> bytes:
    """Convert a Keras model to the bytes of a .tflite file.

    Args:
        model: a Keras model with one input.
        recipe: one of RECIPES.
        representative: float32 in [0, 1], [n, *the model's input shape]; int8 and int16x8 take
            the ranges of their activations from it, the other recipes ignore it.

    Returns:
        The file's content; the same bytes for the same arguments.

    Raises:
        ConversionError: the recipe cannot hold an operation of the model.
        ValueError: unknown recipe, or unusable representative images.
    """
    if recipe not in RECIPES:
        raise ValueError(f"unknown recipe {recipe!r}; choose one of {', '.join(RECIPES)}.")
    images = _checked(representative, tuple(model.input_shape[1:]), recipe)
    tf = storage.require("tensorflow", extra="tensorflow")
    with silence.quiet():
        converter = tf.lite.TFLiteConverter.from_keras_model(model)
        if recipe != "float32":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if recipe == "float16":
            converter.target_spec.supported_types = [tf.float16]
        if recipe in _CALIBRATED:
            converter.representative_dataset = lambda: ([image[None]] for image in images)
        if recipe == "int8":
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
            converter.inference_input_type = tf.uint8
            converter.inference_output_type = tf.uint8
        if recipe == "int16x8":
            ops = tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
            converter.target_spec.supported_ops = [ops]
        try:
            content = bytes(converter.convert())
        except Exception as error:
            names = re.findall(r"'tf\.(\w+)' op is neither", str(error))
            if not names:
                raise
            raise _cannot_hold(names, recipe) from error
    if recipe in _CALIBRATED:
        # The converter leaves an operation without an integer kernel in float32 and says nothing.
        # Not the reference engine: it lacks float operations (ELU), and could not open such a file.
        names = _float_operations(LiteModel(content))
        if names:
            raise _cannot_hold(names, recipe)
    return content


def _cannot_hold(names: list[str], recipe: str) -> ConversionError:
    """Return the error that names the operations in the way of `recipe`."""
    listed = ", ".join(dict.fromkeys(names))
    advice = "Build the model from operations that LiteRT has (ReLU, convolution, pooling, ...)"
    if recipe in _CALIBRATED:
        advice += ", or take float16 or dynamic_range if those keep them in floating point"
    return ConversionError(f"the recipe {recipe!r} cannot hold the operation {listed}. {advice}.")


def _float_operations(model: LiteModel) -> list[str]:
    """Return the names of the operations that compute in floating point."""
    floats = {tensor.index for tensor in model.tensors if tensor.dtype.kind == "f"}
    moves = ("QUANTIZE", "DEQUANTIZE")
    return [o.name for o in model.operations if o.name not in moves and floats & {*o.outputs}]


def _checked(images: Array | None, shape: tuple[int, ...], recipe: str) -> Array:
    """Return representative images fit for `recipe`, or say what is wrong with them."""
    if recipe not in _CALIBRATED:
        return np.empty(0, np.float32)
    wanted = f"representative images must be float32 in [0, 1] of shape {['n', *shape]}"
    wanted = wanted.replace("'", "")
    if images is None:
        raise ValueError(f"{wanted}; got none. {recipe} takes its activations' ranges from them.")
    images = np.asarray(images)
    if images.shape[1:] != shape or images.ndim != len(shape) + 1:
        raise ValueError(f"{wanted}; got shape {list(images.shape)}. Reshape them first.")
    if len(images) == 0:
        raise ValueError(f"{wanted}; got an empty array. A hundred images will do.")
    if images.dtype != np.float32:
        found = f"{images.dtype} with maximum {images.max()}"
        advice = "Divide by 255 first" if images.max() > 1 else "Use .astype('float32')"
        raise ValueError(f"{wanted}; got {found}. {advice}.")
    if np.isnan(images).any():
        raise ValueError(f"{wanted}; got {np.isnan(images).sum()} NaN. Take them out first.")
    low, high = float(images.min()), float(images.max())
    if low < 0 or high > 1:
        advice = (
            "Divide by 255 first" if 1 < high <= 255 and low >= 0 else "Scale them as in training"
        )
        raise ValueError(f"{wanted}; got values from {low:g} to {high:g}. {advice}.")
    return images


class LiteModel(TfliteFile):
    """A .tflite file that can be run; its constructor and what is in it are TfliteFile's."""

    def quantize_input(self, images: Array) -> Array:
        """Return images as the model takes them: rounded half to even and clipped.

        Args:
            images: float32 [n, 28, 28], real values in the range of the training images.

        Returns:
            The same shape in the input's dtype; unchanged where that is float32.

        Raises:
            ValueError: the images are no floats, or hold NaN.
        """
        images = np.asarray(images)
        if images.dtype.kind != "f":
            raise ValueError(f"images must be float32; got {images.dtype}. Use digits.to_float().")
        if np.isnan(images).any():
            raise ValueError("images hold NaN, which no integer stands for. Take them out first.")
        info = self.inputs[0]
        if info.dtype.kind == "f":
            return images.astype(info.dtype, copy=False)
        limits = np.iinfo(info.dtype)
        steps = np.rint(images.astype(np.float64) / float(info.scales[0]))
        raw = np.clip(steps + info.zero_points[0], limits.min, limits.max)
        return np.asarray(raw, info.dtype)

    def dequantize_output(self, raw: Array) -> Array:
        """Return raw outputs as real values: float32, scale * (raw - zero_point)."""
        info = self.outputs[0]
        if info.dtype.kind == "f":
            return raw.astype(np.float32, copy=False)
        shifted = raw.astype(np.int64) - int(info.zero_points[0])
        return np.asarray(np.float32(info.scales[0]) * shifted.astype(np.float32))

    def run_raw(self, raw: Array) -> Array:
        """Run the model on inputs in its own dtype.

        Args:
            raw: [n, *input shape] in the input's dtype, as `quantize_input` returns them.

        Returns:
            [n, *output shape] in the output's dtype.

        Raises:
            ValueError: wrong dtype or shape, or no image.
        """
        return self._in_batches(np.asarray(raw), lambda part: part, lambda part: part)

    def predict(self, images: Array) -> Array:
        """Run the model on real values: quantize, run in batches, dequantize.

        Args:
            images: float32 [n, 28, 28].

        Returns:
            float32 [n, 10].
        """
        return self._in_batches(np.asarray(images), self.quantize_input, self.dequantize_output)

    def _in_batches(self, images: Array, before: _Step, after: _Step) -> Array:
        """Run all images; `before` and `after` turn a batch into raw values and back."""
        shape = self.inputs[0].shape[1:]
        if len(images) == 0 or images.shape[1:] != shape:
            wanted = ", ".join(map(str, ("n", *shape)))
            raise ValueError(f"images must be [{wanted}], n > 0; got {list(images.shape)}.")
        size = self._fixed or (len(images) if self.keep_tensors else _BATCH)
        parts = [images[i : i + size] for i in range(0, len(images), size)]
        return np.concatenate([after(self._run(before(part))) for part in parts])

    def _run(self, raw: Array) -> Array:
        """Run one batch; the interpreter is resized only where the batch's size changes."""
        info, interpreter = self.inputs[0], self._interpreter
        if raw.dtype != info.dtype:
            raise ValueError(f"raw inputs must be {info.dtype}; got {raw.dtype}.")
        count = len(raw)
        if self._fixed:
            raw = np.resize(raw, (self._fixed, *raw.shape[1:]))
        elif tuple(interpreter.get_input_details()[0]["shape"]) != raw.shape:
            with silence.quiet():
                interpreter.resize_tensor_input(info.index, raw.shape)
                interpreter.allocate_tensors()
        interpreter.set_tensor(info.index, raw)
        interpreter.invoke()
        return np.array(interpreter.get_tensor(self.outputs[0].index))[:count]

    def single(self, image: Array) -> Callable[[], None]:
        """Return a function that sets one prepared image and invokes: for `evaluate.latency`.

        Args:
            image: float32 [28, 28].
        """
        interpreter, index = self._open(), self.inputs[0].index
        raw = self.quantize_input(np.asarray(image)[None])

        def once() -> None:
            interpreter.set_tensor(index, raw)
            interpreter.invoke()

        return once
