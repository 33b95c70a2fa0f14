"""What to try next where int8 lost too much: the weights or the activations are guilty."""

from __future__ import annotations

from collections.abc import Mapping

GAIN_DB = 6.0
"""16x8 has to win as much, half of the error, to be worth its time."""


def after_int8(sqnr_db: Mapping[str, float]) -> str:
    """Say what to try where int8 is too far from the float32 network.

    16x8 has the same 8-bit weights as int8 and activations that are next to exact. So what it wins
    is the activations' part of the error, and what is left is the weights' part.

    Args:
        sqnr_db: "int8" and "int16x8" -> signal-to-quantization-noise ratio of the outputs against
            those of float32, in decibels, on inputs that were not used for calibration.
    """
    gain = sqnr_db["int16x8"] - sqnr_db["int8"]
    if gain >= GAIN_DB:
        return (
            f"The activations: 16 bits win {gain:.1f} dB. Better ranges (lesson 03), or 16x8\n"
            "where the device has kernels for it (05)."
        )
    return (
        f"The weights: 16-bit activations win {gain:.1f} dB, so 16x8 is no way out. Better\n"
        "ranges and corrected biases (lesson 08), then training (07)."
    )
