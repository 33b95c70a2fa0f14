"""The checks of lesson 07: quantization-aware training."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from qhelpers.notebook.exercises import Verdict, exercise, hint, right, unanswered

Array = npt.NDArray[Any]


@exercise("07.1", "callable")
def straight_through(answer: Callable[..., Any]) -> Verdict:
    """Check a function (gradient, x, scale, qmin, qmax): the straight-through gradient."""
    scale, qmin, qmax = 0.5, -2, 1
    x = np.array([-3.0, -1.26, -1.2, -1.0, 0.0, 0.2, 0.5, 0.74, 0.8, 5.0])
    gradient = np.array([1.0, -2.0, 3.0, 0.5, -1.0, 2.0, 4.0, -3.0, 1.5, 2.5])
    found = answer(gradient.copy(), x.copy(), scale, qmin, qmax)
    if found is None or found is ...:
        return unanswered()
    found = np.asarray(found, dtype=np.float64)
    if found.shape != x.shape:
        return hint(f"One gradient for each x is expected: shape {x.shape}, got {found.shape}.")
    level = np.rint(x / scale)
    inside = (level >= qmin) & (level <= qmax)
    wrong = (
        (np.zeros(x.shape), "That is rounding's own gradient. With it, nothing is ever learned."),
        (
            gradient,
            "You pass everything on. Where the value was clipped, moving it changes nothing.",
        ),
        (inside * 1.0, "These are the slopes, 0 or 1. Multiply by the gradient that arrives."),
        (gradient * ~inside, "Turned round: it passes inside the range, and stops outside."),
        (gradient * inside * scale, "No scale here: dividing and multiplying by it cancel out."),
        (
            gradient * ((x >= qmin) & (x <= qmax)),
            "qmin and qmax are integers; compare the level, round(x / scale), with them, not x.",
        ),
        (
            gradient * ((level > qmin) & (level < qmax)),
            "The outermost levels belong to the range: <=, not <.",
        ),
        (
            gradient * ((x / scale >= qmin) & (x / scale <= qmax)),
            "Nearly: a value up to half a step beyond the last level still rounds to it. "
            "Compare after rounding.",
        ),
    )
    if np.allclose(found, gradient * inside):
        return right("Inside the range the gradient passes unchanged, outside it stops.")
    for values, why in wrong:
        if np.allclose(found, values):
            return hint(why)
    return hint("Where round(x / scale) lies in qmin to qmax pass the gradient, elsewhere 0.")


@exercise("07.2", np.ndarray)
def folded_bias(
    answer: Array, gamma: Array, beta: Array, mean: Array, variance: Array, eps: float
) -> Verdict:
    """Check the bias of a convolution that a batch normalization was folded into."""
    if answer.shape != beta.shape:
        return hint(f"One bias for each of the {len(beta)} channels; got shape {answer.shape}.")
    spread = np.sqrt(variance + eps)
    expected = beta - mean * gamma / spread
    wrong = (
        (beta, "The mean is missing: it is subtracted before gamma and beta are applied."),
        (beta + mean * gamma / spread, "The sign: batch normalization subtracts the mean."),
        ((beta - mean) * gamma / spread, "beta is added last: gamma does not multiply it."),
        (beta - mean, "The mean is divided by the spread and multiplied by gamma, too."),
        (beta - mean / spread, "gamma is missing: it multiplies the mean as well."),
        (beta - mean * gamma, "Divide by the standard deviation."),
        (beta - mean * gamma / (variance + eps), "That is the variance. Take its square root."),
        (gamma / spread, "That is the factor of the weights. The bias is what is left for x = 0."),
        (-mean * gamma / spread, "beta is missing."),
    )
    if np.allclose(answer, expected, rtol=1e-3, atol=1e-5):
        return right("With it, convolution and batch normalization are one convolution.")
    for values, why in wrong:
        if np.allclose(answer, values, rtol=1e-3, atol=1e-5):
            return hint(why)
    return hint("Put x = 0 into gamma * (x - mean) / sqrt(variance + eps) + beta.")


@exercise("07.3", np.ndarray)
def integer_bias(
    answer: Array, bias: Array, input_scale: float, weight_scale: float, output_scale: float
) -> Verdict:
    """Check the int32 biases that an integer layer adds to its sums."""
    if answer.shape != bias.shape:
        return hint(f"One integer for each of the {len(bias)} biases; got shape {answer.shape}.")
    step = input_scale * weight_scale
    whole = np.array_equal(answer, np.rint(answer))
    if whole and (np.abs(answer - bias / step) < 0.501).all():
        return right("The sums have this step, so the bias can simply be added to them.")
    one = "One scale alone? A product counts in units of two scales, multiplied."
    wrong = (
        (bias / step, "Integers are expected: round them."),
        (np.trunc(bias / step), "The step is right, but you cut off. Round to the nearest."),
        (np.floor(bias / step), "The step is right. Round to the nearest integer, not down."),
        (np.rint(bias / step * output_scale), "The output's scale comes later, after the sum."),
        (np.rint(bias / weight_scale), one),
        (np.rint(bias / input_scale), one),
        (np.rint(bias / output_scale), one),
        (np.rint(bias * step), "Multiplying leads to reals. Divide by the step."),
        (np.rint(bias / step / output_scale), "The output's scale comes later, after the sum."),
    )
    for values, why in wrong:
        if np.allclose(answer, values, rtol=1e-3, atol=1e-3):
            return hint(why)
    return hint("Integer times integer: one unit of the sum is input_scale * weight_scale.")
