"""Wrong answers of lesson 03 and a part of the hint that each gets."""

WRONG = {
    "03.1": [
        ("lambda low, high: ((high - low) / 256, 0)", "255 steps"),
        ("lambda low, high: (max(-low, high) / 127, 0)", "symmetric"),
        ("lambda low, high: ((high - low) / 255, -128 - low / ((high - low) / 255))", "Round it"),
        ("lambda low, high: ((high - low) / 255, round(-low / ((high - low) / 255)))", "uint8"),
        (
            "lambda low, high: ((high - low) / 255, round(-128 + low / ((high - low) / 255)))",
            "mind the sign",
        ),
        ("lambda low, high: ((high - low) / 255, 0)", "where does 0 land"),
        (
            "lambda low, high: ((high - low) / 255, round(-128 - low / ((high - low) / 255)))",
            "Widen the range",
        ),
        ("lambda low, high: high - low", "two numbers"),
        ("(6 / 255, -64)", "a function"),
    ],
    "03.2": [
        ("(photo * 127 + 128).clip(0, 255).astype(np.uint8)", "Round first"),
        ("(np.rint(photo * 127) + 128).astype(np.int64).astype(np.uint8)", "wrapped around"),
        ("np.rint(photo * 127) + 128", "do not fit"),
        ("np.clip(np.rint(photo * 127), 0, 255).astype(np.uint8)", "zero point is missing"),
        ("np.clip(np.rint(photo * 127) - 128, 0, 255).astype(np.uint8)", "with a plus"),
        ("np.clip(np.rint(photo * 127) + 128, 0, 255)", "takes uint8"),
        ("data.test_images[0]", "bytes differ"),
        ("photo[0]", "One byte for each pixel"),
        ("128", "Expected an array"),
    ],
    "03.3": [
        ("[256, 256, 256]", "does this scale let"),
        ("[len(np.unique(np.rint(np.arange(256) / 255 / s))) for s in scales]", "clip, then count"),
        (
            "[len(np.unique(np.rint(np.arange(256) / 255 / s).astype(np.int64) % 256))"
            " for s in scales]",
            "clip",
        ),
        ("[1, 256, 2]", "Not yet for A"),
        ("[2, 256]", "One count for each"),
        ("2", "Expected a list"),
    ],
    "03.4": [
        ("lambda t, m, s, z: ...", "returns nothing yet"),
        ("lambda t, m, s, z: t * m / 2 ** (31 - s) + z", "No float"),
        (
            "lambda t, m, s, z: z"
            " + rounding.multiply_by_quantized(np.array([t]), m, s).tolist()[0]",
            "clip to -128",
        ),
        (
            "lambda t, m, s, z: max(-128, min(127,"
            " rounding.multiply_by_quantized(np.array([t]), m, s).tolist()[0]))",
            "Where is the zero point",
        ),
        (
            "lambda t, m, s, z: max(-128, min(127, ((t * m + (1 << (30 - s))) >> (31 - s)) + z))",
            "rounds once",
        ),
        (
            "lambda t, m, s, z: max(-128, min(127, (((t * m) >> 31) >> -s) + z))",
            "rounds down",
        ),
        (
            "lambda t, m, s, z: max(-128, min(127,"
            " ((((t * m + (1 << 30)) >> 31) + ((1 << -s) >> 1)) >> -s) + z))",
            "away from zero",
        ),
        (
            "lambda t, m, s, z: max(z, min(127,"
            " rounding.multiply_by_quantized(np.array([t]), m, s).tolist()[0] + z))",
            "with a ReLU",
        ),
        ("lambda t, m, s, z: 0", "it is"),
        ("5", "a function"),
    ],
}
