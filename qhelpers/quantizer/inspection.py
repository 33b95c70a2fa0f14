"""What is in a .tflite file, in words; and what devices and engines say to it."""

from __future__ import annotations

import functools
import json
import re
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from qhelpers import paths
from qhelpers.quantizer.models import about, described
from qhelpers.tflite import litert, microcontroller
from qhelpers.tflite.file import MOVES, TfliteFile
from qhelpers.tflite.litert import LiteModel

_ASK_MICRO = """
import sys
from tflite_micro.python.tflite_micro import runtime
opened = runtime.Interpreter.from_bytes(sys.stdin.buffer.read(), arena_size=1 << 26)
opened.invoke()
opened.print_allocations()
"""


@dataclass(frozen=True)
class Support:
    """What LiteRT for Microcontrollers says to a file."""

    takes: bool | None  # None where it could not be asked here
    said: str
    arena: int | None = None  # bytes of working memory; None where unknown


@functools.lru_cache(64)
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
    if ended.returncode < 0:
        return Support(False, "its interpreter crashes on this file")
    if ended.returncode:
        why = re.search(r"^\s*(?!Traceback|File)\S.*", said, re.MULTILINE)
        return Support(False, f"refused: {why[0].strip()[:160] if why else 'without a word'}")
    total = re.search(r"Arena allocation total (\d+) bytes", said)
    arena = int(total[1]) if total else None
    size = f"{arena:,} bytes of arena" if arena else "taken"
    return Support(True, f"{size}, and {len(content):,} bytes of flash for the file", arena)


def xnnpack(file: LiteModel) -> str:
    """Ask XNNPACK, LiteRT's engine on CPUs, which operations it takes over."""
    if file.engine != "xnnpack":
        return "refuses the file; LiteRT's own kernels run it"
    steps = file.interpreter._get_ops_details()
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
    left = dict.fromkeys(step["op_name"] for at, step in enumerate(own) if at not in taken)
    rest = f"; not {', '.join(left)}" if left else ""
    return f"takes {len(taken)} of {len(own)} operations{rest}"


def gpu(file: TfliteFile) -> str:
    """Say which operations LiteRT's GPU delegate takes, by a dated table, `gpu.json`.

    TensorFlow's analyzer is not asked: 2.21 calls files compatible whatever they hold.
    """
    if any(tensor.kind == "int16" for tensor in file.tensors):
        return "does not take 16-bit activations"
    table = json.loads(Path(__file__).with_name("gpu.json").read_text(encoding="utf-8"))
    told, known = ({*table[by]["operations"]} for by in ("delegate", "documentation"))
    names = dict.fromkeys(step.name for step in file.operations)
    left, some = [n for n in names if n not in told | known], [n for n in names if n in told]
    rest = f"; not {', '.join(left)}" if left else ""
    rest += f"; {', '.join(some)} by its source, not by its documentation" if some else ""
    count = sum(step.name not in left for step in file.operations)
    return f"takes {count} of {len(file.operations)} operations{rest} ({table['date']})"


def integer_only(file: TfliteFile) -> str:
    """Say whether a file computes in integers throughout, and if not, what keeps floats and why."""
    floats = file.float_operations()
    if not floats and any(t.dtype.kind == "f" for t in (*file.inputs, *file.outputs)):
        said = "Computes in integers, between float inputs or outputs: QUANTIZE and DEQUANTIZE at "
        return said + "the ends need floats. An integer-only device wants --io int8."
    if not floats:
        return "Integer only: no operation computes in floating point, inputs and outputs included."
    if not any(t.scales.size for t in file.tensors):
        half = any(t.kind == "float16" for t in file.tensors)
        return f"Floating point throughout{', weights stored as float16' if half else ''}."
    steps = [step for step in file.operations if step.name not in MOVES]
    pairs = [[file.tensors[i] for i in step.inputs[:2]] for step in steps if len(step.inputs) > 1]
    hybrid = sum(one.dtype.kind == "f" and two.scales.size > 0 for one, two in pairs)
    if hybrid:
        return (
            f"Not integer only: {hybrid} of {len(steps)} operations have 8-bit or 4-bit weights "
            "and float inputs (dynamic range). Ranges of activations are missing: calibrate (int8)."
        )
    return (
        f"Not integer only: {', '.join(floats)} compute in floating point, because the tool that "
        "made the file has no integer version of them or was told to leave them."
    )


def lines_of_code(file: LiteModel) -> list[str]:
    """Return the lines that turn real values into each input, and each output into real values."""
    lines = []
    for name, info in file.ins.items():
        made = "x"
        if info.scales.size:
            limits, zero = np.iinfo(info.dtype), info.zero_points[0]
            made = f"np.clip(np.rint(x / {info.scales[0]}) + {zero}, {limits.min}, {limits.max})"
        lines.append(f"raw = {made}.astype(np.{info.dtype})  # {name}")
    for name, info in file.outs.items():
        made = "raw.astype(np.float32)"
        if info.scales.size:
            made = f"{info.scales[0]} * ({made} - {info.zero_points[0]})"
        lines.append(f"y = {made}  # {name}")
    return lines


def multiply_adds(file: TfliteFile) -> int:
    """Return the multiplications of all weighted operations and matrix products, for one sample."""
    total = 0
    for step in file.operations:
        if step.name in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "BATCH_MATMUL"):
            first, weights = (file.tensors[i].shape for i in step.inputs[:2])
            each = {"DEPTHWISE_CONV_2D": weights[1:-1], "BATCH_MATMUL": first[-1:]}
            shape = each.get(step.name, weights[1:]) + file.tensors[step.outputs[0]].shape
            total += int(np.prod(shape, dtype=np.int64))
    return total


def peak_memory(file: TfliteFile) -> int:
    """Return the bytes of the activations that must be kept at once, at the worst step."""
    last = {info.index: len(file.operations) for info in file.outputs}
    for at, step in enumerate(file.operations):
        last |= {i: at for i in step.inputs if last.get(i, -1) < at}
    alive, peak = {info.index for info in file.inputs}, 0
    for at, step in enumerate(file.operations):
        alive |= {*step.outputs}
        sizes = (file.tensors[i] for i in alive)
        peak = max(peak, sum(int(np.prod(t.shape)) * t.dtype.itemsize for t in sizes))
        alive = {i for i in alive if last.get(i, -1) > at}
    return peak


def facts(file: TfliteFile) -> dict[str, str]:
    """Return what there is to know about a file, in words; more of one that can be run."""
    kinds, stored = Counter(step.name for step in file.operations), file.stored_bytes()
    scaled = [t for t in file.constants() if t.scales.size]
    found = {
        "Integers": integer_only(file),
        "Types": file.stored(),
        "Operations": ", ".join(f"{count} {name}" for name, count in kinds.most_common()),
        "Constants": ", ".join(f"{size:,} bytes of {kind}" for kind, size in stored.items()),
        "Overhead": f"{file.size - sum(stored.values()):,} bytes: names, scales, the graph",
        "Scales": f"{len(scaled)} quantized constants, {sum(len(t.scales) > 1 for t in scaled)} of "
        "them by channel",
        "Work": f"{multiply_adds(file):,} multiply-adds; activations of {peak_memory(file):,} "
        "bytes at the worst step",
    }
    if not isinstance(file, LiteModel):
        return found
    for label, ports in (("Input", file.ins), ("Output", file.outs)):
        said = []
        for name, info in ports.items():
            scales = zip(info.scales[:1], info.zero_points[:1], strict=True)
            known = "".join(f", scale {scale:.6g}, zero point {zero}" for scale, zero in scales)
            said.append(described(name, info) + known)
        found[label] = "; ".join(said)
    return found | {
        "In code": "\n".join(lines_of_code(file)),
        "XNNPACK": xnnpack(file),
        "GPU delegate": gpu(file),
        "Microcontroller": microcontrollers(file.content).said,
    }


def describe(path: Path) -> str:
    """Return what is in a .tflite file, as text; an error says that it is none."""
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}.")
    content = path.read_bytes()
    try:
        found = facts(litert.opened(content))
    except ValueError as error:  # it cannot be run, and can perhaps be read
        with about(path):
            found = facts(TfliteFile(content)) | {"Opens": f"no: {error}"}
    lines = [f"{path.name}: {path.stat().st_size:,} bytes"]
    for label, said in found.items():
        lines += [f"{label:17}{line}" for line in said.splitlines()]
    return "\n".join(lines)
