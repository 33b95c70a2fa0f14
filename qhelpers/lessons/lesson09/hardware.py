"""Which kind of device computes which scheme: each entry with its source and its date."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import Literal

from qhelpers.evaluation.scorecard import text_table

Level = Literal["native", "runs", "no"]

SCHEMES = ("float16", "dynamic_range", "int8", "int16x8", "int4", "FP8")


@dataclass(frozen=True)
class Source:
    """A document: who wrote it and what, when it was published or (where it has no date) read."""

    title: str
    url: str
    date: str = "read Nov 2026"


@dataclass(frozen=True)
class Support:
    """What a device does with a scheme."""

    level: Level  # "native", it has instructions or kernels for it; "runs", by a detour; "no"
    note: str  # what that means there
    source: str  # a key of SOURCES, or several with a space between

    @property
    def numbers(self) -> str:
        """The numbers of the sources, as they stand in the table."""
        return ",".join(str(_NUMBERS[key]) for key in self.source.split())


SOURCES: dict[str, Source] = {
    "litert": Source(
        "Google, LiteRT 2.2.0 release notes",
        "https://developers.google.com/edge/litert/releases/2.2.0",
        "Aug 2026",
    ),
    "ptq": Source(
        "Google, LiteRT: Post-training quantization",
        "https://developers.google.com/edge/litert/conversion/tensorflow/quantization/post_training_quantization",
    ),
    "readme": Source(
        "Google, LiteRT: README of the XNNPACK delegate",
        "https://github.com/google-ai-edge/LiteRT/blob/main/tflite/delegates/xnnpack/README.md",
    ),
    "dynamic": Source(
        "A. Kelly, Faster dynamically quantized inference with XNNPack, TensorFlow blog",
        "https://blog.tensorflow.org/2024/04/faster-dynamically-quantized-inference-with-xnnpack.html",
        "9 Apr 2024",
    ),
    "kernels": Source(
        "Google, XNNPACK: its kernels", "https://github.com/google/XNNPACK/tree/master/src"
    ),
    "executorch": Source(
        "PyTorch, ExecuTorch: XNNPACK backend",
        "https://docs.pytorch.org/executorch/stable/backends-xnnpack.html",
    ),
    "onednn": Source(
        "oneDNN contributors, Nuances of int8 Computations",
        "https://uxlfoundation.github.io/oneDNN/dev_guide_int8_computations.html",
    ),
    "gpu": Source(
        "Google, TensorFlow Lite: GPU delegates, quantized models",
        "https://github.com/tensorflow/tensorflow/blob/02145c25/tensorflow/lite/g3doc/performance/gpu.md",
    ),
    "nvidia": Source(
        "NVIDIA, Model Optimizer: Support Matrix",
        "https://nvidia.github.io/Model-Optimizer/guides/0_support_matrix.html",
    ),
    "qualcomm": Source(
        "Qualcomm, AI hardware cores/accelerators",
        "https://docs.qualcomm.com/doc/80-63195-1/topic/AI-hardware-cores-accelerators.html",
        "May 2024",
    ),
    "apple": Source(
        "Apple, Core ML Tools: Typed Execution",
        "https://apple.github.io/coremltools/docs-guides/source/typed-execution.html",
    ),
    "vela": Source(
        "Arm, Vela compiler for Ethos-U (5.1 and later)",
        "https://arm-software.github.io/CMSIS-Ethos-U/main/vela/index.html",
    ),
    "ethos": Source(
        "PyTorch, ExecuTorch: Arm Ethos-U, quantization",
        "https://docs.pytorch.org/executorch/stable/backends/arm-ethos-u/arm-ethos-u-quantization.html",
    ),
    "cmsis": Source(
        "Arm, CMSIS-NN: README (int4 kernels since 5.0.0, on Helium since 6.0.0)",
        "https://github.com/ARM-software/CMSIS-NN",
        "Aug 2026",
    ),
    "floats": Source(
        "Arm, CMSIS-NN 8.0.0: release notes",
        "https://github.com/ARM-software/CMSIS-NN/releases/tag/v8.0.0",
        "21 Aug 2026",
    ),
    "types": Source(
        "oneDNN contributors, Data Types",
        "https://uxlfoundation.github.io/oneDNN/dev_guide_data_types.html",
    ),
    "lessons": Source("This course: measured in lessons 02, 05, 08 and 20", "", "your machine"),
    "tests": Source("This course: tests/test_litert.py, on LiteRT 2.3.0", "", "your machine"),
}

SUPPORT: dict[str, dict[str, Support]] = {
    "desktop CPU": {
        "float16": Support("runs", "mostly computed in float32", "ptq"),
        "dynamic_range": Support("native", "XNNPACK", "dynamic"),
        "int8": Support("native", "best with VNNI (AVX-512, AVX-VNNI)", "onednn"),
        "int16x8": Support("runs", "plain kernels: slow", "lessons"),
        "int4": Support("native", "XNNPACK: dense layers; convolutions slow", "kernels lessons"),
        "FP8": Support("runs", "oneDNN, in wider floats; native with AVX10.2's AMX", "types"),
    },
    "phone CPU": {
        "float16": Support("native", "XNNPACK: ARMv8.2 and a mark in the file (04)", "readme"),
        "dynamic_range": Support("native", "XNNPACK", "dynamic"),
        "int8": Support("native", "XNNPACK", "executorch"),
        "int16x8": Support("runs", "no 16-bit activations in XNNPACK", "kernels"),
        "int4": Support("native", "XNNPACK: dense layers", "kernels"),
        "FP8": Support("no", "LiteRT has the type, and no kernel that reads it", "tests"),
    },
    "GPU": {
        "float16": Support("native", "storage and arithmetic", "litert"),
        "dynamic_range": Support("runs", "LiteRT's delegate, in floats", "gpu"),
        "int8": Support(
            "native",
            "NVIDIA (Model Optimizer: from Ampere on); LiteRT's delegate computes in floats",
            "nvidia gpu",
        ),
        "int16x8": Support("no", "NVIDIA: not listed; Adreno lists INT16", "nvidia qualcomm"),
        "int4": Support("native", "NVIDIA, with float16 activations (FP8 from Ada on)", "nvidia"),
        "FP8": Support("native", "NVIDIA, from Ada on", "nvidia"),
    },
    "phone NPU": {
        "float16": Support("native", "newer Qualcomm HTP; Core ML's default", "qualcomm apple"),
        "dynamic_range": Support("no", "Qualcomm HTP: not among the formats", "qualcomm"),
        "int8": Support("native", "Qualcomm HTP", "qualcomm"),
        "int16x8": Support("native", "Qualcomm HTP: its INT16", "qualcomm"),
        "int4": Support("native", "Qualcomm HTP", "qualcomm"),
        "FP8": Support("no", "Qualcomm HTP: not among the formats", "qualcomm"),
    },
    "Ethos-U": {
        "float16": Support("no", "left to the CPU, where LiteRT Micro refuses it", "vela lessons"),
        "dynamic_range": Support("no", "activations must be quantized", "vela"),
        "int8": Support("native", "what it is built for", "vela"),
        "int16x8": Support("native", "by ExecuTorch: limited; ask Vela", "ethos"),
        "int4": Support("runs", "limited, by ExecuTorch; 8-bit activations", "ethos"),
        "FP8": Support("no", "computes with integers", "vela"),
    },
    "microcontroller": {
        "float16": Support(
            "no",
            "LiteRT Micro refuses it; CMSIS-NN 8 has experimental ones, for Helium (M55, M85)",
            "lessons floats",
        ),
        "dynamic_range": Support("no", "LiteRT Micro refuses it: no hybrid kernels", "lessons"),
        "int8": Support("native", "CMSIS-NN", "cmsis"),
        "int16x8": Support("native", "CMSIS-NN", "cmsis"),
        "int4": Support("native", "CMSIS-NN; 8-bit activations only (20)", "cmsis lessons"),
        "FP8": Support("no", "LiteRT Micro refuses it", "tests"),
    },
}

_MARKS: dict[Level, str] = {"native": "● native", "runs": "○ runs", "no": "– no"}
_NUMBERS = {key: number for number, key in enumerate(SOURCES, start=1)}


class Table:
    """The table of all devices and schemes, with its sources below."""

    def _repr_html_(self) -> str:
        cell = "padding:.2em .35em;border-bottom:1px solid rgba(128,128,128,.5);text-align:left"
        names = [scheme.replace("_", "_<wbr>") for scheme in ("", *SCHEMES)]
        head = "".join(f'<th scope="col" style="{cell}">{name}</th>' for name in names)
        body = ""
        for device, schemes in SUPPORT.items():
            body += f'<tr><th scope="row" style="{cell}">{device.replace("roc", "ro&shy;c")}</th>'
            for s in (schemes[scheme] for scheme in SCHEMES):
                text = f"<b>{_MARKS[s.level]}</b><br>{html.escape(s.note)} [{s.numbers}]"
                body += f'<td style="{cell};vertical-align:top">{text}</td>'
            body += "</tr>"
        listed = "".join(f"<li>{_link(source)}</li>" for source in SOURCES.values())
        table = f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        look = "border-collapse:collapse;color:inherit;font-size:.8em"
        return f'<table style="{look}">{table}<ol style="font-size:.8em">{listed}</ol>'

    def __repr__(self) -> str:
        lines = [
            [device, *(f"{_MARKS[schemes[s].level][0]}[{schemes[s].numbers}]" for s in SCHEMES)]
            for device, schemes in SUPPORT.items()
        ]
        sources = [f"[{_NUMBERS[key]}] {s.title}, {s.date}" for key, s in SOURCES.items()]
        return text_table(("", *SCHEMES), lines, [", ".join(_MARKS.values()), *sources])


def _link(source: Source) -> str:
    """Return a source as HTML."""
    title = html.escape(source.title)
    linked = f'<a href="{html.escape(source.url)}">{title}</a>' if source.url else title
    return f"{linked} ({html.escape(source.date)})"
