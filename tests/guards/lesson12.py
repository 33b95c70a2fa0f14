"""Guards of lesson 12: run behind its last cell, in its namespace."""

# By hand and by integer arithmetic on the bits: the same numbers in all formats.
for _form in (*forms.values(), float_formats.E4M3_IEEE, float_formats.E4M3FNUZ):
    _x = numbers.astype(np.float32)
    _bits = _form.decode(_form.encode(_x, saturate=True))
    assert np.array_equal(_bits, nearest(_x, _form)), f"{_form.name}: two ways differ"
assert shared(np.float32([-6, *np.zeros(31)])) == 0, "the shared exponent of -6"
# The race is fair: no format's best scale is the first or the last that is tried.
for _name, _real in tensors.items():
    for _kind in ("int8", "E4M3", "int4", "E2M1", "NF4"):
        _all = rounded(_real, levels[_kind], count)
        _scale = np.abs(_all).max() / levels[_kind][-1]
        _reach = _scale * levels[_kind][-1] / np.abs(_real).max()
        assert 0.09 < _reach < 1.35, f"{_name}, {_kind}: wider scales are needed, {_reach}"
        _plain = np.abs(_real).max() / levels[_kind][-1]
        _middles = (levels[_kind][1:] + levels[_kind][:-1]) / 2
        _largest = levels[_kind][np.searchsorted(_middles, _real / _plain)] * _plain
        _found = metrics.sqnr_db(_real, _largest)
        assert results[_name, count][_kind] > _found - 0.4, "worse than the plain range"
# The integers' points follow the formula where nothing is clipped: within a dB, 8 bits.
for _crest, _found in points.items():
    assert abs(20 * np.log10(127 * 12**0.5 / _crest) - _found["int8"]) < 1, "the formula"
    assert abs(_found["E4M3"] - 33.5) < 3, "E4M3 hardly cares"
assert all(_crest <= 32**0.5 for _crest in points if points[_crest] in in_blocks), "at most"
_crossing = 127 * 12**0.5 / 10 ** (results["heavy tails", count]["E4M3"] / 20)
assert 10 < _crossing < 13, "they cross near 12"
assert all(r["NF4"] > r["E2M1"] - 0.05 for r in results.values()), "NF4 leads E2M1"
# Networks.
assert np.abs(cnn.logits(cnn.weights) - logits["float32"]).max() == 0, "the same logits"
_changed = max(metrics.flips(logits["float32"], found) for found in logits.values())
assert _changed < len(digits.test_labels) / 40, "4 bits change few answers"
assert lost["E4M3", "plain"] > 0.9, "without a scale E4M3 loses the gradients"
assert lost["E5M2", "scaled"] < 0.01, "scaled, E5M2 keeps them"
_gradients = np.log2(np.abs(gradients))
assert np.ptp(_gradients) > 18, "they span more powers of two than E4M3 has"
assert len(content["NVFP4"]) == len(content["MXFP4"]) + 10 * 64 + 4, "scales and tensor scale"
assert np.nanmax(np.abs(here / 2 - there)) == 0, "fnuz halves all"
