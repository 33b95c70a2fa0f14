import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qhelpers.arithmetic import float_formats


def test_fields_worked_by_hand():
    # -6.5 = -1.625 * 2^2: exponent 2 + 127, fraction .625 = .101 in binary
    fields = float_formats.fields32(-6.5)
    assert (fields.sign, fields.exponent, fields.fraction) == (1, 129, 0b101 << 20)
    assert str(fields) == "1 10000001 101" + "0" * 20


@pytest.mark.parametrize(
    ("x", "exponent", "fraction"),
    [(0.0, 0, 0), (2.0**-149, 0, 1), (2.0**-126, 1, 0), (-math.inf, 255, 0), (1e300, 255, 0)],
)
def test_fields_at_the_ends(x, exponent, fraction):
    found = float_formats.fields32(x)
    assert (found.exponent, found.fraction) == (exponent, fraction)


@given(st.floats(width=32, allow_nan=True, allow_infinity=True, allow_subnormal=True))
def test_fields_put_together_again(x):
    fields = float_formats.fields32(x)
    assert str(fields).replace(" ", "") == f"{np.float32(x).view(np.uint32):032b}"
    assert fields.sign == np.signbit(np.float32(x))
    if 0 < fields.exponent < 255:
        size = math.ldexp(2**23 + fields.fraction, fields.exponent - 127 - 23)
        assert (-1) ** fields.sign * size == x
