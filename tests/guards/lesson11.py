"""Guards of lesson 11: run behind its last cell, in its namespace."""

assert exact.shape == (16, 3, 256, 96), "a logit for each character that may follow"
assert exact.dtype == np.float32, "float32 throughout"
assert len(language_model.linear(model)) == 16, "four kinds of layers in four blocks"
assert language_model.linear(model).keys() == hessians.keys(), "each was calibrated"
for _name, _before in language_model.linear(language_model.load()).items():
    assert torch.equal(_before.weight, language_model.linear(model)[_name].weight), (
        "the model is as it was"
    )
assert rows[size(8)].changed.high < 0.02, "8 bits are as good as float"
for _bits, _curve in by_gptq.items():
    assert _curve.kl.high < by_nearest["whole rows"][_bits].kl.low, "GPTQ at any width"
assert max(straight, key=straight.get) == "down", "the outliers are in one kind"
assert straight["down"] > 2.5 * max(_v for _k, _v in straight.items() if _k != "down")
assert mixed["down"] < straight["down"] / 2, "the rotation spreads them"
for _bits in (8, 6, 4):
    assert fed["per token, rotated", _bits].high < fed["per token", _bits].low
    assert fed["static, rotated", _bits].high < fed["static, SmoothQuant", _bits].low
assert by_nearest["groups of 32"][size(3, 32)].kl.low > wrong.high, "even random text helps some"
assert along.max() > 16 >= down.max(), "the groups run down the outputs"
assert abs(found.bits.value - in_float.value) > 1, "two bits in whole rows are past the cliff"
