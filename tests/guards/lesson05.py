"""What lesson 05 relies on without saying it."""

import numpy as np

from qhelpers.lessons.lesson05 import notes
from qhelpers.tflite import conversion, litert

recipe = conversion.convert(model, "int16x8", representative)
assert int16x8_file == recipe, "the helper's recipe gives the same bytes"
assert notes_file == files["int16x8"], "for the notes, too"
assert forgotten[4:8] == b"TFL3", "a .tflite file"

# The sounds: each divided by its peak, hiss in proportion, decibels that fall only in int8.
assert np.allclose(np.abs(test.noisy).max(axis=1), 1), "each clip fills the range"
assert np.ptp(ratios["input"]) < 1, "the hiss is in proportion to the sound"
assert np.min(np.subtract(ratios["float32"], ratios["input"])) > 1, "the network cleans"
half = litert.LiteModel(files["float32"]).predict(test.noisy / 2)
assert np.allclose(2 * half, cleaned["float32"], atol=1e-5), "no loudness for the float network"
assert np.max(np.subtract(ratios["float32"], ratios["float16"])) < 0.3, "float16 goes along"
assert ratios["float32"][-1] - ratios["dynamic_range"][-1] > 4, "dynamic range fails at the end"
assert np.max(np.subtract(ratios["float32"], ratios["int16x8"])) < 0.5, "16x8 nowhere behind"

# Eight bits, layer by layer, are what the file computes.
layered = notes.eight_bits(network, training.noisy, test.noisy, ["int8"])["int8"]
apart = np.abs(np.subtract(notes.by_loudness(test, layered), ratios["int8"])).max()
assert apart < 0.3, "layer by layer as in the file"
for way in ("4 short frames", "5 gain control"):
    assert abs(reached[way][-1] - ratios["int16x8"][-1]) < 1, f"{way} reaches the end"
assert [*reached][:3] == [*notes.WAYS], "1 to 3 come first"
assert kernel.shape == (10, 2028), "the dense layer comes last"
assert most < 2**31, "in this network 32 bits cannot overflow"

# Inside the file.
step, outer = total, one["expected"]
assert abs(number - outer) <= 1, "one number by hand is the file's, or its neighbor"
assert step == notes.summed(one["patch"], one["kernel"], one["multiplier"])[0], "the sum"
kinds = {name: lites[name].stored() for name in lites}
assert "int64 biases, int16 activations" in kinds["int16x8"], "biases of 64 bits"
assert "int32 biases, int16 activations" in kinds["int16x8 bias32"], "biases of 32 bits"
cnn = lites["int16x8"]
extra = cnn.size - lites["int8"].size
assert abs(extra) < 0.04 * cnn.size, "about as small as the int8 file"
flips = (outputs["int16x8"].argmax(1) != outputs["int16x8 bias32"].argmax(1)).mean()
assert flips < 0.001, "the type of the bias changes hardly an answer"

# Without float32 at the ends no tensor is a float.
converter = tf.lite.TFLiteConverter.from_keras_model(network)
converter.optimizations = [tf.lite.Optimize.DEFAULT]
converter.representative_dataset = lambda: ([x[None]] for x in training.noisy)
converter.target_spec.supported_ops = [int16x8]
converter.inference_input_type = converter.inference_output_type = tf.int16
whole = litert.LiteModel(converter.convert())
assert not [t.name for t in whole.tensors if t.dtype.kind == "f"], "integers only"
assert np.allclose(whole.predict(test.noisy[:5]), cleaned["int16x8"][:5]), "the same answers"
