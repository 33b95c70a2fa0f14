"""Guards of lesson 03: run behind its last cell, in its namespace."""

import numpy as np

from qhelpers.arithmetic import ranges
from qhelpers.tflite.numpy_network import NumpyNetwork

assert int8_file == conversion.convert(model, "int8", data.representative(digits.train_images, 100))
for _low, _high in ((-1.5, 2.25), (-1.265, 3.835), (2.0, 5.1), (-3.0, -1.0)):
    _params = affine.choose(_low, _high)
    _scale, _zero = choose(_low, _high)
    assert np.isclose(_scale, _params.scale)
    assert _zero == _params.zero_point
    _reals = np.linspace(min(_low, 0), max(_high, 0), 1001)
    _back = _scale * (quantize(_reals, _scale, _zero).astype(float) - _zero)
    assert np.abs(_back - _reals).max() <= 0.5001 * _scale, "half a step"
    assert np.array_equal(quantize(_reals, _scale, _zero), affine.quantize(_reals, _params))
assert baseline.value > 0.9
assert metrics.flips(float_outputs, int8_outputs) < 0.01 * len(labels)
assert float32.size / int8.size > 3
assert {t.dtype.name for t in (*int8.inputs, *int8.outputs)} == {"uint8"}
assert abs(float(int8.inputs[0].scales[0]) * 255 - 1) < 1e-6
assert int8.inputs[0].zero_points[0] == 0
_logits = probe[:100]
_width = float(_logits.max() - _logits.min())
assert np.isclose(float(int8.outputs[0].scales[0]), _width / 255, rtol=1e-3), "range over 255"
for _name, _kernel in keras_cnn.weights(model).items():
    if not _name.endswith("kernel"):
        continue
    _step = only("CONV_2D" if _name.startswith("conv") else "FULLY_CONNECTED")
    _source, _weight, _bias = (tensors[i] for i in _step.inputs)
    _channels = np.moveaxis(_kernel, -1, 0)
    _ours = affine.quantize(_channels, ranges.by_minmax(_channels, axis=0, symmetric=True))
    _stored = int8.value(_weight.index)
    assert (_ours != _stored).sum() <= _ours.size / 1000
    assert not _weight.zero_points.any()
    assert _stored.min() >= -127
    assert _bias.dtype == np.int32
    assert np.allclose(_bias.scales, _source.scales[0] * _weight.scales, rtol=1e-6)
assert z3 == -128, "after ReLU no level is spent on negatives"
assert number == made[row, column, channel]
viewer.run_raw(digits.test_images[:1])
_byte = round(d_total * d_factor) + int(d_out.zero_points[0])
assert _byte == int(viewer.value(d_out.index)[0, digit]), "the logit by hand"
assert z3 == d_in.zero_points[0], "pooling keeps the ruler"
assert np.array_equal(q1 - z1, digits.test_images[0][row : row + 3, column : column + 3])
assert np.array_equal(NumpyNetwork(int8_file, "xnnpack").run(digits.test_images[:500]), ours[:500])
assert noisy["error"] > 3 * good["error"], "noise: the logits are three times as wrong"
assert float(float32.predict(noise).max()) < float(probe.max()), "noise: no clear digit"
_at8 = [pair[0] for name in right for pair in [right[name][8]]]
assert max(_at8) - min(_at8) < 0.03, "8 bits: little matters"
assert right["MSE"][2][1] > right["MSE"][2][0] - 0.01, "the bias corrected, under a good range"
assert path.read_bytes() == int8_file, "on disk are the bytes that were converted"
assert seen.value > 0.9, "not the input's two marks are what is wrong"
if len(labels) >= 10_000:  # fewer images say nothing on a few points
    assert right["MSE, conv in 8 bits"][2][0] > right["MSE"][2][0], "a layer kept in 8 bits helps"
_channels = np.moveaxis(keras_cnn.weights(model)["logits/kernel"], -1, 0)
for _bits in (2, 4, 8):
    _params = ranges.by_mse(_channels, _bits, axis=0, symmetric=True)
    _wanted = affine.fake_quantize(_channels, _params)
    _ours = restore(_channels, least_mse(_channels, _bits), _bits)
    assert np.allclose(_ours, _wanted, atol=1e-6), "the search is the helper's"
_errors = {
    name: np.abs(restore(hot, choose_clip(hot, 8), 8) - hot)[0, 1:].mean()
    for name, choose_clip in choices.items()
}
assert _errors["percentile 99"] < min(_errors["min-max"], _errors["MSE"]) / 5, "the hot pixel"
assert metrics.accuracy(wrapped, labels[:2000]).value < got.value - 0.05, "wrapping costs"
assert low > 0.05, "truncation"
assert off == 0, "rounded, the bytes are the pixels"
assert abs(metrics.accuracy(clipped, labels[:2000]).value - got.value) < 0.03, "clipping mends"
assert float_parts(int8_file) == []
assert {"DEQUANTIZE", "ELU"} <= {*float_parts(full_integer(elu, images[:20], byte_ends=False))}

# Several inputs: a dictionary with names; a list in the order of the file's inputs.
_picture, _pen = keras.Input((28, 28), name="image"), keras.Input((1,), name="pen")
_scores = [keras.layers.Dense(10)(keras.layers.Flatten()(part)) for part in (_picture, _pen)]
_pair = keras.Model([_picture, _pen], keras.layers.Add()(_scores))
_pens = np.linspace(0, 20, 50, dtype=np.float32)
_pairs = [{"image": images[i : i + 1], "pen": _pens[i : i + 1, None]} for i in range(50)]


def _convert_pairs(examples):
    converter = tf.lite.TFLiteConverter.from_keras_model(_pair)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: iter(examples)
    converter.target_spec.supported_ops = ops
    converter.inference_input_type = converter.inference_output_type = tf.uint8
    return converter.convert()


with silence.quiet():
    _file = _convert_pairs(_pairs)
    _found = {"image" if len(t.shape) == 3 else "pen": t for t in litert.LiteModel(_file).inputs}
    _again = _convert_pairs([[pair[name] for name in _found] for pair in _pairs])
assert np.isclose(_found["image"].scales[0], 1 / 255, rtol=1e-3)
assert np.isclose(_found["pen"].scales[0], 20 / 255, rtol=1e-3)
assert _again == _file
