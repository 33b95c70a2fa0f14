"""Wrong answers to the exercises of lesson 20, and a part of the hint that each has to get."""

WRONG = {
    "20.1": [
        ("lambda w, r: w >> r", "rounds down"),
        ("lambda w, r: (w + ((1 << r) >> 1)) >> r", "negative numbers go up"),
        ("lambda w, r: np.rint(w / 2.0**r).astype(int)", "even neighbor"),
        ("lambda w, r: np.trunc(w / 2.0**r)", "Give integers"),
        ("lambda w, r: np.trunc(w / 2.0**r).astype(int)", "no half was added"),
        ("lambda w, r: ((w + (1 << r >> 1) - (w < 0)) >> r)", "nothing is shifted"),
        ("'w >> r'", "a function"),
    ],
    "20.2": [
        ("'rounds down'", "small and large"),
        ("'swaps two digits'", "signs"),
        ("'ignores the bias'", "every image"),
        ("'broken'", "Choose one of"),
        ("3", "a text"),
    ],
    "20.3": [
        ("['gemmlowp', 'float64']", "reference engine"),
        ("['ruy', 'ruy']", "another engine"),
        ("['gemmlowp', 'float32']", "another engine"),
        ("['micro', 'micro']", "list of 2"),
        ("'gemmlowp'", "a list"),
    ],
}
