"""Wrong answers to the exercises of lesson 08, and a part of the hint that each has to get."""

WRONG = {
    "08.1": [
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
            "lambda packed: (lambda n: np.where(n < 8, n, 8 - n))"
            "(packing.unpack(packed, 4, 8, signed=False).astype(int))",
            "counts -8",
        ),
        (
            "lambda packed: packing.unpack(packed, 4, 8).reshape(-1, 2).T.ravel()",
            "side by side",
        ),
        (
            "lambda packed: packing.unpack(packed, 4, 8).view(np.uint8)",
            "cannot hold negative",
        ),
        (
            "lambda packed: np.stack([packed.astype(np.int8) & 15, packed.astype(np.int8) >> 4], 1)"
            ".ravel()",
            "& 15 leaves none",
        ),
        (
            "lambda packed: packing.unpack(packed, 4, 8, signed=False).astype(int) - 16",
            "only from 8 up",
        ),
        ("lambda packed: packed", "bytes hold 8 integers"),
        ("lambda packed: None", "returns nothing yet"),
        ("np.zeros(8)", "a function"),
    ],
    "08.2": [
        ('"scales"', "after reading"),
        ('"sign"', "has it moved"),
        ('"rows"', "whole rows"),
        ('"range"', "Choose one of"),
        ("4", "a text"),
    ],
    "08.3": [
        ("[8, 4]", "there are 5,200"),
        ("[8, 1]", "room for more"),
        ("[2, 2]", "which layer can use them"),
        ("[3, 2]", "each 1, 2, 4 or 8"),
        ("8", "a list"),
    ],
}
