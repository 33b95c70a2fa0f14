"""Wrong answers to the exercises of lesson 21, and a part of the hint that each has to get."""

WRONG = {
    "21.1": [
        ("lambda v, w, s: sum((a * b for a, b in zip(v[::-1], w[::-1])), s)", "order is another"),
        ("lambda v, w, s: (v.astype(float) * w).sum(axis=0) + s", "float32; got float64"),
        ("lambda v, w, s: (v * w).sum(axis=0) + s", "at the end"),
        ("lambda v, w, s: s + (v * w).sum(axis=0)", "whichever side"),
        ("lambda v, w, s: s + np.einsum('i...,i...->...', v, w)", "whichever side"),
        ("lambda v, w, s: (v * w).sum(axis=0)", "another sum"),
        ("lambda v, w, s: v * w", "shape"),
        ("lambda v, w, s: added_up(v, w, s, fused=True)", "this fuses"),
        ("'v * w'", "a function"),
    ],
    "21.2": [
        ("'scales'", "How many are touched"),
        ("'bias'", "How many are touched"),
        ("'order of the sum'", "sums of integers"),
        ("'scale'", "Choose one of"),
    ],
    "21.3": [
        ("'every bit'", "two engines"),
        ("'accuracy only'", "never show"),
        ("'none'", "Choose one of"),
    ],
}
