from qhelpers.arithmetic import requantization
from qhelpers.tflite.operations import rules as _rules

assert np.array_equal(requantization.quantized_multiplier(real)[0], mantissa), "mantissas"
assert np.array_equal(requantization.quantized_multiplier(real)[1], shift), "shifts"
for name in ("gemmlowp", "ruy", "float64", "float32"):
    theirs = getattr(requantization, name)(sums, s1, s2, s3)
    assert np.array_equal(theirs, scaled[name]), f"{name} in the cell is the helper's"
assert np.array_equal(requantization.ruy_on_arm(sums, s1, s2, s3), ruy_on_arm(sums, s1, s2, s3)), (
    "ruy_on_arm in the cell is the helper's"
)
assert np.array_equal(
    requantization.reduced(sums16, *conv16["scales"]), reduced(sums16, *conv16["scales"])
), "reduced in the cell is the helper's"
for engine, pair in guessed.items():
    table = _rules.RULES[engine]
    named = [table[o, 8].__name__ for o in ("CONV_2D", "FULLY_CONNECTED")]
    assert named == [rule.__name__ for rule in pair], f"the table's rules of {engine}"
assert all((shift <= 0).tolist()), "no shift to the left: shift_away needs none"
assert list(refused) == (["dynamic_range", "float16"] if arenas else []), "what is refused"
assert all(2_000 < size - held[name] < 3_500 for name, size in arenas.items()), "bookkeeping"
assert lost.max() <= 0, "rounding down is never above rounding"
assert all(e == "micro" or len(o) == len(raw) for e, o in outputs.items()), "all images"
