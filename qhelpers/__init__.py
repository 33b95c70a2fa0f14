"""Helpers of the course "Quantization, byte for byte".

Importing this package loads no framework: TensorFlow is imported by the functions that need it,
when they are called, and PyTorch by `qhelpers.pytorch`.
"""

from qhelpers.notebook.lesson import claim

__all__ = ["claim"]
