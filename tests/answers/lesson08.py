"""Wrong answers to the exercises of lesson 08, and a part of the hint that each has to get."""

WRONG = {
    "08.1": [
        ("lambda bits, group, scale_bits: bits", "take room too"),
        ("lambda bits, group, scale_bits: bits + scale_bits", "shares one scale"),
        ("lambda bits, group, scale_bits: bits * group + scale_bits", "Divide by its weights"),
        ("lambda bits, group, scale_bits: (bits + scale_bits / group) / 8", "these are bytes"),
        ("lambda bits, group, scale_bits: bits + group / scale_bits", "second argument"),
        ("lambda bits, group, scale_bits: bits + 1", "Count the bits"),
        ("lambda bits, group, scale_bits: None", "returns nothing yet"),
        ("4.5", "a function"),
    ],
    "08.2": [
        (
            "lambda packed: np.stack([packed >> 4, packed & 15], 1).ravel().astype(np.int8)",
            "do not hold",
        ),
        ("lambda packed: packing.unpack(packed, 4, 8).reshape(-1, 2)[:, ::-1].ravel()", "low half"),
        ("lambda packed: packing.unpack(packed, 4, 8, signed=False)", "Nothing is negative"),
        (
            "lambda packed: packing.unpack(packed, 4, 8, signed=False).astype(int) - 8",
            "llama.cpp",
        ),
        (
            "lambda packed: packing.unpack(packed, 4, 8).reshape(-1, 2).T.ravel()",
            "side by side",
        ),
        (
            "lambda packed: packing.unpack(packed, 4, 8).view(np.uint8)",
            "cannot hold negative",
        ),
        ("lambda packed: packed", "bytes hold 8 integers"),
        ("lambda packed: None", "returns nothing yet"),
        ("np.zeros(8)", "a function"),
    ],
    "08.3": [
        ("np.abs(row).max()", "largest magnitude"),
        ("np.sqrt(np.mean(row**2))", "mean square"),
        ("np.median(np.abs(row))", "the median"),
        ("row.mean()", "signs cancel"),
        ("3 * np.abs(row).mean()", "times the smallest"),
        ("row", "a number"),
    ],
}
