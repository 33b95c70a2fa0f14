"""The file-type network of magika: where it is, and its tensors while it runs."""

from __future__ import annotations

import importlib.util
import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from numpy.typing import NDArray

from qhelpers import paths
from qhelpers.notebook import progress

Array = NDArray[Any]

_PARTS = {"Dense_0": "embedding", "Conv_0": "convolution", "Dense_1": "dense"}
_PARTS |= {"ApplyActivation_0": "GELU 1", "ApplyActivation_1": "GELU 2"}
_PARTS |= {"LayerNorm_0": "norm 1", "LayerNorm_1": "norm 2"}


class Tensor(NamedTuple):
    """An activation of a quantized file: float's values, the file's own, and its ruler."""

    name: str
    real: Array
    arriving: Array
    scale: float
    zero_point: int


def ready() -> bool:
    """Say whether the extra is installed; where not, say how, and let no later cell run."""
    logging.getLogger().setLevel(logging.ERROR)  # the quantizer's advice, at every call
    missing = [n for n in ("magika", "onnx", "onnxruntime") if not importlib.util.find_spec(n)]
    if missing:
        print(f"{', '.join(missing)} not installed: {paths.install_command('real')}")
        print("Nothing below is run, and nothing is claimed.")
        shell = getattr(progress.kernel(), "shell", None)
        if shell is not None:
            shell.input_transformers_cleanup.append(instead)
    return not missing


def instead(lines: list[str]) -> list[str]:
    """Return what runs in a cell's place where the network is missing; exercises run as ever."""
    return lines if "exercises.check(" in "".join(lines) else ['print("not run here")\n']


def file() -> tuple[Path, list[str]]:
    """Return the network's file inside the package magika, and the names of its answers."""
    import magika

    (path,) = Path(magika.__file__).parent.glob("models/*/model.onnx")
    config = json.loads((path.parent / "config.min.json").read_text(encoding="utf-8"))
    return path, config["target_labels_space"]


def short(name: str) -> str:
    """Return a tensor's name with its part of the network in plain words: "norm 1/Square"."""
    part, _, step = name.split("MagikaV2/")[-1].partition(":")[0].partition("/")
    return f"{_PARTS.get(part, part)}/{step}".rstrip("/")


def values(path: Path, names: Sequence[str], inputs: Array, fused: bool = False) -> list[Array]:
    """Return tensors that live inside a file while it runs on inputs, [n, 2048] int32.

    Fused, processors without VNNI may cut sums of pairs of products off at 16 bits.
    """
    import onnx
    import onnxruntime

    model, new = onnx.load(path), onnx.helper.make_empty_tensor_value_info
    model.graph.output.extend(map(new, {*names} - {out.name for out in model.graph.output}))
    content, options = model.SerializeToString(), onnxruntime.SessionOptions()
    level = onnxruntime.GraphOptimizationLevel
    options.graph_optimization_level = level.ORT_ENABLE_ALL if fused else level.ORT_ENABLE_BASIC
    session = onnxruntime.InferenceSession(content, options, ["CPUExecutionProvider"])
    return list(session.run(names, {"bytes": inputs}))


def constants(path: Path) -> dict[str, Array]:
    """Return the constants that a file stores, by name."""
    import onnx

    stored = onnx.load(path).graph.initializer
    return {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in stored}


def tensors(real: Path, quantized: Path, inputs: Array) -> list[Tensor]:
    """Return each activation that a QDQ file rounds, in order, with the float file's values."""
    import onnx

    stored, nodes = constants(quantized), onnx.load(quantized).graph.node
    back = {n.input[0]: n.output[0] for n in nodes if n.op_type == "DequantizeLinear"}
    found = [n for n in nodes if n.op_type == "QuantizeLinear" and n.input[0] not in stored]
    names = [node.input[0] for node in found]
    exact = values(real, names, inputs)
    rounded = values(quantized, [back[node.output[0]] for node in found], inputs)
    rulers = [(float(stored[n.input[1]]), int(stored[n.input[2]])) for n in found]
    return [Tensor(n, a, b, *r) for n, a, b, r in zip(names, exact, rounded, rulers, strict=True)]
