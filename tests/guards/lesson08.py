"""Guards of lesson 08: run behind its last cell, in its namespace."""

_apart = np.abs(float32.predict(images) - float_logits).max()
assert _apart < 1e-3, "NumPy's logits are LiteRT's"
assert baseline.value > 0.9, "the float network reads"
_channel = by_weights["per channel"]
assert _channel[5].value > baseline.value - 0.02, "5 bits cost less than two points"
assert by_activations[5].value > baseline.value - 0.03, "5-bit activations cost less than three"
assert by_weights["per tensor"][2].value < 0.6, "2 bits, one scale: broken"
assert score(*rounded(2, 26)).value > by_weights["per tensor"][2].value, "groups help"
_best = {name: _s[np.argmin(_r + _c)] for name, (_s, _r, _c) in curves.items()}
assert _best["2 bits"] < 0.6 < _best["8 bits"], "the fewer the bits, the more to clip"
for _bits in (4, 3, 2):
    _numbers, _levels = few_bits.codebook(dense, 2**_bits)
    _free = metrics.sqnr_db(dense, _levels[_numbers])
    for _choose in (ranges.by_minmax, mse):
        _even = decode(*encode(dense, _bits, "tensor", _choose))
        assert _free > metrics.sqnr_db(dense, _even), "a codebook has the smaller error"
_left, _right = np.random.default_rng(0).choice([-1, 1], (2, 2028))
_differ = int(np.unpackbits(np.packbits(_left > 0) ^ np.packbits(_right > 0)).sum())
assert 2028 - 2 * _differ == _left @ _right, "XOR and counting give the dot product"
for _per, _size in (("tensor", dense.size), ("channel", 2028), (26, 26), (9999, 2028)):
    _scales, _ends = encode(dense, 4, _per)[1], np.abs(dense).reshape(-1, _size).max(axis=1)
    assert np.allclose(_scales, _ends / 7), "neighbouring weights of a channel share a scale"
_signs, _means = encode(dense, 1)
for _factor in (0.9, 1.1):
    _best, _other = (np.square(dense - _f * _means[:, None] * _signs).sum() for _f in (1, _factor))
    assert _best < _other, "the mean magnitude is the best scale for signs"
assert np.array_equal(packed, packing.pack([1, -2, 7, -7], 4)), "the lesson packs as the helper"
assert packing.unpack(packed, 4, 4).tolist() == [1, -2, 7, -7], "and it comes back"
for _bits, _per in ((8, "channel"), (4, "channel"), (2, "channel"), (2, 26), (1, "channel")):
    _stored = [encode(real, _bits, _per, mse) for real in (conv, dense)]
    _ones = [((_i > 0) if _bits == 1 else _i).astype(np.int8) for _i, _ in _stored]
    _bytes = sum(packing.pack(_i, _bits).nbytes for _i in _ones)
    assert 0 <= _bytes - 20_388 * _bits // 8 <= 1, "packed"
    assert _per == 26 or sum(_s.size for _, _s in _stored) == 22, "a scale for each channel"
_three, _even, _free = rounded(2, choose=mse)[1], four[1], free[1]
_found = [metrics.sqnr_db(dense, _w) for _w in (_three, _even, _free)]
assert _found == sorted(_found), "three levels, four, four free ones"
assert "int4 weights" in int4.stored(), "4-bit weights are called so"
_conv4, _dense4 = rounded(4)
_ours = logits(hidden(images, _conv4, conv_bias), _dense4, dense_bias)
assert metrics.sqnr_db(_ours, int4.predict(images)) > 25, "LiteRT computes what the file says"
assert metrics.flips(_ours, int4.predict(images)) < 0.02 * len(images)
assert mixed(8, 2).value > mixed(2, 2).value, "exercise 08.3: bits for the small layer pay"
