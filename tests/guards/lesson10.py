"""Guards of lesson 10: run behind its last cell, in its namespace."""

assert len(names) >= 250, "enough files on this machine"
assert len(set(labels)) > 30, "of many kinds"
assert len({_row.tobytes() for _row in inputs}) == len(inputs), "no two alike"
assert len(calibration) + len(few) + len(rest) == len(inputs), "three sets without overlap"
assert exact.shape == (len(inputs), len(types)), "a probability for each type"
assert np.allclose(exact.sum(axis=1), 1, atol=1e-4), "they are probabilities"
assert smaller > 3.5, "dynamic and mended are small"
_step = by_name[JOBS["variance"]].scale
assert _step / 2 > 1e-6, "the epsilon rounds to 0"
assert own[JOBS["variance"]] > 25 > arriving[JOBS["variance"]], (
    "decibels acquit, and it arrives ruined"
)
assert arriving["norm 1/truediv_1"] > 25, "what feeds the variance is clean"
assert zeros["cube"] > 0.9 > 0.3 > zeros["variance"], "the cubes look worst"
assert without["without GELU 2"].high < without["without variance"].low, "the cubes are no cause"
assert min(without["without norm 1"].low, without["without either"].low) > 0.5
assert max(without[f"only {_n}"].high for _n in ("the two means", "the variance")) < 0.7
assert judged["percentile"][0].low <= judged["mended"][0].high, "no rival is shown to be better"
assert set(ran) == {"QLinearConv", "QLinearMatMul"}, "integer kernels"
assert w.dtype == np.int8
assert a.dtype == np.int8
assert out.std() > 1, "the proof is of values that differ"
