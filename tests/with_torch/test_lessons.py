"""The figures of lessons 06 and 07, and the network that exercise 06.2 is about."""

from __future__ import annotations

from dataclasses import make_dataclass

import matplotlib.pyplot as plt
import numpy as np
import pytest

from qhelpers.evaluation import metrics
from qhelpers.lessons.lesson06 import figures as figures06
from qhelpers.lessons.lesson07 import exercises as exercises07
from qhelpers.lessons.lesson07 import figures as figures07
from qhelpers.lessons.lesson22 import exercises as exercises22
from qhelpers.notebook import style
from qhelpers.pytorch import engines, networks

SHARE = metrics.Accuracy(0.9, 0.85, 0.95, 90, 100)


@pytest.fixture(autouse=True)
def _styled():
    style.use()
    yield
    plt.close("all")


def title() -> str:
    return plt.gcf().get_suptitle().replace("\n", " ")


@pytest.fixture
def fused():
    from torch.ao import quantization

    net = quantization.fuse_modules(networks.mlp(stubs=True).eval(), [["fc1", "relu"]])
    net.qconfig = quantization.get_default_qconfig(engines.choose())
    return net


def test_the_broken_network_saw_pixels_that_nobody_normalized(fused, few):
    broken = figures06.broken(fused, few)
    reach = float(broken.quant.scale) * (fused.qconfig.activation().quant_max)
    assert int(broken.quant.zero_point) == 0
    assert reach == pytest.approx(1, rel=0.02)
    assert not hasattr(fused, "activation_post_process")


def test_observers_show_the_range_that_they_chose():
    import torch
    from torch.ao import quantization

    observer = quantization.HistogramObserver()
    observer(torch.linspace(-1, 3, 1000))
    figures06.observers(["input", "other"], [observer, observer])
    first, second = plt.gcf().axes
    assert [axes.get_title("left") for axes in (first, second)] == ["input", "other"]
    ends = [line.get_xdata()[0] for line in first.lines]
    assert ends == pytest.approx([-1, 3], abs=0.1)


def test_a_digit_is_titled_with_the_fewest_gray_levels():
    pictures = {"a": np.zeros((28, 28)), "b": np.arange(784.0).reshape(28, 28)}
    figures06.seen(pictures)
    assert title().endswith("in 1 gray levels")


def test_times_are_ratios_to_the_first():
    times = {
        "float32": metrics.Latency(1, 1.0, 1.0, 1.0),
        "int8": metrics.Latency(2, 2.0, 1.9, 2.2),
    }
    figures06.times(times, 64)
    assert title() == "One batch of 64: time as a ratio to float32"
    assert [bar.get_width() for bar in plt.gca().patches] == [1, 2]


def test_the_figures_of_lesson_07_draw_a_panel_for_each_network():
    ways = {"largest": {8: SHARE, 2: SHARE}, "smallest error": {8: SHARE, 2: SHARE}}
    figures07.ranges({"one": ways, "two": ways}, {"one": SHARE, "two": SHARE})
    assert [a.get_title("left") for a in plt.gcf().axes] == ["one", "two"]
    rows, share = {"a": SHARE, "float32": SHARE}, {"one": SHARE}
    figures07.training({"one": rows}, share, share)
    assert [a.get_title("left") for a in plt.gcf().axes] == ["one"]
    figures07.staircase(*np.zeros((4, 9)))
    jumps = np.zeros((19, 3), bool)
    jumps[3:6, 1] = True
    figures07.latent(np.zeros((20, 3)), np.zeros((20, 3)), jumps)
    assert plt.gcf().axes[0].get_title("left").endswith("3x")


def test_the_straight_through_gradient_stops_where_values_are_clipped():
    x = np.array([-3.0, -1.0, 0.2, 1.1, 5.0], np.float32)
    gradient = np.full(5, 2, np.float32)
    passed = exercises07.straight_through(gradient, x, np.float32(0.5), -2, 2)
    np.testing.assert_array_equal(passed, [0, 2, 2, 2, 0])
    assert passed.dtype == np.float32


def test_dividing_in_place_of_a_reciprocal_gets_its_own_hint():
    random, f32 = np.random.default_rng(2), np.float32
    scales = random.uniform(0.001, 0.01), random.normal(0, 3, 64).astype(f32)
    numbers = {
        "weight_scale": np.array(scales[0]),
        "bias": scales[1],
        "input_scale": float(random.uniform(0.005, 0.02)),
        "scale": float(random.uniform(0.0001, 0.0005)),
        "zero_point": 37,
    }
    layer = make_dataclass("Layer", numbers)(**numbers)  # the notebook has its own
    totals = random.integers(-60_000, 60_000, (1000, 64))

    def divided(total, layer):
        step = f32(layer.input_scale) * f32(layer.weight_scale)
        total = f32(total + np.rint(layer.bias / step))
        return np.rint(total * (step / f32(layer.scale))) + layer.zero_point

    found = exercises22.third_order(divided, layer=layer, totals=totals)
    assert not found.correct
    assert "dividing by it can change the last bit" in found.text
    assert exercises22.third_order(exercises22.qnnpack, layer=layer, totals=totals).correct
