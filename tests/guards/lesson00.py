"""What must hold in lesson 00's namespace after its last cell."""

import sys

assert digits.test_images.shape[1:] == (28, 28), "digits.test_images.shape[1:] == (28, 28)"
assert digits.test_images.dtype == np.uint8, "digits.test_images.dtype == np.uint8"
assert test_images.dtype == np.float32, "test_images.dtype == np.float32"
assert np.array_equal(np.rint(digit * 255), digits.test_images[labels == 2][0]), (
    "8 bits lose nothing"
)
for depth in range(1, 9):
    off = np.abs(quantize_picture(average, depth) - average).max() * (2**depth - 1)
    assert off < 0.5001, "no pixel is off by more than half a step"
gains = [
    metrics.sqnr_db(average, quantize_picture(average, b + 1))
    - metrics.sqnr_db(average, quantize_picture(average, b))
    for b in (5, 6, 7)
]
assert all(5 < gain < 7.2 for gain in gains), "a bit is worth about 6 dB"

share = {name: metrics.accuracy(found, labels).value for name, (_, found) in results.items()}
assert all(values.dtype == np.float32 for values in net.values()), (
    "all((values.dtype == np.float32 for values in net.values()))"
)
assert share["float32"] > 0.9, "share['float32'] > 0.9"
assert share["float32"] - share["8 bits"] < 0.01, "share['float32'] - share['8 bits'] < 0.01"
assert share["float32"] - share["4 bits"] < 0.06, "share['float32'] - share['4 bits'] < 0.06"
assert share["float32"] - share["2 bits"] > 0.1, "share['float32'] - share['2 bits'] > 0.1"
assert share["2 bits, better range"] - share["2 bits"] > 0.1, (
    "share['2 bits, better range'] - share['2 bits'] > 0.1"
)
assert share["2 bits, QAT"] - share["2 bits, better range"] > 0.03, (
    "share['2 bits, QAT'] - share['2 bits, better range'] "
)
assert metrics.flips(outputs, results["8 bits"][1]) < 0.02 * len(labels), (
    "metrics.flips(outputs, results['8 bits'][1]) < 0.02 * len(la"
)
assert np.unique(mended["kernel1"]).size == 3, "2 bits, narrow: three levels"
for depth in (8, 4, 2):
    for name in ("kernel1", "kernel2"):
        end = largest(net[name])
        lines = affine.choose(-end, end, depth, symmetric=True, narrow=True)
        ours = quantized(net, depth, largest)[name]
        assert ours.dtype == np.float32, "quantized weights stay float32"
        assert np.array_equal(ours, affine.fake_quantize(net[name], lines)), "the helper's result"
few = quantized(net, 4, largest)["kernel2"]
levels = np.unique(np.rint(few / (largest(net["kernel2"]) / 7)))
assert set(levels) <= set(range(-7, 8)), "4 bits, narrow: no level beyond 7"
assert np.abs(levels).max() == 7, "the largest weight is the last level"
assert np.quantile(hidden.max(axis=1), 0.99) > 1.2 * np.quantile(hidden.max(axis=1), 0.5), (
    "np.quantile(hidden.max(axis=1), 0.99) > 1.2 * np.quantile(hi"
)
assert hidden.min() >= 0, "hidden.min() >= 0"
assert size[32] == sum(values.nbytes for values in net.values()), (
    "size[32] == sum((values.nbytes for values in net.values()))"
)
assert size[32] / size[8] > 3.9, "size[32] / size[8] > 3.9"
levels = affine.dequantize(np.arange(-2, 2), ruler)
assert 0.0 in levels, "zero has a level"
assert np.array_equal(levels, with_zero)
assert not np.any(end_to_end == 0), "end to end, none"
assert not {"tensorflow", "torch", "ai_edge_litert"} & set(sys.modules), "no framework is loaded"
