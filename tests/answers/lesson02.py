"""Wrong answers of lesson 02 and a part of the hint that each gets."""

_SCALE = "np.abs(w).max(axis=1) / 127"

WRONG = {
    "02.1": [
        ("lambda w: np.rint(w).astype(np.int8)", "two things"),
        ("lambda w: (w.astype(np.int8), np.abs(w).max() / 127)", "whole tensor"),
        ("lambda w: (w.astype(np.int8), np.abs(w).max(axis=0) / 127)", "each input"),
        ("lambda w: (w.astype(np.int8), np.ones(3))", "Expected 4 scales"),
        ("lambda w: (w.astype(np.int8), w.max(axis=1) / 127)", "take magnitudes"),
        ("lambda w: (w.astype(np.int8), np.ptp(w, axis=1) / 255)", "asymmetric"),
        ("lambda w: (w.astype(np.int8), np.abs(w).max(axis=1) / 128)", "does not have"),
        ("lambda w: (w.astype(np.int8), np.abs(w).max(axis=1))", "does each of them become"),
        ("lambda w: (w.astype(np.int8), np.ones(4))", "largest magnitude is 4"),
        (
            "lambda w: (w.astype(np.int8), 127 / np.abs(w).max(axis=1))",
            "distance between two levels",
        ),
        (f"lambda w: (w[0].astype(np.int8), {_SCALE})", "of shape (50,)"),
        (f"lambda w: ((w / ({_SCALE})[:, None]).astype(np.int8), {_SCALE})", "cuts the decimals"),
        (
            f"lambda w: (np.floor(w / ({_SCALE})[:, None]).astype(np.int8), {_SCALE})",
            "half a step",
        ),
        (f"lambda w: (np.rint(w / ({_SCALE})[:, None]), {_SCALE})", "1 byte each"),
        (
            f"lambda w: (np.rint(w / ({_SCALE})[:, None]).astype(np.int8), ({_SCALE})[:, None])",
            "as shape [4]",
        ),
        ("lambda w: (np.rint(w / np.abs(w).max(axis=1)), 1)", "do not meet"),
        ("3", "Expected a function"),
    ],
    "02.2": [
        ("2", "what they should do"),
        ("3", "nearest level"),
        ("4", "no row sees another"),
        ("5", "what it was given"),
        ("6", "numbers 1 to 5"),
        ("'line 1'", "Expected a whole number"),
    ],
    "02.3": [
        ("['static', 'static', 'neither']", "come from examples"),
        ("['neither', 'static', 'neither']", "8 bits cannot hold"),
        ("['dynamic', 'dynamic', 'neither']", "measures rows in float"),
        ("['dynamic', 'static', 'dynamic']", "how many scales"),
        ("['dynamic', 'static', 'float16']", "list of 3"),
        ("'dynamic'", "Expected a list"),
    ],
}
