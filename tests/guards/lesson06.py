"""What guards lesson 06; runs behind its last cell, in its namespace."""

assert float_accuracy.value > 0.85, "the float network does not read digits"
stubless = training.logits(float_net, digits.test_images)
assert np.array_equal(float_logits, stubless), "stubs change something before conversion"
refused = training.logits(fused, digits.test_images)
assert np.allclose(float_logits, refused, atol=1e-4), "fusing changes results"
assert not prepared.training, "prepare changed the mode"
assert not any(isinstance(m, tq.FakeQuantizeBase) for m in prepared.modules()), "fakes"
assert weight.dtype == torch.qint8, "weights are not int8"
assert weight.element_size() == 1, "a weight takes more than a byte"
assert not weight.requires_grad, "a quantized weight can be trained"
assert weight.shape == original.shape, "a weight's shape changed"
assert quantized.fc2.bias().dtype == torch.float32, "biases are not float32"
assert engine in torch.backends.quantized.supported_engines, "that engine is not here"
assert changed <= 0.02 * len(static_logits), "many answers change"
assert float(blind.quant.scale) == float(blind.fc1.scale) == 1, "a blind scale is not 1"
assert np.array_equal(blind_logits, np.rint(blind_logits)), "blind logits are no whole numbers"
blind_accuracy = metrics.accuracy(blind_logits, digits.test_labels)
assert blind_accuracy.value > 0.6, "the blind network can be seen to fail"
assert metrics.flips(float_logits, blind_logits) > changed, "blind flips are few"
assert metrics.mean_absolute_error(float_logits, broken_logits) > 3 * errors[1], (
    "the broken network of 06.2 is hardly broken"
)
assert mine[1] > 0, "the input needs no zero point"
assert np.array_equal(again, plan_logits), "loaded, the plan answers otherwise"
assert blank == len(watching), "an observer has seen something before calibration"
assert torch.equal(swapped.conv2.weight, cnn.conv2.weight), "quantize_ touches convolutions"
assert type(swapped.fc) is nn.Linear, "quantize_ replaces the layer"
assert whole_file > bytes_of[0], "the plan as it is saved is smaller than float"
assert mean_error["noise, clipped"] < 1.5 * mean_error["digits"], "noise errs without clipping too"
assert metrics.flips(cnn_logits, plan_logits) <= 0.02 * count, "PT2E changes many answers"
assert "conv2d" in names, "the plan's convolutions are not float operations"
if compiler is not None:
    assert metrics.flips(plan_logits, compiled_logits) <= 0.01 * count, "compiling changes answers"
    assert metrics.accuracy(compiled_logits, test_labels).value > 0.85, "compiled: bad answers"
static_smaller = len(first) / len(training.saved(quantized))
assert 3.4 < static_smaller < 4, "the static file's size is off"
