"""Opens a lesson (quiet, seeded, styled) and holds the claims that the lesson makes."""

from __future__ import annotations

import atexit
import logging
import os
import platform
import random
import re
import sys
import warnings
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from qhelpers import paths
from qhelpers.notebook import progress

_SEED = 0
# The extra of pyproject.toml that brings each framework.
_EXTRAS = {"ai_edge_litert": "litert"} | {n: n for n in ("tensorflow", "torch", "torchao")}

# Modules whose deprecations are their makers' business. A warning that points at the reader's own
# cell has another module, and stays.
_THIRD_PARTY = r"(absl|ai_edge_litert|flatbuffers|google|keras|tensorflow|torch(ao|vision)?)(\.|$)"
# Warnings that point at the reader's cell, or are no deprecations, and yet say nothing that the
# lesson does not say itself. The start of each message, as a regular expression.
_KNOWN_MESSAGES = (
    r"torch\.ao\.quantization is deprecated",
    r"torch\.quantize_per_tensor, torch\.quantize_per_channel and other",
    r"Please use quant_min and quant_max to specify the range for observers",
    r"Statistics for quantized inputs were expected",
    r"The input of maxpool2d is not quantized",
    r"To copy construct from a tensor, it is recommended",
    r"\s*Warning: tf\.lite\.Interpreter is deprecated",
)

# Keeps the kernel's own pipe open, so that it can have file descriptor 2 back at the end.
_kernel_stderr: int | None = None


class ClaimError(AssertionError):
    """A statement of the lesson does not hold here."""


def claim(text: str, holds: bool | np.bool_, figure: str = "") -> None:
    """Print a tick where a statement of the lesson holds, and stop the notebook where it does not.

    Args:
        text: the statement, such as "the int8 file is at least 3.2x smaller".
        holds: the comparison that decides it: one True or False.
        figure: the measured figure, such as "3.46x".

    Raises:
        TypeError: `holds` is no truth value.
        ClaimError: `holds` is false.
    """
    if not isinstance(holds, (bool, np.bool_)):
        shape = getattr(holds, "shape", None)
        got = type(holds).__name__ + (f" of shape {tuple(shape)}" if shape is not None else "")
        raise TypeError(
            f"claim() needs one True or False; got {got}. "
            "Pass a comparison, such as error < 0.1 (of an array: .all(); of a tensor: bool(...))."
        )
    line = f"{text}: {figure}" if figure else text
    if not holds:
        sys.stdout.flush()
        raise ClaimError(f"✗ {line}")
    print(f"✓ {line}", flush=True)


def start(name: str, frameworks: Iterable[str] = ()) -> None:
    """Open a lesson: import its frameworks quietly, seed every generator, set the figures' style.

    In a notebook, what native code writes to standard error goes to `logs/<name>.log` below
    `paths.home()` from here on. Python's own warnings and tracebacks stay in the notebook.

    Args:
        name: the lesson, such as "03_full_integer".
        frameworks: "tensorflow", "ai_edge_litert", "torch", "torchao"; any other is a KeyError.

    Raises:
        ValueError: `name` does not begin with two digits.
        ImportError: a framework is not installed; says how to install it.
        PermissionError: the folder for generated files cannot be made.
    """
    if not re.fullmatch(r"\d\d(_\w+)?", name):
        raise ValueError(f"a lesson's name is like '03_full_integer'; got {name!r}.")
    wanted = {framework: _EXTRAS[framework] for framework in frameworks}
    home = paths.home()
    if progress.kernel() is not None:
        _send_native_stderr_to_log(name, home)
    _quiet_before_import("tensorflow" in wanted)
    for framework, extra in wanted.items():
        paths.require(framework, extra)
    _quiet_and_seed_after_import()

    from qhelpers.notebook import style

    style.use()
    progress.install()
    print(f"Lesson {name[:2]} is ready.{_found(wanted)}", flush=True)


def _found(frameworks: Iterable[str]) -> str:
    """Return what a lesson without a clone, as in Colab, runs with; a clone has the lock's."""
    found = (f", {name} {sys.modules[name].__version__}" for name in ("numpy", *frameworks))
    return "" if paths.clone() else f" Python {platform.python_version()}{''.join(found)}."


def _send_native_stderr_to_log(name: str, home: Path) -> None:
    """Point file descriptor 2 at the lesson's log.

    A kernel reads descriptor 2 through a pipe and shows in the notebook what comes out: the log
    lines of C++ libraries, differing in every run. `sys.stderr` does not go through it.
    """
    global _kernel_stderr
    try:
        place = paths.writable(home / "logs") / f"{name}.log"
        log = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    except OSError:  # a cache that others have filled, or a full disk: no log, then
        log = os.open(os.devnull, os.O_WRONLY)
    try:
        if _kernel_stderr is None:
            _kernel_stderr = os.dup(2)
            atexit.register(os.dup2, _kernel_stderr, 2)
        os.dup2(log, 2)
    finally:
        os.close(log)


def _quiet_before_import(tensorflow: bool) -> None:
    """Set what the frameworks read while they are imported."""
    for category in (DeprecationWarning, PendingDeprecationWarning, FutureWarning):
        warnings.filterwarnings("ignore", category=category, module=_THIRD_PARTY)
    for message in _KNOWN_MESSAGES:
        for kind in (DeprecationWarning, FutureWarning, UserWarning):
            warnings.filterwarnings("ignore", message=message, category=kind)
    # Importing torchao logs a warning about its own classes; compiling, that there is no GPU.
    for name in ("torch.utils._pytree", "torch.utils.cpp_extension"):
        logging.getLogger(name).setLevel(logging.ERROR)
    if tensorflow:
        os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
        # The course needs no GPU, and its figures are to be the same with one and without.
        os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")


def _quiet_and_seed_after_import() -> None:
    """Quiet what can only be reached once it is imported, and seed the random generators."""
    random.seed(_SEED)
    # The legacy generator too: it is the one that other libraries draw from.
    np.random.seed(_SEED)  # noqa: NPY002
    if "tensorflow" in sys.modules:
        import keras
        import tensorflow as tf
        from absl import logging as absl_logging

        absl_logging.set_verbosity(absl_logging.ERROR)
        tf.get_logger().setLevel(logging.ERROR)
        # Else exporting a model prints its signature, with addresses that differ in every run.
        keras.config.disable_interactive_logging()
        keras.utils.set_random_seed(_SEED)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(_SEED)
