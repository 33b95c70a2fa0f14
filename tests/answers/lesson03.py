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
        (
            "lambda low, high: ((max(high, 0) - min(low, 0)) / 255,"
            " int(-128 - min(low, 0) / ((max(high, 0) - min(low, 0)) / 255)))",
            "cut the fraction off",
        ),
        ("lambda low, high: high - low", "two numbers"),
        ("(6 / 255, -64)", "a function"),
    ],
    "03.2": [
        ("['conv_1', 'one class']", "Read the column"),
        ("['conv', 'divided twice']", "Read the column"),
        ("['input', 'bad']", "cause is one of"),
        ("['input', 'not divided']", "too large or too small"),
        ("['input', 'noise']", "reach from 0 to 1"),
        ("['input']", "Two texts"),
        ("'input'", "Expected a list"),
    ],
    "03.3": [
        ("['min-max', 'percentile', 'min-max']", "what do rounding and clipping cost"),
        ("['MSE', 'MSE', 'min-max']", "clip `hot`"),
        ("['MSE', 'percentile', 'MSE']", "leave out"),
        ("['MSE', 'percentile']", "list of 3"),
        ("'MSE'", "Expected a list"),
    ],
}
