"""What must hold in lesson 01's namespace after its last cell."""

import inspect
import sys

from qhelpers.arithmetic import float_formats
from qhelpers.tflite import conversion

for number in np.float32([3.14159, -0.001, 1e10, 6.1e-5, 123456.789]):
    sign, exponent, fraction = take_apart(number)
    found = float_formats.fields32(number)
    assert (sign, exponent, fraction) == (found.sign, found.exponent, found.fraction), (
        "(sign, exponent, fraction) == (found.sign, found.exponent, f"
    )
    assert (-1) ** sign * 2.0 ** (exponent - 127) * (1 + fraction / 2**23) == number, (
        "(-1) ** sign * 2.0 ** (exponent - 127) * (1 + fraction / 2 *"
    )
counter = np.float32(2**24)
assert counter + np.float32(1) == counter, "counter + np.float32(1) == counter"
assert counter + np.float32(2) == 2**24 + 2, "counter + np.float32(2) == 2 ** 24 + 2"

assert model.count_params() == 20_410, "model.count_params() == 20410"
assert parameters == 81_640, "parameters == 81640"
assert 0 < len(float32_file) - parameters < 8_000, "0 < len(float32_file) - parameters < 8000"
assert float32_file[4:8] == b"TFL3", "float32_file[4:8] == b'TFL3'"
assert (folder / "cnn_float32.tflite").read_bytes() == float32_file, (
    "(folder / 'cnn_float32.tflite').read_bytes() == float32_file"
)
assert float32_file == conversion.convert(model, "float32"), "the helper's recipe gives this file"
again = keras.models.load_model(folder / "cnn.keras")
for mine, kept in zip(model.get_weights(), again.get_weights(), strict=True):
    assert np.array_equal(mine, kept), "saving keeps every bit"
assert set(lite.stored_bytes()) <= {"float32", "int32"}, (
    "set(lite.stored_bytes()) <= {'float32', 'int32'}"
)
assert metrics.flips(keras_outputs, lite_outputs) == 0, (
    "metrics.flips(keras_outputs, lite_outputs) == 0"
)
assert difference < 1e-3, "difference < 0.001"

assert (a + b) + c != a + (b + c), "a + b + c != a + (b + c)"
assert np.array_equal(
    (digits.test_images[:100] / 255.0).astype(np.float32), data.to_float(digits.test_images[:100])
), "np.array_equal((digits.test_images[:100] / 255.0).astype(np."
assert (digits.test_images[:1] / 255.0).dtype == np.float64, (
    "(digits.test_images[:1] / 255.0).dtype == np.float64"
)
assert sys.getsizeof(b"") == sys.getsizeof(float32_file) - len(float32_file), (
    "sys.getsizeof(b'') == sys.getsizeof(float32_file) - len(floa"
)
names = list(inspect.signature(keras.Model.compile).parameters)
assert names[3] == "loss_weights", "compile's third argument"  # names[0] is self
fresh, mine = keras_cnn.build().get_config(), untrained.get_config()
for theirs, ours in zip(fresh["layers"], mine["layers"], strict=True):
    for config in (theirs["config"], ours["config"]):
        config.pop("kernel_initializer", None)  # the helper's has a seed
    assert theirs == ours, "the network on the page is the one that is trained"
assert logits.shape == (1, 10)
many = interpreter.get_tensor(output_index)
assert many.shape == (10, 10)
assert np.allclose(many, lite_outputs[:10], atol=1e-3), "ten at once: the same logits"
fresh = keras_cnn.build()
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
fresh.compile("adam", loss, ["accuracy"])  # meant as metrics
try:
    fresh.train_on_batch(test_images[:32], test_labels[:32])
    failed = False
except (TypeError, ValueError):
    failed = True
assert failed, "an old positional compile fails in training"
wrong = metrics.accuracy(strange, test_labels)
assert 0.3 < wrong.value < accuracy.value, "0.3 < wrong.value < accuracy.value"
assert metrics.flips(strange, lite_outputs) > 0, "metrics.flips(strange, lite_outputs) > 0"
