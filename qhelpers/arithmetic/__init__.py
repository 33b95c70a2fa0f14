"""The arithmetic of quantization, in NumPy alone."""

from typing import Any

from numpy.typing import NDArray

Array = NDArray[Any]
Place = tuple[Any, int]
"""A quantized tensor's scale, float32, and zero point."""
