"""Guards of lesson 02: run behind its last cell, in its namespace."""

import numpy as np

assert few.shape[1:] == (28, 28)
assert few.dtype == np.float32
outputs = {name: read.predict(few) for name, read in models.items()}
assert dynamic_range_file == conversion.convert(model, "dynamic_range"), "another recipe"
assert {info.dtype.name for info in numbers} == {"float32", "int8"}
assert lite.stored_bytes()["float32"] == 4 * (108 + 12 + 10)
assert len(dense_kernel.scales) == 10
assert not dense_kernel.zero_points.any()
assert lite.value(dense_kernel.index).min() >= -127, "-128 is not used"
assert np.allclose(params.scale, dense_kernel.scales, rtol=1e-6)
_moved = np.abs(helper[0] * helper[1][:, None] - weights) / helper[1][:, None]
assert _moved.max() <= 0.5001, "no weight moves by more than half its scale"
_noise = np.sqrt(np.mean((helper[0] * helper[1][:, None] - weights) ** 2, axis=1))
assert np.abs(_noise * np.sqrt(12) / helper[1] - 1).max() < 0.1, "scale / sqrt(12)"
assert [info.dtype.name for info in sorted(infos, key=lambda i: np.prod(i.shape))] == [
    *("float32", "float32", "float32", "int8", "float32", "int8")
]
assert "DEQUANTIZE" not in [step.name for step in lite.operations]
assert engine.operations[-1].name == "FULLY_CONNECTED"
assert rows.min() == 0, "the rows begin at 0: so the zero point is -128"
assert np.abs(sums).max() <= 2_028 * 255 * 127 < 2**31
_together = lite.predict(few[:20])
_alone = np.concatenate([lite.predict(image[None]) for image in few[:20]])
assert np.allclose(_together, _alone, atol=1e-3), "the engine: alone or in a batch"
assert metrics.flips(*outputs.values()) < 0.01 * len(few)
_before, _after = (metrics.accuracy(out, labels).value for out in outputs.values())
assert abs(_before - _after) < 0.01
assert light[4] == np.float32(1 / 256)
assert np.allclose(curves["dynamic_range"], curves["dynamic_range"][0], atol=1e-3)
_spread = rows.max(axis=1).max() / rows.max(axis=1).min()
assert _spread > 1.1, "every image has a scale of its own"
assert largest < half, "in the dark every logit that should win rounds to 0"
