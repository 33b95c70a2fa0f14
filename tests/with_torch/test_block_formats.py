"""Block formats against torchao's prototype, which computes them on a CPU: bytes, scales, numbers.

MXINT8 is not in torchao; `tests/test_block_formats.py` holds it against the specification. Blocks
whose largest number is below 2**-100 are left out: there torchao divides by 2**-126 at least, and
says itself that the specification has it otherwise.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from qhelpers.arithmetic import block_formats

pytest.importorskip("torchao")
mx_tensor = pytest.importorskip("torchao.prototype.mx_formats.mx_tensor")
nvfp4_tensor = pytest.importorskip("torchao.prototype.mx_formats.nvfp4_tensor")

ELEMENTS = {
    block_formats.MXFP8_E4M3: torch.float8_e4m3fn,
    block_formats.MXFP8_E5M2: torch.float8_e5m2,
    block_formats.MXFP6_E3M2: mx_tensor.DTYPE_FP6_E3M2,
    block_formats.MXFP6_E2M3: mx_tensor.DTYPE_FP6_E2M3,
    block_formats.MXFP4: torch.float4_e2m1fn_x2,
}


def numbers():
    """Heavy tails, all sizes from 2**-80 to 2**80, ties, zeros: [4000, 64] float32."""
    rng = np.random.default_rng(0)
    x = rng.standard_t(2, (4000, 64)) * 2.0 ** rng.integers(-80, 80, (4000, 1))
    x[::3] = np.rint(8 * x[::3] / np.abs(x[::3]).max(axis=1, keepdims=True)) / 4
    x[::7, :32] = 0
    return x.astype(np.float32)


@pytest.mark.parametrize("form", ELEMENTS, ids=lambda form: form.name)
def test_microscaling_equals_torchao(form):
    x, element = numbers(), ELEMENTS[form]
    ours = block_formats.quantize(x, form)
    scales, data = mx_tensor.to_mx(torch.from_numpy(x), element, form.block)
    assert np.array_equal(scales.view(torch.uint8).numpy(), ours.scales)
    theirs = data.view(torch.uint8).numpy()
    # torchao packs two 4-bit codes, and leaves each of 6 bits in a byte of its own.
    codes = ours.pack() if form is block_formats.MXFP4 else ours.codes.ravel()
    assert np.array_equal(theirs.ravel(), codes)
    back = mx_tensor.to_dtype(data, scales, element, form.block, torch.float32)
    assert np.array_equal(back.numpy().reshape(x.shape), ours.decode())


@pytest.mark.parametrize("levels", [1, 2])
def test_nvfp4_equals_torchao(levels):
    rng = np.random.default_rng(0)
    x = rng.standard_t(2, (4000, 64)).astype(np.float32)
    x[::3] = np.rint(x[::3] * 4) / 4
    x[::7, :16] = 0
    whole = torch.tensor(1.0)
    if levels == 2:
        whole = nvfp4_tensor.per_tensor_amax_to_scale(torch.tensor(np.abs(x).max()))
    ours = block_formats.quantize(x, block_formats.NVFP4, None if levels == 2 else 1.0)
    assert np.float32(ours.tensor_scale) == whole.item()
    given = {"per_tensor_scale": whole} if levels == 2 else {}
    theirs = nvfp4_tensor.NVFP4Tensor.to_nvfp4(torch.from_numpy(x), **given)
    assert np.array_equal(theirs.scale.view(torch.uint8).numpy(), ours.scales)
    assert np.array_equal(theirs.qdata.view(torch.uint8).numpy().ravel(), ours.pack())
    assert np.array_equal(theirs.dequantize(torch.float32).numpy(), ours.decode())
