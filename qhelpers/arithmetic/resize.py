"""Images of another size: the nearest pixel, or a bilinear mean of four in fixed point.

Images are [n, height, width, channels]; `corners` aligns the outermost pixels, `centers` measures
from the middle of pixels: the options of LiteRT's operations.
"""

from __future__ import annotations

import numpy as np

from qhelpers.arithmetic import Array

Pair = tuple[int, int]
_F32 = np.float32


def nearest(
    images: Array, size: Pair, corners: bool, centers: bool, optimized: bool = False
) -> Array:
    """Take the nearest pixel by float32; optimized kernels without options: by 16 bits.

    Source: `GetNearestNeighbor` and `optimized_ops::ResizeNearestNeighbor` in LiteRT.
    """
    places = []
    for length, wanted in zip(images.shape[1:3], size, strict=True):
        at = np.arange(wanted)
        if optimized and not (corners or centers):
            found = (at * ((length << 16) // wanted + 1)) >> 16
        else:
            less = int(corners and wanted > 1)
            scale = _F32(length - less) / _F32(wanted - less)
            real = (at.astype(_F32) + _F32(0.5 if centers else 0)) * scale
            found = np.floor(real + _F32(0.5) if corners else real).astype(np.int64)
        places.append(np.clip(found, 0, length - 1))
    return images[:, places[0][:, None], places[1]]


def bilinear(images: Array, size: Pair, corners: bool, centers: bool) -> Array:
    """Weigh four pixels with 10 bits each way; a half is rounded away from zero.

    Source: `reference_ops::ResizeBilinearInteger` in LiteRT.
    """
    axes = []
    for length, wanted in zip(images.shape[1:3], size, strict=True):
        less = int(corners and wanted > 1)
        scale = (1024 * (length - less) + (wanted - less) // 2) // (wanted - less)
        at = np.arange(wanted) * scale + (scale // 2 - 512 if centers else 0)
        low = np.maximum(np.trunc(at / 1024).astype(np.int64), 0)
        high = np.minimum(np.trunc((at + 1023) / 1024).astype(np.int64), length - 1)
        axes.append((low, high, at - 1024 * low))
    total = _weighed(images.astype(np.int64), axes, 1024)
    return np.asarray(np.sign(total) * ((np.abs(total) + (1 << 19)) >> 20))


def bilinear_by_xnnpack(images: Array, size: Pair, corners: bool, centers: bool) -> Array:
    """Weigh four pixels with 11 bits each way; a half goes up.

    Source: `xnn_indirection_init_resize_bilinear2d_hwc_q11` and `s8-ibilinear` in XNNPACK.
    """
    axes = []
    for length, wanted in zip(images.shape[1:3], size, strict=True):
        less = int(corners and wanted != 1)
        scale = _F32(length - less) / _F32(wanted - less)
        offset = _F32(0.5) * scale - _F32(0.5) if centers and not corners else _F32(0)
        at = np.clip(np.arange(wanted).astype(_F32) * scale + offset, _F32(0), _F32(length - 1))
        low = at.astype(np.int64)
        weight = np.rint((at - low.astype(_F32)) * _F32(2048)).astype(np.int64)
        axes.append((low, np.minimum(low + 1, length - 1), weight))
    return (_weighed(images.astype(np.int64), axes, 2048) + (1 << 21)) >> 22


def _weighed(images: Array, axes: list[tuple[Array, Array, Array]], one: int) -> Array:
    """Add up four pixels, each times the weights of its row and column, of which one is `one`."""
    (top, bottom, down), (left, right, across) = axes
    down, across = down[:, None, None], across[:, None]
    rows = images[:, top] * (one - down) + images[:, bottom] * down
    weighed: Array = rows[:, :, left] * (one - across) + rows[:, :, right] * across
    return weighed
