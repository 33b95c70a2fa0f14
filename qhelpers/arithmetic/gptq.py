"""GPTQ: round a weight column by column, and let the columns to come make up for each error.

Rounding to the nearest makes each weight's error small; what counts is the error of the layer's
output, sum((w - w') x)^2 over the inputs x that it really gets. Its second derivative is the same
for each row, H = 2/n sum(x x^T), and says how the next columns have to move.

Source: E. Frantar, S. Ashkboos, T. Hoefler, D. Alistarh, "GPTQ: Accurate Post-Training Quantization
for Generative Pre-trained Transformers", ICLR 2023, algorithm 1.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qhelpers.arithmetic import groups

Floats = NDArray[np.float64]


def hessian(inputs: ArrayLike) -> Floats:
    """Return 2/n sum(x x^T), float64 [columns, columns], of a layer's inputs [..., columns].

    Raises:
        ValueError: no inputs, or NaN or infinity among them.
    """
    array = np.asarray(inputs)
    rows = array.reshape(-1, array.shape[-1] if array.ndim else 1).astype(np.float64)
    bad = rows.size - int(np.isfinite(rows).sum())
    if bad or not rows.size:
        found = f"{bad} of {rows.size} inputs are NaN or infinite"
        raise ValueError(f"{found}: run the float model on real text, and look where they begin.")
    return np.asarray(2 / len(rows) * rows.T @ rows)


def quantize(
    weight: ArrayLike,
    hessian: ArrayLike,
    choose: Callable[[NDArray[Any]], groups.GroupParams] = groups.choose,
    group: int | None = None,
    damping: float = 0.01,
    by_activation: bool = False,
) -> tuple[NDArray[Any], groups.GroupParams]:
    """Quantize a weight [rows, columns] so that the layer's output changes least.

    Args:
        weight: rows are outputs, columns inputs.
        hessian: of the same columns, as `hessian()` returns it.
        choose: from [rows, group] of the weight to the parameters of this one group.
        group: neighbouring columns that share a scale; None: all.
        damping: this times the mean of H's diagonal is added to the diagonal.
        by_activation: round the columns with the largest inputs first, while most others are left
            to make up for them. Scales are then chosen from the weight as it was; in the plain
            order, from what the columns before have made of a group when its turn comes.

    Returns:
        The integers, [rows, columns], and their parameters: for `groups.dequantize`.

    Raises:
        ValueError: a Hessian of another width, with NaN or not positive definite after damping;
            a weight that `groups` refuses.
    """
    grouped = groups.in_groups(weight, group)
    real: Floats = grouped.reshape(len(grouped), -1).astype(np.float64)
    columns, group = real.shape[1], grouped.shape[2]
    damped = _damped(hessian, columns, damping)
    order = np.argsort(-np.diag(damped), kind="stable") if by_activation else np.arange(columns)
    upper = _inverse_root(damped[np.ix_(order, order)], damping)
    params = [choose(real[:, start : start + group]) for start in range(0, columns, group)]
    real = real[:, order]
    integers: list[NDArray[Any]] = [np.empty(0)] * columns
    for place, column in enumerate(order):
        if not by_activation and column % group == 0:
            params[column // group] = choose(real[:, column : column + group])
        one = dataclasses.replace(params[column // group], group=1)
        integers[column] = groups.quantize(real[:, [place]], one)
        error = real[:, place] - groups.dequantize(integers[column], one)[:, 0]
        real[:, place:] -= np.outer(error / upper[place, place], upper[place, place:])
    scales, zero_points = (
        np.hstack([getattr(part, name) for part in params]) for name in ("scales", "zero_points")
    )
    together = dataclasses.replace(params[0], scales=scales, zero_points=zero_points)
    return np.hstack(integers), together


def _damped(hessian: ArrayLike, columns: int, damping: float) -> Floats:
    """Return a Hessian with damping on its diagonal; refuse one that does not fit the weight."""
    matrix = np.array(hessian, np.float64)
    if matrix.shape != (columns, columns):
        raise ValueError(
            f"the weight has {columns} columns and the Hessian is of shape {matrix.shape}: "
            "calibrate with what enters this very layer."
        )
    if not np.isfinite(matrix).all():
        raise ValueError("the Hessian has NaN or infinity: look at the inputs it was made of.")
    if damping < 0:
        raise ValueError(f"damping must be 0 or more; got {damping}.")
    matrix[np.diag_indices(columns)] += damping * np.diag(matrix).mean()
    return matrix


def _inverse_root(matrix: Floats, damping: float) -> Floats:
    """Return U, upper triangular, such that U^T U is the inverse of the matrix."""
    try:
        np.linalg.cholesky(matrix)
        return np.asarray(np.linalg.cholesky(np.linalg.inv(matrix)).T)
    except np.linalg.LinAlgError:
        lowest = float(np.linalg.eigvalsh(matrix).min())
        raise ValueError(
            f"the Hessian is not positive definite with damping {damping}: its smallest eigenvalue "
            f"is {lowest:.3g}. Calibrate with more text, or raise the damping."
        ) from None
