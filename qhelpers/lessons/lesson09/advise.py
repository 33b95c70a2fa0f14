"""Which scheme for which case: a few questions, an answer with its reason and its lesson."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from qhelpers.lessons.lesson09 import hardware
from qhelpers.lessons.lesson09.hardware import Device, Scheme

Size = Literal["any", "half", "quarter", "eighth"]
Answer = Literal[
    "float32", "float16", "dynamic_range", "int8", "int16x8", "below_eight_bits", "qat"
]

SIZES: dict[Size, int] = {"any": 1, "half": 2, "quarter": 4, "eighth": 8}
"""What the answers about size mean: the weights take this many times fewer bytes than float32."""

SHRINKS: dict[Answer, int] = {
    "float32": 1,
    "float16": 2,
    "dynamic_range": 4,
    "int8": 4,
    "int16x8": 4,
    "qat": 4,
    "below_eight_bits": 8,
}
"""How many times fewer bytes the weights take; a whole file shrinks a little less."""

LESSONS: dict[Answer, str] = {
    "float32": "01_float32",
    "dynamic_range": "02_dynamic_range",
    "int8": "03_full_integer",
    "float16": "04_float16",
    "int16x8": "05_int16x8",
    "qat": "07_quantization_aware_training",
    "below_eight_bits": "08_below_eight_bits",
}
"""The lesson on each answer."""


@dataclass(frozen=True)
class Case:
    """The questions.

    Attributes:
        device: where the network will run.
        size: how small its weights must be, as a part of float32: "any", "half", ...
        calibration: do you have a hundred typical inputs? Labels are not needed.
        retrain: may you train further, with data, labels and time at hand?
        wide: do inputs differ in size by a factor of hundreds (light, sound, radar)?
    """

    device: Device
    size: Size = "any"
    calibration: bool = True
    retrain: bool = False
    wide: bool = False


@dataclass(frozen=True)
class Advice:
    """The answer: the scheme to try first, why, and what to do if it loses too much."""

    scheme: Answer
    reason: str
    otherwise: Answer
    otherwise_reason: str

    @property
    def lesson(self) -> str:
        """The lesson that teaches the scheme: the name of its notebook."""
        return LESSONS[self.scheme]

    def __str__(self) -> str:
        return (
            f"Try {self.scheme} (lesson {self.lesson[:2]}): {self.reason}\n"
            f"If it loses too much: {self.otherwise} (lesson {LESSONS[self.otherwise][:2]}): "
            f"{self.otherwise_reason}"
        )

    def _repr_html_(self) -> str:
        links = [
            f'<a href="{LESSONS[s]}.ipynb"><b>{s}</b></a>' for s in (self.scheme, self.otherwise)
        ]
        return (
            f"<p>Try {links[0]}: {self.reason}<br>"
            f"If it loses too much: {links[1]}: {self.otherwise_reason}</p>"
        )


def advise(case: Case) -> Advice:
    """Answer a case.

    Args:
        case: the answers to the questions.

    Returns:
        What to try first and second. It is where to begin, and no substitute for measuring.

    Raises:
        ValueError: an answer is none of those that the question allows.
    """
    if case.device not in hardware.DEVICES or case.size not in SIZES:
        raise ValueError(
            f"device is one of {', '.join(hardware.DEVICES)}, size one of {', '.join(SIZES)}; "
            f"got {case.device!r} and {case.size!r}."
        )
    scheme, reason = _first(case)
    return Advice(scheme, reason, *_second(case, scheme))


def _first(case: Case) -> tuple[Answer, str]:
    """Return the scheme to try first, and why."""
    if case.size == "eighth":
        return "below_eight_bits", (
            "eight bits cannot make weights so small. Four bits with a scale for each group of "
            "weights often hold; ask whether your device's engine reads them. A smaller network in "
            "int8 may be the better bargain."
        )
    if case.device in ("NPU", "microcontroller"):
        return _integers_only(case)
    if case.device == "GPU":
        if case.size != "quarter":
            return "float16", "it is a GPU's natural type, and hardly any weight notices."
        return "dynamic_range", (
            "the file shrinks as with int8, and needs no calibration. A GPU computes it in floats: "
            "expect a smaller file, and no gain in speed over float16."
        )
    if case.size == "half":
        return "float16", "half the bytes, next to no error, and nothing to calibrate."
    if case.size == "any" and case.device == "desktop CPU":
        return "float32", (
            "nothing forces you. Measure it: int8 pays on a desktop only where layers are large."
        )
    if case.wide:
        return "dynamic_range", (
            "it takes its scale from each input as it comes, so weak inputs keep their levels; "
            "and a CPU has the floats that this needs."
        )
    if not case.calibration:
        return "dynamic_range", "8-bit weights, and it needs no calibration."
    return "int8", "8-bit weights and activations: the least work, where the CPU has int8 kernels."


def _integers_only(case: Case) -> tuple[Answer, str]:
    """Return the scheme to try first where floating point is missing or slow."""
    if not case.calibration:
        if case.retrain:
            return "qat", (
                "activations need fixed ranges here, and you have no inputs set aside: training "
                "with fake quantization learns the ranges on the way."
            )
        return "int8", (
            "nothing else runs well here, and it needs a hundred typical inputs: collect them "
            "first. They need no labels; made-up ones give made-up ranges."
        )
    if case.wide:
        return "int16x8", (
            "with one fixed scale, weak inputs fall below int8's first level; 16-bit activations "
            "keep them. Check that your device has the kernels."
        )
    return "int8", "it is what such a device is built for."


def _second(case: Case, scheme: Answer) -> tuple[Answer, str]:
    """Return what to try if the first choice loses too much, and why."""
    if case.retrain and scheme not in ("float32", "float16", "qat"):
        return "qat", "you may train: let the network feel the rounding while it learns."
    if scheme == "below_eight_bits":
        eight: Answer = "dynamic_range" if _runs(case, "dynamic_range") else "int8"
        return eight, "then eight bits, on a network with fewer weights, to keep within the limit."
    if scheme in ("int8", "qat") and case.device in ("NPU", "microcontroller"):
        return "int16x8", "16-bit activations; it needs kernels that your device may lack."
    if scheme == "int8":
        return "dynamic_range", "ranges taken at run time fit each input; the file stays small."
    if scheme == "int16x8":
        return "int8", "with inputs brought to one level beforehand, eight bits may do."
    if scheme == "dynamic_range":
        limit = " Your limit has to give for that." if case.size == "quarter" else ""
        return "float16", f"twice the bytes of int8, and hardly any error.{limit}"
    if scheme == "float16":
        limit = " It exceeds your limit." if case.size == "half" else ""
        return "float32", f"the baseline. But look for an overflow first.{limit}"
    return "float16", "it cannot lose: it is the baseline. If you want it smaller, this is next."


def _runs(case: Case, scheme: Scheme) -> bool:
    """Say whether the case's device runs a scheme at all."""
    return hardware.SUPPORT[case.device][scheme].level != "no"
