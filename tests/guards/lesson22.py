"""Guards of deep dive 22: run behind its last cell, in its namespace."""

assert set(nets) == set(here), "every engine of this machine was compared"
assert engine in here, "the engine that was chosen is among them"
_first = layers_of(nets[engine])["fc1"]
assert _first.weight.shape == (128, 784), "fc1's weights"
assert _first.zero_point == 0, "behind a ReLU the zero point is 0"
assert _first.input_zero_point > 0, "the input has negative numbers"
assert not _first.weight_zero_point.any(), "weights are symmetric"
_unit = (_first.input_scale * _first.weight_scale / _first.scale).max()
assert half_way < _unit, "orders part within one unit of the sum of halfway"
_step = f32(_first.input_scale) * f32(_first.weight_scale)
_away = [
    np.abs(f32(total + _bias) * (_step / f32(_first.scale)) - exact)[inside].mean()
    for _bias in (_first.bias / _step, np.rint(_first.bias / _step))
]
assert _away[1] > 3 * _away[0], "the rounded bias moves a level most"
assert errors["8 bits", "32 bits"] < errors["7-bit activations", "32 bits"], (
    "in 32 bits, 8-bit activations win"
)
assert errors["7-bit activations", "16 bits"] < errors["8 bits", "16 bits"], (
    "in pairs of 16, 7-bit ones win"
)
assert errors["8 bits", "16 bits"] > 2 * errors["8 bits", "32 bits"], "pairs double the error"
for _bits in ("7-bit activations", "7-bit weights"):
    _seven = layers_of(versions[_bits])["fc1"]
    _x = enter(pixels[:200].numpy(), _seven.input_scale, _seven.input_zero_point)
    assert np.array_equal(sums(_x, _seven), sums_in_pairs(_x, _seven)), f"{_bits} saturate"
assert errors["7-bit weights", "16 bits"] < errors["7-bit activations", "16 bits"], (
    "a bit off the weights costs more than one off the activations"
)
for _bits, _network in versions.items():
    _home = "x86" if "x86" in here else engine
    if _home == "x86":
        _add = sums_in_pairs if narrow[_home] else sums
        _layers, _part = layers_of(_network), pixels[:500]
        _ours = forward(_part.numpy(), _layers, _add, fbgemm)
        _theirs = integers_of(_network, _home, _part)
        assert all(np.array_equal(_ours[k], _theirs[k]) for k in _theirs), f"{_bits} on {_home}"


def _numbers_of(fake):
    before, layers = fake.quant.activation_post_process, {}
    for name in ("fc1", "fc2"):
        part = getattr(fake, name)
        by, after = part.weight_fake_quant, part.activation_post_process
        integers = torch.round(part.weight * (1 / by.scale.reshape(-1, 1)))
        layers[name] = Layer(
            weight=integers.clamp(-128, 127).to(torch.int8).numpy(),
            weight_scale=by.scale.double().numpy(),
            weight_zero_point=by.zero_point.numpy(),
            bias=part.bias.detach().numpy(),
            input_scale=before.scale.item(),
            input_zero_point=before.zero_point.item(),
            scale=after.scale.item(),
            zero_point=after.zero_point.item(),
            relu=name == "fc1",
        )
        before = after
    return layers


_aware, _converted = made[0]
_ours, _stored = _numbers_of(_aware), layers_of(_converted)
for _name, _layer in _ours.items():
    for _field, _value in vars(_layer).items():
        _kept = np.squeeze(vars(_stored[_name])[_field])
        assert np.array_equal(np.squeeze(_value), _kept), f"{_name}: {_field} is kept"
_add = sums_in_pairs if narrow[home] else sums
_theirs = integers_of(_converted, home, pixels[:1000])
assert any(
    all(np.array_equal(_found[k], _theirs[k]) for k in _theirs)
    for _found in (forward(pixels[:1000].numpy(), _ours, _add, r) for r in RULES[home])
), "the trained numbers, computed in NumPy, are the converted network's integers"
assert (moved != 0).any(), "the report differs"
assert moved.min() < -1 < 1 < moved.max(), "by many levels, either way"
assert ((moved > 1).any(0) & (moved < -1).any(0)).any(), "a neuron goes up here and down there"
assert np.array_equal(reported, finish(fbgemm(sums_in_pairs(x, layer), layer), layer)), "22.2"
