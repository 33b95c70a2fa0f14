"""What to try next where int8 lost too much: what is guilty, weights or activations, and why."""

from __future__ import annotations

from collections.abc import Mapping

HALF_DB = 3.0
"""Three decibels are half of the noise: what makes less of it than the rest is not guilty."""


def after_int8(sqnr_db: Mapping[str, float]) -> str:
    """Say what to try where int8 is too far from the float32 network.

    The weights alone come first. 16x8 has the same 8-bit weights as int8; so where they are guilty
    it cannot help, and where it does not help they need not be: clipped activations stay clipped.

    The ratios of signal to quantization noise are those of "weights" (8-bit weights, float
    activations), "int8" and "int16x8": of the outputs against those of float32, in decibels, on
    inputs that were not used for calibration.
    """
    weights, int8, int16x8 = (sqnr_db[name] for name in ("weights", "int8", "int16x8"))
    gain = round(int16x8 - int8, 1) + 0.0  # no "-0.0"
    if weights - int8 < HALF_DB:
        return (
            "The weights: alone they make half of the noise or more. A percentile or MSE\n"
            "for the ranges, corrected biases (03, 08), then training (07)."
        )
    if gain >= HALF_DB:
        return (
            f"The activations' steps, or one clipped end: 16x8 wins {gain:.1f} dB. Mend\n"
            "the calibration (lesson 03), or take 16x8 where it has kernels (05)."
        )
    return (
        f"The activations' ranges: finer steps bring {gain:+.1f} dB, so they clip.\n"
        "Calibrate on inputs like those of the device (lesson 03)."
    )
