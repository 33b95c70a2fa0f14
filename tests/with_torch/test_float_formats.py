"""The small floats of `arithmetic` against PyTorch's types."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from qhelpers.arithmetic import float_formats

FORMATS = {
    float_formats.BFLOAT16: torch.bfloat16,
    float_formats.FLOAT16: torch.float16,
    float_formats.E5M2: torch.float8_e5m2,
    float_formats.E5M2FNUZ: torch.float8_e5m2fnuz,
    float_formats.E4M3: torch.float8_e4m3fn,
    float_formats.E4M3FNUZ: torch.float8_e4m3fnuz,
    float_formats.E8M0: torch.float8_e8m0fnu,
}
each = pytest.mark.parametrize(("form", "dtype"), FORMATS.items(), ids=[f.name for f in FORMATS])


def codes(x, form, dtype):
    bits = torch.uint8 if form.bits == 8 else torch.uint16
    return torch.from_numpy(x).to(dtype).view(bits).numpy()


@each
def test_each_code_stands_for_pytorchs_number(form, dtype):
    raw = np.arange(2**form.bits).astype(np.uint8 if form.bits == 8 else np.uint16)
    wanted = torch.from_numpy(raw).view(dtype).to(torch.float32).numpy()
    np.testing.assert_array_equal(form.values, wanted)
    assert np.array_equal(np.signbit(form.values)[wanted == 0], np.signbit(wanted)[wanted == 0])


@each
def test_a_million_random_bit_patterns(form, dtype):
    """PyTorch has other codes for NaN; E4M3 saturates there, from 2.12 on; E8M0 drops the sign."""
    bits = np.random.default_rng(1).integers(0, 2**32, 10**6, np.uint32)
    x = bits.view(np.float32)
    if form is float_formats.E8M0:
        x = np.abs(x[x != 0])
    wanted = codes(x, form, dtype)
    saturates = form is float_formats.E4M3 and codes(np.float32([1e9]), form, dtype)[0] == 0x7E
    found = form.encode(x, saturate=saturates)
    nan = np.isnan(form.decode(found))
    assert np.array_equal(nan, np.isnan(form.decode(wanted)))
    assert np.array_equal(found[~nan], wanted[~nan])
