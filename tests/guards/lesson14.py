"""Guards of lesson 14: run behind its last cell, in its namespace; the solutions have run."""

assert recorded.max() < 0.3 < tests.max(), "the first trap"
# Each fault alone is enough to lose int8; 16x8 mends the second, and not the first.
assert accuracy(converter_int8(model, bright).convert()).value < good.value - 0.3, "the second"
assert accuracy(converter_int8(even, recorded).convert()).value < good.value - 0.3, "the first"
assert accuracy(int16x8(model, recorded)).value < good.value - 0.3, "no cure for the first"
assert accuracy(int16x8(model, bright)).value > good.value - 0.02, "a cure for the second"
# An even network answers the same.
_even = litert.LiteModel(conversion.convert(even, "float32")).predict(tests)
_whole = litert.LiteModel(float32).predict(tests)
assert metrics.flips(_whole, _even) <= 1, "equalized, float32 reads the same"
# The budgets are clear of what they divide.
_converter = converter_int8(even, bright)
_converter._experimental_disable_per_channel = True
_gold = challenge.check(_converter.convert(), digits).found
assert _gold["answers lost, %"] <= 1.2, "gold allows 2"
assert _gold["bytes of activations"] < 9_000, "silver allows 10,000"
assert _gold["bytes of the file"] < 17_000, "gold allows 18,000"
assert 20_000 < card.found["bytes of the file"] < 23_000, "silver allows 24,000"
assert _gold["refusals by LiteRT Micro"] == 0, "it is taken"
