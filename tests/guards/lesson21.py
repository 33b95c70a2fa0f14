from qhelpers.arithmetic import float_order

assert left.dtype == right.dtype == F32, "float32 all the way"
rules = {r.engine: r for r in reversed(float_order.FLOAT_RULES)}
for engine, order in (("xnnpack", "bias first, FMA"), ("reference", "bias last")):
    flat = columns.T.copy()
    ours = float_order.sums_in_order(taps.reshape(9, -1), flat, bias, rules[engine])
    cell = orders[order](taps, columns, bias).reshape(-1, 12)
    assert np.array_equal(ours.T, cell), f"{order} in the cell is the helper's"
layer = float_order.dynamic_dense(rows, w, w_scales, b, rules["reference"])
assert np.array_equal(layer.T, dense(rows, 1, 1, 1)), "the layer in the cell is the helper's"
assert (rows.min(axis=1) >= 0).all(), "rows begin at 0: both engines have zero point -128"
assert abs(outputs["float16", "xnnpack"] - outputs["float32", "xnnpack"]).max() < 0.1, "close"
assert 0 < touched.sum() <= len(rows) // 25, "few images are touched"
