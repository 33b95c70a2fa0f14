"""Wrong answers of lesson 01 and a part of the hint that each gets."""

WRONG = {
    "01.1": [
        ("1.0", "hidden one"),
        ("1.25 * 2.0**129", "bias"),
        ("6.0", "worth a half"),
        ("10", "off by one"),
        ("4", "Value = 2"),
        ("'five'", "Expected a number"),
    ],
    "01.2": [
        ("40_810", "number of parameters"),
        ("4 * (24 * 9 + 13 * 13 * 24 * 10)", "bias as well"),
        ("4 * (240 + 20_290)", "grows too"),
        ("81_640 * 2", "do not double"),
        ("81_640", "Count both layers"),
    ],
    "01.3": [
        ("lambda number: 2.0**-23", "gap at 1"),
        ("lambda number: float(np.spacing(number))", "float64"),
        ("lambda number: number * 2.0**-23", "between two powers"),
        ("lambda number: 1.0", "exponent field"),
        ("lambda number: number / 0", "ZeroDivisionError"),
        ("2.0**-23", "Expected a function"),
    ],
}
