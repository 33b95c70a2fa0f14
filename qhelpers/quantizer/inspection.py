"""What is in a .tflite file, in words; and what devices and engines say to it."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import re
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from qhelpers import paths
from qhelpers.quantizer.recipes import float_operations
from qhelpers.quantizer.running import Runner, multiply_adds, peak_memory
from qhelpers.tflite import microcontroller, silence
from qhelpers.tflite.file import TensorInfo, TfliteFile

_ARENA = 1 << 26  # bytes offered to LiteRT for Microcontrollers: 64 MB
_ASK_MICRO = f"""
import sys
from tflite_micro.python.tflite_micro import runtime
opened = runtime.Interpreter.from_bytes(sys.stdin.buffer.read(), arena_size={_ARENA})
opened.invoke()
opened.print_allocations()
"""
_MOVES = ("QUANTIZE", "DEQUANTIZE")


@dataclass(frozen=True)
class Support:
    """What one engine says to a file.

    Attributes:
        takes: True, False, or None where it could not be asked here.
        said: in words.
        arena: bytes of working memory on a microcontroller; None where unknown.
    """

    takes: bool | None
    said: str
    arena: int | None = None


def microcontrollers(content: bytes) -> Support:
    """Ask LiteRT for Microcontrollers whether it takes a file, and how much memory it uses."""
    if not microcontroller.available():
        return Support(None, f"not asked: {paths.install_command('micro')} brings its interpreter")
    # In a process of its own: the interpreter ends the process on some files.
    try:
        ended = subprocess.run(
            [sys.executable, "-c", _ASK_MICRO], input=content, capture_output=True, timeout=120
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return Support(None, f"could not be asked: {type(error).__name__}")
    said = ended.stderr.decode(errors="replace")
    if ended.returncode:
        lines = [line.strip() for line in said.splitlines() if line.strip()]
        lines = [line for line in lines if not line.startswith(("Traceback", "File"))]
        if ended.returncode < 0:
            return Support(False, "its interpreter crashes on this file")
        return Support(False, f"refused: {(lines or ['no reason given'])[0][:160]}")
    total = re.search(r"Arena allocation total (\d+) bytes", said)
    arena = int(total[1]) if total else None
    size = f"{arena:,} bytes of arena" if arena else "taken"
    return Support(True, f"{size}, and {len(content):,} bytes of flash for the file", arena)


def xnnpack(content: bytes) -> Support:
    """Ask XNNPACK, LiteRT's engine on CPUs, which operations it takes over."""
    module = paths.require("ai_edge_litert.interpreter", extra="litert")
    try:
        with silence.quiet():
            opened = module.Interpreter(model_content=content)
            opened.allocate_tensors()
            steps = opened._get_ops_details()
    except (ValueError, RuntimeError) as error:
        return Support(False, f"refused: {str(error).splitlines()[0]}")
    own = [step for step in steps if step["op_name"] != "DELEGATE"]
    makers = {int(i): at for at, step in enumerate(own) for i in step["outputs"]}
    taken: set[int] = set()
    for step in steps:
        if step["op_name"] == "DELEGATE":
            inputs, todo = {*map(int, step["inputs"])}, [*map(int, step["outputs"])]
            while todo:
                at = makers.get(todo.pop())
                if at is not None and at not in taken:
                    taken.add(at)
                    todo += [int(i) for i in own[at]["inputs"] if int(i) not in inputs]
    left = Counter(step["op_name"] for at, step in enumerate(own) if at not in taken)
    rest = f"; not {', '.join(left)}" if left else ""
    return Support(not left, f"takes {len(taken)} of {len(own)} operations{rest}")


def gpu(content: bytes) -> Support:
    """Ask TensorFlow's analyzer whether LiteRT's GPU delegate takes the operations."""
    if importlib.util.find_spec("tensorflow") is None:
        return Support(None, "not asked: TensorFlow's analyzer is not installed")
    tf = paths.require("tensorflow", extra="tensorflow")
    said = io.StringIO()
    try:
        with silence.quiet(), contextlib.redirect_stdout(said):
            tf.lite.experimental.Analyzer.analyze(model_content=content, gpu_compatibility=True)
    except Exception as error:
        return Support(None, f"could not be asked: {str(error).splitlines()[0]}")
    lines = [line for line in said.getvalue().splitlines() if "GPU COMPATIBILITY WARNING" in line]
    if "looks compatible with GPU" in said.getvalue():
        return Support(True, "takes all operations, says TensorFlow's analyzer")
    why = lines[0].partition("WARNING:")[2].strip() if lines else "some operations"
    return Support(False, f"does not take {why}")


def integer_only(file: TfliteFile) -> str:
    """Say whether a file computes in integers throughout, and if not, what keeps floats and why."""
    floats = float_operations(file)
    weighted = [file.tensors[o.inputs[1]] for o in file.operations if len(o.inputs) > 1]
    small = any(w.dtype.kind == "i" and w.scales.size for w in weighted)
    ports = {t.kind for t in (*file.inputs, *file.outputs)}
    if not floats:
        if any(kind.startswith("float") for kind in ports):
            return (
                "Computes in integers, between float inputs or outputs: QUANTIZE and DEQUANTIZE at "
                "the ends need floats. An integer-only device wants --io int8."
            )
        return "Integer only: no operation computes in floating point, inputs and outputs included."
    whole = sum(o.name not in _MOVES for o in file.operations)
    scaled = [t for t in file.tensors if t.scales.size and t.dtype.kind in "iu"]
    if not scaled:
        half = any(t.kind == "float16" for t in file.tensors)
        return f"Floating point throughout{', weights stored as float16' if half else ''}."
    hybrid = [
        o
        for o in file.operations
        if len(o.inputs) > 1 and o.name not in _MOVES
        if file.tensors[o.inputs[0]].dtype.kind == "f" and file.tensors[o.inputs[1]].scales.size
    ]
    if hybrid and small:
        return (
            f"Not integer only: {len(hybrid)} of {whole} operations have 8-bit or 4-bit weights "
            "and float inputs (dynamic range). Ranges of activations are missing: calibrate (int8)."
        )
    kinds = Counter(o.name for o in file.operations if o.name in floats)
    names = ", ".join(f"{name} ({count})" for name, count in kinds.items())
    return (
        f"Not integer only: {names} of {whole} operations compute in floating point, because the "
        "tool that made the file has no integer version of them or was told to leave them."
    )


def lines_of_code(runner: Runner) -> list[str]:
    """Return the lines that turn real values into each input, and each output into real values."""
    lines = []
    for which, ports in (("x", runner.ins), ("y", runner.outs)):
        for name, info in ports.items():
            label = f"  # {name}" if len(ports) > 1 else ""
            if not info.scales.size:
                verb = "raw = x.astype(np." if which == "x" else "y = raw.astype(np."
                lines.append(f"{verb}{info.dtype}){label}")
                continue
            scale, zero = f"{float(info.scales[0]):.9g}", int(info.zero_points[0])
            if which == "x":
                low, high = np.iinfo(info.dtype).min, np.iinfo(info.dtype).max
                steps = f"np.rint(x / {scale}) + {zero}"
                lines.append(
                    f"raw = np.clip({steps}, {low}, {high}).astype(np.{info.dtype}){label}"
                )
            else:
                lines.append(f"y = {scale} * (raw.astype(np.float32) - {zero}){label}")
    return lines


def _port(name: str, info: TensorInfo) -> str:
    """Return an input or output in words."""
    said = f"{name}: {info.kind} {list(info.shape)}"
    if info.scales.size:
        said += f", scale {float(info.scales[0]):.6g}, zero point {int(info.zero_points[0])}"
    return said


def describe(path: Path) -> str:
    """Return what is in a .tflite file, as text.

    Args:
        path: the file.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no .tflite file, or no engine opens it.
    """
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}.")
    content = path.read_bytes()
    try:
        file = TfliteFile(content)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    kinds = Counter(step.name for step in file.operations)
    stored = file.stored_bytes()
    scaled = [t for t in file.constants() if t.scales.size]
    channels = sum(len(t.scales) > 1 for t in scaled)
    lines = [
        f"{path.name}: {len(content):,} bytes, {len(file.operations)} operations",
        integer_only(file),
        "",
        "Types       " + file.stored(),
        "Operations  " + ", ".join(f"{count} {name}" for name, count in kinds.most_common()),
        "Constants   " + ", ".join(f"{size:,} bytes of {kind}" for kind, size in stored.items()),
        f"Overhead    {len(content) - sum(stored.values()):,} bytes: names, scales, the graph",
        f"Scales      {len(scaled)} quantized constants, {channels} of them by channel",
        f"Work        {multiply_adds(file):,} multiply-adds; activations of {peak_memory(file):,} "
        "bytes at the worst step",
    ]
    try:
        runner = Runner(content)
    except ValueError as error:
        return "\n".join([*lines, f"Opens       no: {error}"])
    lines += [f"Input       {_port(name, info)}" for name, info in runner.ins.items()]
    lines += [f"Output      {_port(name, info)}" for name, info in runner.outs.items()]
    lines += [f"In code     {line}" for line in lines_of_code(runner)]
    asked = {"XNNPACK": xnnpack(content), "GPU": gpu(content), "Micro": microcontrollers(content)}
    lines += [f"{name:12}{support.said}" for name, support in asked.items()]
    return "\n".join(lines)
