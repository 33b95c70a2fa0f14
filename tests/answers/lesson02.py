"""Wrong answers of lesson 02 and a part of the hint that each gets."""

WRONG = {
    "02.1": [
        ("1024 // (5 * 5 * 8)", "round up"),
        ("41", "all 8 channels"),
        ("1024", "number of weights"),
        ("114", "over one channel"),
        ("12", "Divide 1,024"),
        ("1024 / 200", "Expected a whole number"),
    ],
    "02.2": [
        ("np.abs(weights).max() / 7", "Expected an array"),
        ("np.abs(weights).max(axis=0) / 7", "axis 1"),
        ("np.full(10, np.abs(weights).max() / 7)", "same scale ten times"),
        ("np.abs(weights).max(axis=1) / 8", "-8 is left out"),
        ("np.abs(weights).max(axis=1) / 15", "one side of zero"),
        ("np.abs(weights).max(axis=1) / 16", "number of integers"),
        ("np.abs(weights).max(axis=1) / 127", "largest integer of 8 bits"),
        ("np.abs(weights).max(axis=1)", "does each of them become"),
        ("weights.max(axis=1) / 7", "magnitudes first"),
        ("np.ptp(weights, axis=1) / 15", "asymmetric"),
        ("np.abs(weights).mean(axis=1)", "largest magnitude of its row"),
    ],
    "02.3": [
        ("lambda row: np.rint(row / (np.abs(row).max() / 127)).astype(np.int8)", "two things"),
        ("lambda row: (row.astype(np.int8), row.max() / 127)", "np.abs first"),
        ("lambda row: (row.astype(np.int8), float(np.ptp(row)) / 255)", "over 255 steps"),
        ("lambda row: (row.astype(np.int8), np.abs(row).max() / 128)", "does not have"),
        ("lambda row: (row.astype(np.int8), 1.0)", "is not 1"),
        ("lambda row: (np.zeros(3, np.int8), np.abs(row).max() / 127)", "of shape (3,)"),
        (
            "lambda row: (np.rint(row / (np.abs(row).max() / 127)), np.abs(row).max() / 127)",
            "1 byte each",
        ),
        (
            "lambda row: ((row / (np.abs(row).max() / 127)).astype(np.int8),"
            " np.abs(row).max() / 127)",
            "cuts the decimals off",
        ),
        (
            "lambda row: (np.floor(row / (np.abs(row).max() / 127)).astype(np.int8),"
            " np.abs(row).max() / 127)",
            "half a step",
        ),
        (
            "lambda row: (np.rint(row / max(np.abs(row).max() / 127, 1e-300)).astype(np.int8),"
            " np.abs(row).max() / 127)",
            "row of zeros",
        ),
        ("3", "Expected a function"),
    ],
}
