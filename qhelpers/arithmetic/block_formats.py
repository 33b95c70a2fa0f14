"""Block formats: small floats, or bytes, a few of which share a scale.

In the MX formats 32 neighbors share a power of two (E8M0), chosen so that the largest has the
element's top exponent: 2**(floor(log2(amax)) - emax). In NVFP4 16 share an E4M3 number, and the
whole tensor a float32, so that the largest scale is E4M3's largest. Blocks lie along the last axis.

Sources: B. Rouhani et al., "OCP Microscaling Formats (MX) Specification v1.0", 2023, sections 5
and 6.3 (it leaves the order of codes in a byte open: here as in `packing`); NVIDIA, "Pretraining
Large Language Models with NVFP4", arXiv:2509.25149, 2025. A block's scale in NVFP4 is at least
2**-6, E4M3's smallest normal number, as in torchao.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qhelpers.arithmetic import packing
from qhelpers.arithmetic.float_formats import E2M1, E2M3, E3M2, E4M3, E5M2, E8M0, FloatFormat

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]

_POINT = 6  # MXINT8: an int8 counts steps of 2**-6
_FAINTEST = 2.0**-119  # of NVFP4's tensor scales: its reciprocal, over 2**-6, is a float32


@dataclass(frozen=True)
class BlockFormat:
    """What a number is, and how many share which scale; an element None is MXINT8's int8."""

    name: str
    element: FloatFormat | None
    block: int = 32
    scale: FloatFormat = E8M0

    @property
    def element_bits(self) -> int:
        """Return the bits of a number without its share of a scale."""
        return 8 if self.element is None else self.element.bits

    @property
    def bits(self) -> float:
        """Return the bits of a number, the block's scale counted and NVFP4's float32 not."""
        return self.element_bits + self.scale.bits / self.block

    @property
    def largest(self) -> float:
        """Return the largest number before it is scaled."""
        return 127 / 2**_POINT if self.element is None else self.element.largest


MXFP8_E4M3 = BlockFormat("MXFP8 E4M3", E4M3)
MXFP8_E5M2 = BlockFormat("MXFP8 E5M2", E5M2)
MXFP6_E3M2 = BlockFormat("MXFP6 E3M2", E3M2)
MXFP6_E2M3 = BlockFormat("MXFP6 E2M3", E2M3)
MXFP4 = BlockFormat("MXFP4", E2M1)
MXINT8 = BlockFormat("MXINT8", None)
NVFP4 = BlockFormat("NVFP4", E2M1, 16, E4M3)


@dataclass(frozen=True)
class Blocks:
    """Numbers in a block format."""

    form: BlockFormat
    codes: Bytes  # the numbers, uint8 [..., n], one in each byte; MXINT8's in two's complement
    scales: Bytes  # the blocks' scales as codes of `form.scale`, uint8 [..., n / block]
    tensor_scale: float = 1.0  # what all are multiplied by: a float32 in NVFP4, else 1

    def decode(self) -> Floats:
        """Return the numbers, float32 [..., n]."""
        element, block = self.form.element, self.form.block
        if element is None:
            numbers = np.ldexp(self.codes.view(np.int8).astype(np.float32), -_POINT)
        else:
            numbers = element.decode(self.codes)
        scales = np.float32(self.tensor_scale) * self.form.scale.decode(self.scales)
        return numbers * np.repeat(scales, block, axis=-1)

    def pack(self) -> Bytes:
        """Return the codes without gaps, the first in the lowest bits: uint8 [bytes]."""
        return packing.pack(self.codes, self.form.element_bits)


def unpack(form: BlockFormat, packed: Bytes, scales: Bytes, tensor_scale: float = 1.0) -> Blocks:
    """Undo `Blocks.pack`; the shape is that of the scales, [..., n / block].

    Raises:
        ValueError: not as many bytes as the blocks have.
    """
    shape = (*scales.shape[:-1], scales.shape[-1] * form.block)
    codes = packing.unpack(packed, form.element_bits, int(np.prod(shape)), signed=False)
    return Blocks(form, codes.reshape(shape), scales, tensor_scale)


def quantize(real: ArrayLike, form: BlockFormat, tensor_scale: float | None = None) -> Blocks:
    """Round numbers [..., n] to a block format: each to the nearest, half to even, saturating.

    Args:
        real: what is not float32 becomes it first.
        form: one of this module's.
        tensor_scale: of NVFP4; else that for which the largest block scale is 448.

    Raises:
        ValueError: n is no multiple of the block, or NaN or infinity is among the numbers.
    """
    x = np.asarray(real, np.float32)
    n = x.shape[-1] if x.ndim else 1
    if not x.ndim or n % form.block:
        needs = f"{form.name} needs a last axis that is a multiple of {form.block}"
        raise ValueError(f"{needs}; got shape {x.shape}. Pad it with zeros.")
    if not np.isfinite(x).all():
        at = tuple(map(int, np.argwhere(~np.isfinite(x))[0]))
        why = "It would take its block's scale with it. Find out where it comes from."
        raise ValueError(f"{form.name} cannot scale {x[at]} at {at}. {why}")
    blocks = x.reshape(*x.shape[:-1], n // form.block, form.block)
    largest = np.abs(blocks).max(axis=-1)
    if form.scale is E8M0:
        codes, scales = _microscaled(blocks, largest, form)
        return Blocks(form, codes.reshape(x.shape), scales)
    if tensor_scale is None:
        top = np.float32(form.scale.largest * form.largest)
        tensor_scale = max(float(largest.max(initial=0) / top), _FAINTEST)
    whole = np.float32(tensor_scale)
    lowest = np.float32(2.0 ** (1 - form.scale.bias))
    wanted = np.maximum(largest / np.float32(form.largest) / whole, lowest)
    scales = form.scale.encode(wanted, saturate=True)
    factors = (np.float32(1) / whole) / form.scale.decode(scales)  # in torchao's order
    codes = E2M1.encode(blocks * factors[..., None], saturate=True)
    return Blocks(form, codes.reshape(x.shape), scales, tensor_scale)


def _microscaled(blocks: Floats, largest: Floats, form: BlockFormat) -> tuple[Bytes, Bytes]:
    """Return codes and E8M0 scales of [..., blocks, block] by the specification's rule."""
    powers = np.where(largest > 0, np.frexp(largest)[1] - 1, -E8M0.bias).astype(np.int32)
    emax = np.frexp(form.largest)[1] - 1
    exponents = np.maximum(powers - emax, -E8M0.bias)[..., None]
    if form.element is None:
        steps = np.rint(np.ldexp(blocks, _POINT - exponents))
        codes = np.clip(steps, -127, 127).astype(np.int8).view(np.uint8)
    else:
        codes = form.element.encode(np.ldexp(blocks, -exponents), saturate=True)
    return codes, (exponents[..., 0] + E8M0.bias).astype(np.uint8)
