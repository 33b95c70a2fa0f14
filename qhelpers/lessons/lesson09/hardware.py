"""Which kind of device computes which scheme itself: each entry with its source and its date."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import Literal

from tabulate import tabulate

Device = Literal["desktop CPU", "phone CPU", "GPU", "NPU", "microcontroller"]
Scheme = Literal["float32", "float16", "dynamic_range", "int8", "int16x8"]
Level = Literal["native", "runs", "no"]

DEVICES: tuple[Device, ...] = ("desktop CPU", "phone CPU", "GPU", "NPU", "microcontroller")
SCHEMES: tuple[Scheme, ...] = ("float32", "float16", "dynamic_range", "int8", "int16x8")


@dataclass(frozen=True)
class Source:
    """A document: who wrote it and what, when it was published or (where it has no date) read."""

    title: str
    date: str
    url: str


@dataclass(frozen=True)
class Support:
    """What a device does with a scheme.

    Attributes:
        level: "native", it has instructions or kernels for it; "runs", by a detour; "no".
        note: what that means there.
        source: a key of SOURCES.
    """

    level: Level
    note: str
    source: str


SOURCES: dict[str, Source] = {
    "xnnpack": Source(
        "A. Kelly, Faster dynamically quantized inference with XNNPack, TensorFlow blog",
        "9 Apr 2024",
        "https://blog.tensorflow.org/2024/04/faster-dynamically-quantized-inference-with-xnnpack.html",
    ),
    "executorch": Source(
        "PyTorch, ExecuTorch: XNNPACK backend",
        "read Nov 2026",
        "https://docs.pytorch.org/executorch/stable/backends-xnnpack.html",
    ),
    "float16": Source(
        "Google, LiteRT: Post-training float16 quantization",
        "read Nov 2026",
        "https://ai.google.dev/edge/litert/conversion/tensorflow/quantization/"
        "post_training_float16_quant",
    ),
    "onednn": Source(
        "Intel, oneDNN 2025.1: CPU instruction sets",
        "2025",
        "https://intel.com/content/www/us/en/docs/onednn/developer-guide-reference/2025-1/"
        "enum-dnnl-cpu-isa.html",
    ),
    "arm": Source(
        "Unity, Burst 1.8: vdotq_s32 (Arm's SDOT)",
        "2025",
        "https://docs.unity3d.com/Packages/com.unity.burst%401.8/api/"
        "Unity.Burst.Intrinsics.Arm.Neon.vdotq_s32.html",
    ),
    "pixel": Source(
        "Manning, Quantization and Fast Inference, 11.2: Pixel 10 Pro",
        "read Nov 2026",
        "https://livebook.manning.com/learn/concepts/delegate--api-element--1c4c0e/"
        "quantization-and-fast-inference",
    ),
    "lesson": Source("This course, lesson 05: measured on your machine", "today", ""),
    "gpu": Source(
        "Google, LiteRT: GPU delegates",
        "24 Jul 2025",
        "https://ai.google.dev/edge/litert/performance/gpu",
    ),
    "delegates": Source(
        "Google, LiteRT: Delegates",
        "read Nov 2026",
        "https://ai.google.dev/edge/litert/performance/delegates",
    ),
    "gpu8": Source(
        "TensorFlow authors, GPU delegate: quantized models (commit e7e026d)",
        "20 Jul 2020",
        "https://git.emunest.net/experiments/STT-tensorflow/commit/"
        "e7e026d0eaf4cb3417841b9ef83381c201e4e5d3",
    ),
    "adreno": Source(
        "Qualcomm, Run LiteRT model on GPU",
        "23 Jun 2026",
        "https://docs.qualcomm.com/bundle/publicresource/80-80022-15B/topics/"
        "run-litert-model-on-gpu.md",
    ),
    "hexagon": Source(
        "Qualcomm, AI hardware cores and accelerators",
        "read Nov 2026",
        "https://docs.qualcomm.com/doc/80-63195-1/topic/AI-hardware-cores-accelerators.html",
    ),
    "vela": Source(
        "Arm, Vela, compiler for Ethos-U, 5.1",
        "read Nov 2026",
        "https://arm-software.github.io/CMSIS-Ethos-U/main/vela/index.html",
    ),
    "ethos16": Source(
        "N. Jain, ExecuTorch, pull request 13790: 16-bit activations on Ethos-U",
        "28 Aug 2025",
        "https://github.com/pytorch/executorch/pull/13790",
    ),
    "cmsis": Source(
        "Arm, CMSIS-NN: README",
        "read Nov 2026",
        "https://github.com/ARM-software/CMSIS-NN",
    ),
    "micro": Source(
        "tflite-micro, issue 2543, answer of a maintainer",
        "16 Apr 2024",
        "https://github.com/tensorflow/tflite-micro/issues/2543",
    ),
    "micro16": Source(
        "tflite-micro, issue 2587",
        "20 May 2024",
        "https://github.com/tensorflow/tflite-micro/issues/2587",
    ),
    "micro_float": Source(
        "tflite-micro, issue 757, answer of a maintainer",
        "3 Dec 2021",
        "https://github.com/tensorflow/tflite-micro/issues/757",
    ),
}

SUPPORT: dict[Device, dict[Scheme, Support]] = {
    "desktop CPU": {
        "float32": Support("native", "XNNPACK has kernels for x86 and Arm", "executorch"),
        "float16": Support("runs", "weights become float32 when the file is loaded", "float16"),
        "dynamic_range": Support("native", "ranges at run time, int8 products", "xnnpack"),
        "int8": Support("native", "best with VNNI (DL Boost) instructions", "onednn"),
        "int16x8": Support("runs", "plain kernels only: many times slower", "lesson"),
    },
    "phone CPU": {
        "float32": Support("native", "XNNPACK, on any modern phone", "executorch"),
        "float16": Support("native", "float16 arithmetic if asked for; else float32", "executorch"),
        "dynamic_range": Support("native", "ranges at run time, int8 products", "xnnpack"),
        "int8": Support("native", "dot product instructions, required from Armv8.4 on", "arm"),
        "int16x8": Support("runs", "plain kernels only", "pixel"),
    },
    "GPU": {
        "float32": Support("native", "LiteRT's delegate computes in floats", "gpu"),
        "float16": Support("native", "its natural type", "adreno"),
        "dynamic_range": Support("runs", "weights are dequantized into its memory", "gpu8"),
        "int8": Support("runs", "computed in floats: as fast as a float file", "delegates"),
        "int16x8": Support("no", "every delegate fell back to plain CPU kernels", "pixel"),
    },
    "NPU": {
        "float32": Support("no", "not among the types of Hexagon; Ethos-U: integers", "hexagon"),
        "float16": Support("runs", "some (Hexagon); not the small ones (Ethos-U)", "hexagon"),
        "dynamic_range": Support("no", "activations have to be quantized beforehand", "vela"),
        "int8": Support("native", "what it is built for", "vela"),
        "int16x8": Support("native", "16-bit activations, layer by layer: ask yours", "ethos16"),
    },
    "microcontroller": {
        "float32": Support("runs", "for a prototype; few kernels are made for it", "micro_float"),
        "float16": Support("no", "its kernels refuse float16 weights", "micro16"),
        "dynamic_range": Support("no", "no kernels for float by int8", "micro"),
        "int8": Support("native", "CMSIS-NN", "cmsis"),
        "int16x8": Support("native", "CMSIS-NN", "cmsis"),
    },
}


_MARKS: dict[Level, str] = {"native": "● native", "runs": "○ runs", "no": "– no"}
_NUMBERS = {key: number for number, key in enumerate(SOURCES, start=1)}


class Table:
    """The table of all devices and schemes, with its sources below."""

    def _repr_html_(self) -> str:
        cell = "padding:.3em .6em;border-bottom:1px solid rgba(128,128,128,.5);text-align:left"
        head = "".join(f'<th scope="col" style="{cell}">{s}</th>' for s in ("", *SCHEMES))
        body = ""
        for device in DEVICES:
            body += f'<tr><th scope="row" style="{cell}">{device}</th>'
            for scheme in SCHEMES:
                s = SUPPORT[device][scheme]
                text = f"<b>{_MARKS[s.level]}</b><br>{html.escape(s.note)} [{_NUMBERS[s.source]}]"
                body += f'<td style="{cell};vertical-align:top">{text}</td>'
            body += "</tr>"
        listed = "".join(f"<li>{_link(source)}</li>" for source in SOURCES.values())
        return (
            f'<table style="border-collapse:collapse;color:inherit"><thead><tr>{head}</tr></thead>'
            f'<tbody>{body}</tbody></table><ol style="font-size:.9em">{listed}</ol>'
        )

    def __repr__(self) -> str:
        lines = [
            [device, scheme, _MARKS[s.level], f"{s.note} [{_NUMBERS[s.source]}]"]
            for device, schemes in SUPPORT.items()
            for scheme, s in schemes.items()
        ]
        footer = [f"[{_NUMBERS[key]}] {s.title}, {s.date}" for key, s in SOURCES.items()]
        columns = ("device", "scheme", "how", "what that means")
        table = tabulate(lines, columns, "simple", maxcolwidths=[None, None, None, 36])
        return "\n".join([str(table), *footer])


def _link(source: Source) -> str:
    """Return a source as HTML."""
    title = html.escape(source.title)
    linked = f'<a href="{html.escape(source.url)}">{title}</a>' if source.url else title
    return f"{linked} ({html.escape(source.date)})"
