"""Guards of lesson 09: run behind its last cell, in its namespace."""

import json

assert len(set(files.values())) == len(files) >= 5, "no two files alike"
assert {_p.stem for _p in (folder / "result").glob("*.tflite")} >= set(conversion.RECIPES), (
    "five files"
)
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
    from qhelpers.arithmetic import affine, ranges

    _network = cases["ten weights"][0]
    _first, _bias, _matrix, _last = _network.get_weights()
    _wanted, _kept = _network.predict(tests, verbose=0), {}
    for _rule in (ranges.by_minmax, ranges.by_mse, ranges.by_percentile):
        _rounded = affine.fake_quantize(_matrix, _rule(_matrix, 8, axis=1, symmetric=True))
        _network.set_weights([_first, _bias, _rounded, _last])
        _kept[_rule] = metrics.sqnr_db(_wanted, _network.predict(tests, verbose=0))
    _network.set_weights([_first, _bias, _matrix, _last])
    assert abs(_kept[ranges.by_mse] - _kept[ranges.by_minmax]) < 3, "MSE is no better range"
    assert _kept[ranges.by_percentile] > _kept[ranges.by_minmax] + 10, "a percentile lets go"
    _int8 = outputs["int8"][:1000]
    assert metrics.sqnr_db(outputs["float32"][:1000], _int8) > 30, "bright images mend the second"
_same = [_net.predict(unseen[:200], verbose=0) for _net in (mine, uneven)]
assert np.array_equal(*_same), "float32 does not notice the uneven channels"
_gray = example.scaled(digits.train_images[:100])
_rows = json.loads((folder / "result" / "scorecard.json").read_text())["rows"]
_db = {_r["model"]: _r["score"]["sqnr_db"] for _r in _rows}
if len(digits.test_labels) >= 10_000 and tool_is_here:  # few images need no cure
    assert _db["int8_cured"] > _db["int8"] + 10, "equalizing mends it"
_whole, _int8_file = (conversion.convert(mine, _r, _gray, (-1, 1)) for _r in ("float32", "int8"))
_float, _int8 = (
    metrics.accuracy(litert.LiteModel(_file).predict(unseen), labels)
    for _file in (_whole, _int8_file)
)
assert _float.value > 0.8, "the example reads"
assert _int8.value > _float.value - 0.05, "int8 loses little"
assert metrics.accuracy(found, labels).value < _int8.value - 0.2, "exercise 09.2: it reads little"
_good_errors = layer_errors.tensor_errors(_whole, _int8_file, unseen[:100])
assert errors[0].added > 0.5, "what comes in is half noise: nothing behind it is to blame"
assert errors[0].sqnr_db < 6 < 30 < _good_errors[0].sqnr_db, "and there it is calibration"
_steps = {_o.name for _o in litert.LiteModel(_whole).operations}
assert not {"MUL", "RELU"} & _steps, "batch normalization and ReLU are folded"
