"""What lesson 04 relies on without saying it."""

import numpy as np

from qhelpers.lessons.lesson04 import half
from qhelpers.tflite import conversion, litert

assert digits.test_images.shape[1:] == (28, 28), "images are 28x28"
assert float16_file == conversion.convert(model, "float16"), "the helper's recipe is the same"
assert 1.8 < lite32.size / lite16.size < 2, "a bit less than half"

# Half a float: the lesson's rule against NumPy, for normal numbers of every size.
signs, powers = np.random.default_rng(0).choice([-1, 1], 10_000), np.linspace(-14, 15.9, 10_000)
for normals in (signs * 2**powers, np.random.default_rng(1).normal(0, 100, 3_000)):
    normals = normals.astype(np.float32)
    ours = [to_half(x) for x in normals]
    assert ours == normals.astype(np.float16).view(np.uint16).tolist(), "normal numbers"

# What is stored: four tensors, rounded as above; four operations widen them.
widened = {t.shape: lite16.value(t.index) for t in lite16.constants() if t.dtype == np.float16}
for shape, array in {
    (12, 3, 3, 1): weights["conv/kernel"].transpose(3, 0, 1, 2),
    (12,): weights["conv/bias"],
    (10, 2028): weights["logits/kernel"].T,
    (10,): weights["logits/bias"],
}.items():
    assert np.array_equal(widened[shape], array.astype(np.float16)), f"{shape} is rounded"
steps = [step for step in lite16.operations if step.name == "DEQUANTIZE"]
assert len(steps) == 4, "one DEQUANTIZE for each tensor"
for step in steps:
    kinds = [lite16.tensors[i].dtype.name for i in (step.inputs[0], step.outputs[0])]
    assert kinds == ["float16", "float32"], "it widens"
numbers32, numbers16 = (lite.stored_bytes()[name] for name, lite in models.items())
assert numbers32 == 2 * numbers16, "numbers take exactly half"
every = np.concatenate([w.ravel() for w in weights.values()])
size = np.abs(every[every != 0])
relative = np.abs(size.astype(np.float16).astype(np.float64) - size) / size
assert relative[size >= 2.0**-14].max() <= 2.0**-11, "one part in 2,048"
assert (size < 2.0**-14).mean() < 0.01, "few subnormal weights"

# The float32 file with rounded weights: the same bits on the plain kernels, too.
some = images[:500]
plain, other = (litert.LiteModel(f, "reference").predict(some) for f in (file, float16_file))
assert np.array_equal(plain, other), "reference kernels: the same bits"
assert "float16" not in litert.LiteModel(file).stored_bytes(), "it stores no float16"

# The mark: only it differs.
assert half.mark(float32_file) == "", "a plain file has no mark"
marks = half.mark(float16_file), half.mark(marked_file)
assert marks == ("fp16accfp32", "fp16accfp16"), "what the converter writes"
assert lite16.stored_bytes() == litert.LiteModel(marked_file).stored_bytes(), "the same numbers"
dynamic = conversion.convert(model, "dynamic_range")
assert "float16 weights" in lite16.stored(), "stored() tells"
assert "float16 weights" not in litert.LiteModel(dynamic).stored(), "stored() tells the slip"

assert np.abs(np.asarray(numbers["float16"])).max() == 65504, "clipped to the largest"
assert np.abs(np.asarray(numbers["float32"])).max() > 65520, "by far too large"

# The cure: the unit converted before the input, the same network fits float16.
assert cured > 0.95, "in picofarads it works"
