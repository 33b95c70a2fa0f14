import math

import ml_dtypes
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


# Each format, and the NumPy type that holds the same numbers.
FORMATS = {
    float_formats.BFLOAT16: ml_dtypes.bfloat16,
    float_formats.FLOAT16: np.float16,
    float_formats.E5M2: ml_dtypes.float8_e5m2,
    float_formats.E5M2FNUZ: ml_dtypes.float8_e5m2fnuz,
    float_formats.E4M3: ml_dtypes.float8_e4m3fn,
    float_formats.E4M3_IEEE: ml_dtypes.float8_e4m3,
    float_formats.E4M3FNUZ: ml_dtypes.float8_e4m3fnuz,
    float_formats.E3M2: ml_dtypes.float6_e3m2fn,
    float_formats.E2M3: ml_dtypes.float6_e2m3fn,
    float_formats.E2M1: ml_dtypes.float4_e2m1fn,
    float_formats.E8M0: ml_dtypes.float8_e8m0fnu,
}
each = pytest.mark.parametrize(("form", "dtype"), FORMATS.items(), ids=[f.name for f in FORMATS])
SPECIAL = [0.0, -0.0, math.inf, -math.inf, math.nan]


def theirs(x, form, dtype):
    """Return the codes that NumPy's type gives."""
    with np.errstate(all="ignore"):
        return x.astype(dtype).view(np.uint8 if form.bits <= 8 else np.uint16)


def allowed(x, form):
    """Leave out what only NumPy's type accepts: it makes 0 of NaN."""
    return x[np.isfinite(x)] if form.top == "finite" else x


def same(found, wanted, form):
    """Compare codes; float16 keeps bits of a NaN in NumPy, and here it is the quiet one."""
    alike = found == wanted
    if form is float_formats.FLOAT16:
        alike |= np.isnan(form.decode(found)) & np.isnan(wanted.view(np.float16))
    return bool(alike.all())


@each
def test_each_code_stands_for_the_number_of_numpys_type(form, dtype):
    codes = np.arange(2**form.bits).astype(np.uint8 if form.bits <= 8 else np.uint16)
    wanted = codes.view(dtype).astype(np.float32)
    np.testing.assert_array_equal(form.decode(codes), wanted)  # NaN equals NaN here
    numbers = ~np.isnan(wanted)
    assert np.array_equal(np.signbit(form.values[numbers]), np.signbit(wanted[numbers]))
    # And each comes back, NaN as the quiet one.
    assert same(form.encode(wanted), theirs(wanted, form, dtype), form)
    finite = np.isfinite(wanted)
    assert np.array_equal(form.encode(wanted[finite]), codes[finite])
    assert form.largest == wanted[finite].max()
    assert form.smallest == wanted[finite & (wanted > 0)].min()


@each
def test_a_million_random_bit_patterns(form, dtype):
    """NaN, infinities and subnormals are among them; then every edge of 16 leading bits."""
    bits = np.random.default_rng(0).integers(0, 2**32, 10**6, np.uint32)
    lead = np.arange(2**16, dtype=np.uint32) << 16
    edges = [lead, lead + 1, lead + 0x7FFF, lead + 0x8000, lead + 0x8001, lead + 0xFFFF]
    x = allowed(np.concatenate([bits, *edges]).view(np.float32), form)
    assert len(x) > 10**6
    assert same(form.encode(x), theirs(x, form, dtype), form)


@given(
    st.sampled_from(list(FORMATS)),
    st.integers(0, 2**16),
    st.integers(-3, 3),
    st.booleans(),
    st.sampled_from([None, *SPECIAL]),
)
def test_ties_and_their_neighbors(form, code, steps, middle, special):
    """Between two numbers, and beyond the largest, at a tie and a few float32 steps beside it."""
    ordered = np.unique(form.values[np.isfinite(form.values)]).astype(np.float64)
    ordered = np.append(ordered, 2 * ordered[-1] - ordered[-2])
    low = code % (len(ordered) - 1)
    real = np.float32(ordered[low : low + 2].mean() if middle else ordered[low])
    for _ in range(abs(steps)):
        real = np.nextafter(real, np.float32(math.copysign(math.inf, steps)))
    x = allowed(np.array([real if special is None else special], np.float32), form)
    assert same(form.encode(x), theirs(x, form, FORMATS[form]), form)


@each
def test_saturation(form, dtype):
    x = np.array([form.largest, 3.4e38, math.inf, -math.inf, 0.0], np.float32)
    found = form.decode(form.encode(x, saturate=True))
    lowest = -form.largest if form.signed else math.nan
    zero = 0.0 if form.signed else math.nan
    np.testing.assert_array_equal(found, [form.largest] * 3 + [lowest, zero])
    within = allowed(np.linspace(form.smallest, form.largest, 999, dtype=np.float32), form)
    assert np.array_equal(form.encode(within, saturate=True), form.encode(within))
    if form.top != "finite":
        assert np.isnan(form.decode(form.encode(math.nan, saturate=True)))


def test_what_a_format_cannot_hold_is_named():
    for bad in (math.nan, math.inf):
        with pytest.raises(ValueError, match=rf"E2M1 has neither .* got {bad} at \(1, 0\)\. Clip"):
            float_formats.E2M1.encode([[1.0], [bad]])
    with pytest.raises(ValueError, match="got nan at"):
        float_formats.E3M2.encode(math.nan, saturate=True)
    for codes in ([0, 16], [-1]):
        with pytest.raises(ValueError, match="E2M1 has codes 0 to 15; got"):
            float_formats.E2M1.decode(codes)


def test_shapes():
    assert float_formats.E4M3.encode(1.0).shape == ()
    assert float_formats.E4M3.encode(np.ones((2, 0, 3))).shape == (2, 0, 3)
    x = np.random.default_rng(0).standard_normal((300, 200)).astype(np.float32)
    codes = float_formats.E4M3.encode(x.T)  # more than a chunk, and not in C order
    assert np.array_equal(codes, float_formats.E4M3.encode(x).T)
    assert float_formats.E4M3.decode(codes).dtype == np.float32
