"""Wrong answers of deep dive 22: (expression, part of the hint)."""

from __future__ import annotations

_STEP = "f32(layer.input_scale) * f32(layer.weight_scale)"
_WHOLE = f"np.rint(layer.bias * (one / ({_STEP})))"
_FACTOR = f"({_STEP}) * (one / f32(layer.scale))"

WRONG = {
    "22.1": [
        ("fbgemm", "as a float"),
        (
            f"lambda t, layer: np.rint(f32(t + {_WHOLE}) * ({_STEP})) + layer.zero_point",
            "levels differ",
        ),
        (f"lambda t, layer: np.rint(f32(t + {_WHOLE}) * ({_FACTOR}))", "zero point is missing"),
        (f"lambda t, layer: np.rint(f32(t) * ({_FACTOR})) + layer.zero_point", "the bias?"),
        (
            f"lambda t, layer: np.rint(f32(t + np.trunc(layer.bias * (one / ({_STEP})))) "
            f"* ({_FACTOR})) + layer.zero_point",
            "truncated",
        ),
        (
            f"lambda t, layer: np.rint(f32(t + layer.bias * (one / ({_STEP}))) * ({_FACTOR}))"
            " + layer.zero_point",
            "as a float",
        ),
        (
            f"lambda t, layer: (np.rint(f32(t + {_WHOLE}) * ({_FACTOR})) + layer.zero_point)"
            ".clip(0, 255)",
            "clipped",
        ),
        (
            f"lambda t, layer: f32(t + {_WHOLE}) * ({_FACTOR}) + layer.zero_point",
            "whole numbers",
        ),
        (
            f"lambda t, layer: np.floor(f32(t + {_WHOLE}) * ({_FACTOR})) + layer.zero_point",
            "cut off",
        ),
        (
            f"lambda t, layer: np.rint(f32(t + np.rint(layer.bias / ({_STEP}))) "
            f"* (({_STEP}) / f32(layer.scale))) + layer.zero_point",
            "a last bit differs",
        ),
        (
            f"lambda t, layer: np.rint((t + {_WHOLE}) * ({_STEP}).astype(float) / layer.scale)"
            " + layer.zero_point",
            "a last bit differs",
        ),
        ("lambda t, layer: None", "returns nothing"),
        ("lambda t, layer: t[0]", "One level for each sum"),
        ("7", "Expected a function"),
    ],
    "22.2": [
        ("'bias'", "one column of moved"),
        ("'zero point'", "every image"),
        ("'rows'", "the signs"),
        ("'truncated'", "smallest and the largest"),
        ("'magic'", "Choose one of"),
        ("3", "Expected a text"),
    ],
    "22.3": [
        ("['x86', 'x86', 'onednn']", "made for phones"),
        ("['qnnpack', 'onednn', 'onednn']", "saturate"),
        ("['qnnpack', 'x86', 'x86']", "all 256 levels"),
        ("['qnnpack', 'x86']", "list of 3"),
        ("'qnnpack'", "Expected a list"),
    ],
}
