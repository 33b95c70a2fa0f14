"""Wrong answers of lesson 01 and a part of the hint that each gets."""

WRONG = {
    "01.1": [
        ("lambda a, b: (a != b).sum()", "scores that differ"),
        ("lambda a, b: (a.argmax(axis=0) != b.argmax(axis=0)).sum()", "axis 1"),
        ("lambda a, b: (a.argmax() != b.argmax()).sum()", "without an axis"),
        ("lambda a, b: (a.argmax(axis=1) == b.argmax(axis=1)).sum()", "those that agree"),
        ("lambda a, b: (a.argmax(axis=1) != b.argmax(axis=1)).mean()", "share"),
        ("lambda a, b: a.argmax(axis=1) != b.argmax(axis=1)", "Count"),
        ("lambda a, b: None", "add return"),
        ("metrics.flips", "course's own function"),
        ("3", "Expected a function"),
    ],
    "01.2": [
        ("'weights'", "The same file"),
        ("'labels'", "flips would be none"),
        ("'order'", "nearly all answers would flip"),
        ("'scale'", "Choose one of"),
    ],
    "01.3": [
        ("19", "no parameters"),
        ("4", "before pooling"),
        ("74", "a byte for each"),
        ("3_000", "who reads"),
        ("12", "Count what one filter"),
        ("18.5", "Expected a whole number"),
    ],
}
