"""Wrong answers of lesson 04 and a part of the hint that each gets."""

_FACTOR = "2.0 ** -np.round(np.log2(np.abs(k).max(axis=(0, 1, 2))))"

WRONG = {
    "04.1": [
        ("0.3125", "sign wrong"),
        ("-0.0625", "hidden one"),
        ("-1.25 * 2**13", "Take the bias off"),
        ("-1.25 * 2.0**-3", "half of the 32 patterns"),
        ("-1.25 * 2.0 ** (13 - 127)", "bias of float32"),
        ("-0.375", "worth a half"),
        ("7", "Value ="),
        ("'1 01101'", "Expected a number"),
    ],
    "04.2": [
        ("2049", "That is float16"),
        ("129", "hidden one counts"),
        ("256", "power of two"),
        ("513", "One bit too many"),
        ("100", "as it is"),
        ("70_000", "gap becomes 2"),
        ("257.5", "Expected a whole number"),
    ],
    "04.3": [
        ("lambda k, b, d: None", "returns nothing"),
        ("lambda k, b, d: k", "three arrays"),
        ("lambda k, b, d: (k, b, d.T)", "keep its shape"),
        ("lambda k, b, d: (np.float16(k), b, d)", "too early"),
        ("lambda k, b, d: (k, b, d)", "above 65,504"),
        ("lambda k, b, d: (k / 2**20, b / 2**20, d * 2**20)", "One factor for all"),
        ("lambda k, b, d: tuple(np.clip(a, -65504, 65504) for a in (k, b, d))", "clip nothing"),
        (f"lambda k, b, d: (k * {_FACTOR}, b, d / np.tile({_FACTOR}, 169)[:, None])", "bias"),
        (
            f"lambda k, b, d: (k * {_FACTOR}, b * {_FACTOR}, d * np.tile({_FACTOR}, 169)[:, None])",
            "divide there",
        ),
        (
            f"lambda k, b, d: (k * {_FACTOR}, b * {_FACTOR}, "
            f"d / np.repeat({_FACTOR}, 169)[:, None])",
            "tile, do not repeat",
        ),
        (f"lambda k, b, d: (k * {_FACTOR}, b * {_FACTOR}, d)", "as it was"),
        ("1.0", "Expected a function"),
    ],
}
