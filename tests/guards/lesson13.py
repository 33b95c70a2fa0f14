"""Guards of lesson 13: run behind its last cell, in its namespace."""

assert right(float_outputs).value > 0.9, "the network reads"
# Case 1: float32's file has the same hard-swish, and XNNPACK takes all of it.
_swish = litert.LiteModel(conversion.convert(network("hard_silu"), "float32"))
assert "HARD_SWISH" in [_step.name for _step in _swish.operations], "it is the same operation"
assert not cases.left_out(_swish), "XNNPACK takes float32's hard-swish"
assert left["gelu"].count("GELU") == left["hard_silu"].count("HARD_SWISH") == 3, "split as often"
assert not left["relu"], "and nothing of ReLU's"
# Case 2: without a scale for each channel the file is smaller than float32's.
_dense = [keras.layers.Dense(16, "relu"), keras.layers.Dense(16, "relu"), keras.layers.Dense(1)]
_converter = tf.lite.TFLiteConverter.from_keras_model(
    keras.Sequential([keras.Input((1,)), *_dense])
)
_converter._experimental_disable_per_channel_quantization_for_dense_layers = True
_few_scales = conversion.converted(_converter, "int8", lambda: ([x[None]] for x in angles))
assert len(_few_scales) < sizes[16, "float32"] < sizes[16, "int8"], "the scales make it larger"
# Case 3: twice is every byte's negative, or a step less where 1/255 was rounded down.
_off = fed["applied twice"] + test_bytes  # as bytes, which wrap around
assert set(np.unique(_off)) <= {0, 255}, "it wraps around"
# Case 4: in float32 the detector is fine, and finds the ink to a few pixels of 1,280.
_detector = litert.LiteModel(conversion.convert(cases.detector(model, digits, 1280), "float32"))
_found, _ink = _detector.predict(tests), tests.sum((1, 2))
assert right(_found[:, 2:]) == right(float_outputs), "the same scores"
_across = tests.sum(1) @ (np.arange(28) + 0.5) / 28 / _ink
assert np.abs(_found[:, 0] - 1280 * _across).mean() < 20, "it finds the ink"
# Case 5: float32 has the same failure.
_made = [pictures.numpy()[..., 0] for pictures in prepared.values()]
assert metrics.flips(*map(float32.predict, _made)) > 5, "float32 flips as well"
# Case 6: with 7 bits the older instruction is exact.
assert np.array_equal(sums_in_pairs(pixels, whole), exactly(pixels, whole)), (
    "7 bits: all sums are exact"
)
# Case 7: what is frozen in use is the network as it was.
_same = frozen(False)(tests[:200]).numpy()
assert metrics.sqnr_db(float_outputs[:200], _same) > 60, "batch norm in use changes nothing"
# Keras 3 converts in inference mode, whatever a layer is called with.
_inputs = keras.Input((8,))
_norm = keras.layers.BatchNormalization()(_inputs, training=True)
_file = litert.LiteModel(conversion.convert(keras.Model(_inputs, _norm), "float32"))
assert "MEAN" not in [_step.name for _step in _file.operations], "no statistics of the batch"
# Case 8: the float networks lose as well, before anything is converted.
_tuned = cases.tune(model, digits, 0.03, False).predict(tests, verbose=0)
assert right(_tuned).value < right(float_outputs).value - 0.01, "the rate alone does it"
