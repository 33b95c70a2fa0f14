"""The five LiteRT recipes of the course: a Keras model in, the bytes of a .tflite file out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from qhelpers import paths
from qhelpers.tflite import silence
from qhelpers.tflite.file import Array, TfliteFile

RECIPES = ("float32", "dynamic_range", "int8", "float16", "int16x8")
_CALIBRATED = ("int8", "int16x8")


class ConversionError(ValueError):
    """The model holds an operation that the chosen recipe cannot express."""


def convert(
    model: Any,
    recipe: str,
    representative: Array | None = None,
    value_range: tuple[float, float] = (0.0, 1.0),
) -> bytes:
    """Convert a Keras model to the bytes of a .tflite file, the same for the same arguments.

    Args:
        model: a Keras model with one input.
        recipe: one of RECIPES.
        representative: float32, [n, *the model's input shape], as the model was trained on; int8
            and int16x8 take the ranges of their activations from it, the other recipes ignore it.
        value_range: the smallest and the largest value that it may hold; infinities for any.

    Raises:
        ConversionError: the recipe cannot express an operation of the model.
        ValueError: unknown recipe, or unusable representative images.
    """
    if recipe not in RECIPES:
        raise ValueError(f"unknown recipe {recipe!r}; choose one of {', '.join(RECIPES)}.")
    if len(model.inputs) != 1:
        raise ValueError(f"the model must have one input; this one has {len(model.inputs)}.")
    shape = tuple(model.inputs[0].shape[1:])  # without the batch
    if None in shape:
        raise ValueError(f"the model's input must have a fixed size; this one has {list(shape)}.")
    images = checked(representative, shape, recipe, value_range) if recipe in _CALIBRATED else ()
    tf = paths.require("tensorflow", extra="tensorflow")
    with silence.quiet():
        converter = tf.lite.TFLiteConverter.from_keras_model(model)
    return converted(converter, recipe, lambda: ([image[None]] for image in images))


def converted(
    converter: Any,
    recipe: str,
    samples: Callable[[], Iterable[Any]],
    inputs: str = "uint8",
    outputs: str = "uint8",
) -> bytes:
    """Set TensorFlow's converter to a recipe and run it; errors as for `convert`.

    Args:
        converter: it knows the model already.
        recipe: one of RECIPES.
        samples: what gives the representative inputs one by one.
        inputs: their type in an int8 file; "" leaves it as it is.
        outputs: the same of the outputs.
    """
    tf = paths.require("tensorflow", extra="tensorflow")
    with silence.quiet():
        if recipe != "float32":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if recipe == "float16":
            converter.target_spec.supported_types = [tf.float16]
        if recipe in _CALIBRATED:
            converter.representative_dataset = samples
        if recipe == "int8":
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
            if inputs:
                converter.inference_input_type = getattr(tf, inputs)
            converter.inference_output_type = getattr(tf, outputs)
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
    # The converter leaves an operation without an integer kernel in float32 and says nothing.
    names = TfliteFile(content).float_operations() if recipe in _CALIBRATED else []
    if names:
        raise _cannot_hold(names, recipe)
    return content


def _cannot_hold(names: list[str], recipe: str) -> ConversionError:
    """Return the error that names the operations in the way of `recipe`."""
    listed = ", ".join(dict.fromkeys(names))
    advice = "Build the model from operations that LiteRT has (ReLU, convolution, pooling, ...)"
    if recipe in _CALIBRATED:
        advice += ", or take float16 or dynamic_range if those keep them in floating point"
    return ConversionError(f"the recipe {recipe!r} cannot express {listed}. {advice}.")


def checked(
    images: Array | None, shape: tuple[int, ...], recipe: str, value_range: tuple[float, float]
) -> Array:
    """Return representative inputs that fit `recipe`, or raise a ValueError: see `convert`."""
    least, most = value_range
    given = np.asarray(images)
    if images is None:
        found = f"none. {recipe} takes its activations' ranges from them."
    elif given.shape[1:] != shape or given.ndim != len(shape) + 1:
        found = f"shape {list(given.shape)}. Reshape them first."
    elif len(given) == 0:
        found = "an empty array. A hundred images will do."
    elif given.dtype != np.float32:
        advice = "Divide by 255 first" if given.max() > 1 else "Use .astype('float32')"
        found = f"{given.dtype} with maximum {given.max()}. {advice}."
    elif not np.isfinite(given).all():
        found = f"{(~np.isfinite(given)).sum()} NaN or infinities. Take them out first."
    elif given.min() < least or given.max() > most:
        bytes_ = given.min() >= 0 and 1 < given.max() <= 255
        advice = "Divide by 255 first" if bytes_ else "Scale them as in training"
        found = f"values from {given.min():g} to {given.max():g}. {advice}."
    else:
        return given
    axes = ", ".join(map(str, ("n", *shape)))
    wanted = f"float32 in [{least:g}, {most:g}] of shape [{axes}]"
    raise ValueError(f"representative images must be {wanted}; got {found}")
