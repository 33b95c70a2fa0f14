"""Guards of lesson 09: run behind its last cell, in its namespace."""

assert len(set(files.values())) == len(files) >= 5, "no two files alike"
assert set(result) >= set(conversion.RECIPES), "the command wrote all five files"
assert {"scorecard.json", "report.html"} <= {_p.name for _p in (folder / "result").iterdir()}
_reference = models["float32"].size
assert _reference / min(_l.size for _n, _l in models.items() if _n != "int4") > 3, "3x smaller"
assert pareto_front(offers) == list(best), "the figure's front"
if tool_is_here:
    _guilty = [advise.after_int8(lost[_n]).split(":")[0] for _n in cases]
    _wanted = [
        "The activations' steps, or one clipped end",
        "The activations' ranges",
        "The weights",
    ]
    assert _guilty == _wanted, "each of the three is found out"
    assert abs(own["weights"] - own["int16x8"]) < 2, "what 16x8 leaves is the weights' part"
    _int8 = outputs["int8"][:1000]
    assert metrics.sqnr_db(outputs["float32"][:1000], _int8) > 30, "bright images mend the second"
_float, _int8 = (
    metrics.accuracy(litert.LiteModel(result[_n]).predict(unseen), labels)
    for _n in ("float32", "int8")
)
assert _float.value > 0.8, "the example reads"
assert _int8.value > _float.value - 0.05, "int8 loses little"
assert metrics.accuracy(found, labels).value < _int8.value - 0.2, "exercise 09.2: it reads little"
_good_errors = layer_errors.tensor_errors(result["float32"], result["int8"], unseen[:100])
assert layer_errors.worst(errors).name == "input", "most noise comes in at the input"
assert errors[0].sqnr_db < 6 < 30 < _good_errors[0].sqnr_db, "and there it is calibration"
_steps = {_o.name for _o in litert.LiteModel(result["float32"]).operations}
assert not {"MUL", "RELU6"} & _steps, "batch normalization and ReLU are folded"
