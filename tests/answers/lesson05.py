"""Wrong answers to the exercises of lesson 05, and a part of the hint that each has to get."""

WRONG = {
    "05.1": [
        ("(2**31 - 1) // (127 * 127)", "int8 activations"),
        ("(2**31 - 1) // (128 * 127)", "int8 activations"),
        ("(2**32 - 1) // (32767 * 127)", "signed"),
        ("32767 * 127", "largest single product"),
        ("-(-(2**31 - 1) // (32767 * 127))", "Round down"),
        ("2", "two int16 factors"),
        ("2028", "Too many"),
        ("300", "round down"),
        ("(2**31 - 1) / (32767 * 127)", "a whole number"),
    ],
    "05.2": [
        ("[1, 128]", "black: it is a level too"),
        ("[2, 257]", "symmetric"),
        ("[2, 256]", "symmetric"),
        ("[256, 256]", "before it is quantized"),
        ("[256, 129]", "scale of full light"),
        ("[129, 2]", "int8 comes first"),
        ("[3, 129]", "for int8"),
        ("[2, 33]", "for int16"),
        ("[2, 129, 129]", "two numbers"),
        ("2", "an array of numbers"),
    ],
    "05.3": [
        ("lambda a, s, f: max(a, key=a.get)", "floating-point steps"),
        ("lambda a, s, f: min(s, key=s.get)", "floating-point steps"),
        ("lambda a, s, f: 'int8'", "far below"),
        ("lambda a, s, f: 'int16x8'", "and smaller"),
        (
            "lambda a, s, f: max((n for n in a if not f[n]), key=a.get)",
            "within 0.01 of it, and smaller",
        ),
        ("lambda a, s, f: None", "return"),
        ("lambda a, s, f: 'best'", "one of the names"),
        ("'int16x8'", "a function"),
    ],
}
