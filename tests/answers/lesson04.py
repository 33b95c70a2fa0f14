"""Wrong answers of lesson 04 and a part of the hint that each gets."""

_KEPT = "f // 2**13 + (f % 2**13"

WRONG = {
    "04.1": [
        ("lambda f: None", "returns nothing"),
        ("lambda f: f // 2**13", "cut off without rounding"),
        ("lambda f: -(-f // 2**13)", "below half: that rounds down"),
        (f"lambda f: {_KEPT} > 2**12)", "here upward"),
        (f"lambda f: {_KEPT} >= 2**12)", "here downward"),
        ("lambda f: min(1023, round(f / 2**13))", "the carry counts"),
        ("lambda f: f / 2**13", "a whole number"),
        ("5", "Expected a function"),
    ],
    "04.2": [
        ("65504", "the end of float16"),
        ("1e12 * 65504 / np.abs(numbers['float32']).min()", "largest weight"),
        ("1e12", "float16's end"),
        ("float('inf')", "float16's end"),
        ("1.0", "A larger factor"),
        ("'large'", "Expected a number"),
    ],
    "04.3": [
        ("['float16', 'float16', 'int32']", "thin out"),
        ("['float32', 'float16', 'int32']", "First case"),
        ("['bfloat16', 'bfloat16', 'int32']", "more fraction bits"),
        ("['bfloat16', 'float32', 'int32']", "Second case"),
        ("['bfloat16', 'float16', 'float16']", "from 2,048 on"),
        ("['bfloat16', 'float16', 'float32']", "from 2^24 on"),
        ("['bfloat16']", "list of 3"),
        ("['a', 'b', 'c']", "each one of"),
        ("'float16'", "Expected a list"),
    ],
}
