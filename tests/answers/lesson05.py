"""Wrong answers to the exercises of lesson 05, and a part of the hint that each has to get."""

_SUM = "int((p.astype(np.int64) * k).sum())"

WRONG = {
    "05.1": [
        ("lambda p, k, m: None", "returns nothing"),
        (f"lambda p, k, m: {_SUM}", "two things"),
        ("lambda p, k, m: ((p * k).sum(), 0)", "wraps"),
        ("lambda p, k, m: (np.dot(p.ravel(), k.ravel()), 0)", "wraps"),
        ("lambda p, k, m: (np.einsum('ij,ij', p, k), 0)", "wraps"),
        (f"lambda p, k, m: ({_SUM}, int({_SUM} * m))", "cut off"),
        ("lambda p, k, m: (0, 0)", "all 144 products"),
        ("lambda p, k, m: (p.astype(np.int64) * k, 0)", "one number"),
        (f"lambda p, k, m: ({_SUM}, {_SUM} * m)", "round it"),
        (f"lambda p, k, m: ({_SUM}, {_SUM})", "The sum is right"),
        (
            "lambda p, k, m: (int((p.astype(np.int32) * k).sum(dtype=np.int32)), "
            f"round({_SUM} * m))",
            "overflows in it",
        ),
        ("3.5", "a function"),
    ],
    "05.2": [
        ("first.scales[0]", "one step"),
        ("127 * first.scales[0]", "for 8 bits"),
        ("65_535 * first.scales[0]", "has a sign"),
        ("1", "how loud the clips are"),
        ("0.5", "integers get"),
        ("'int16'", "a number"),
    ],
    "05.3": [
        ("['float32', 'int16x8', 'float16']", "The first device"),
        ("['int16x8', 'int16x8', 'float16']", "gained nothing"),
        ("['int8', 'float16', 'float16']", "The second device"),
        ("['int8', 'int8', 'float16']", "quiet end of the figure"),
        ("['int8', 'int16x8', 'float32']", "half of the bytes"),
        ("['int8', 'int16x8', 'int8']", "on a phone as well"),
        ("['int8', 'int16x8', 'dynamic_range']", "whole clip"),
        ("['int8', 'int16x8', 'int16x8']", "slowest of all"),
        ("['int8']", "list of 3"),
        ("['int8', 'int16x8', 'best']", "each one of"),
        ("'int8'", "a list"),
    ],
}
