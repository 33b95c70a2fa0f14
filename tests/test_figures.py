from __future__ import annotations

import base64
import itertools

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import is_color_like, to_rgb
from matplotlib.font_manager import FontProperties

from qhelpers.notebook import style

MODELS = [
    "float32",
    "dynamic_range",
    "int8",
    "float16",
    "int16x8",
    "pytorch_float",
    "pytorch_static",
    "pytorch_dynamic",
]

# Machado, Oliveira and Fernandes (2009), severity 1.0: linear RGB as each kind of eye sees it.
VISION = {
    "usual": np.eye(3),
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "tritanopia": np.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ]
    ),
}


@pytest.fixture(autouse=True)
def _headless():
    with mpl.rc_context():
        plt.switch_backend("agg")
        style.use()
        yield
    plt.close("all")


def linear(color: str) -> np.ndarray:
    rgb = np.array(to_rgb(color))
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def lab(rgb: np.ndarray) -> np.ndarray:
    """CIE L*a*b* (D65) of a linear RGB colour."""
    matrix = np.array(
        [
            [0.4124564, 0.3575761, 0.1804375],
            [0.2126729, 0.7151522, 0.0721750],
            [0.0193339, 0.1191920, 0.9503041],
        ]
    )
    t = (matrix @ np.clip(rgb, 0, 1)) / np.array([0.95047, 1.0, 1.08883])
    f = np.where(t > (6 / 29) ** 3, np.cbrt(t), t / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


# colours


def test_every_colour_is_one_and_every_model_has_one_of_its_own():
    assert all(is_color_like(color) for color in style.COLORS.values())
    assert len({style.COLORS[model] for model in MODELS}) == len(MODELS)


@pytest.mark.parametrize("vision", VISION)
def test_models_are_told_apart_by_every_eye(vision):
    seen = {name: lab(VISION[vision] @ linear(style.COLORS[name])) for name in MODELS}
    for one, other in itertools.combinations(MODELS, 2):
        # 2.3 can just be seen; the nearest two of Okabe and Ito's own colours are 16 apart.
        assert np.linalg.norm(seen[one] - seen[other]) > 15, (one, other)


@pytest.mark.parametrize("name", [*MODELS, "error", "text", "muted"])
def test_lines_and_text_stand_out_from_white(name):
    contrast = 1.05 / (linear(style.COLORS[name]) @ (0.2126, 0.7152, 0.0722) + 0.05)
    # WCAG asks 4.5 of text. The palest of Okabe and Ito's colours reach 2.2 on white.
    assert contrast > (4.5 if name in {"error", "text", "muted"} else 2.0)


# the style


def test_style_is_readable_and_white():
    rc = plt.rcParams
    for key in ("axes.titlesize", "axes.labelsize", "xtick.labelsize", "legend.fontsize"):
        assert FontProperties(size=rc[key]).get_size() >= 9
    assert {rc["figure.facecolor"], rc["axes.facecolor"]} == {"white"}
    assert rc["savefig.facecolor"] == "auto", "as on the screen"
    assert not rc["axes.spines.top"]
    assert not rc["axes.spines.right"]
    assert rc["figure.figsize"][0] * rc["figure.dpi"] < 1000


def test_new_has_a_bold_title_at_the_left_that_fits():
    figure, axes = style.new(1, 2, "Rounding costs little " * 8, sharey=True)
    title = figure._suptitle
    assert axes.shape == (2,)
    assert title.get_ha() == "left"
    assert title.get_fontweight() == "bold"
    assert "\n" in title.get_text()
    figure.canvas.draw()
    assert title.get_window_extent().x1 <= figure.bbox.width
    assert title.get_window_extent().y0 >= axes[0].get_window_extent().y1
    assert figure.get_layout_engine().__class__.__name__ == "ConstrainedLayoutEngine"


def test_new_takes_sizes_and_gives_one_axes():
    figure, axes = style.new(height=2.5)
    assert figure.get_size_inches().tolist() == [9.0, 2.5]
    assert figure._suptitle is None
    assert axes.get_subplotspec() is not None
    assert style.new(width=4, height=3)[0].get_size_inches().tolist() == [4, 3]


def test_finish_is_silent_without_a_display_and_shows_with_one(monkeypatch, recwarn):
    figure, _ = style.new()
    style.finish()
    assert not recwarn.list
    assert plt.gcf() is figure
    shown = []
    monkeypatch.setattr(plt, "get_backend", lambda: "qtagg")
    monkeypatch.setattr(plt, "show", lambda: shown.append(True))
    style.finish()
    assert shown == [True]


def test_in_a_notebook_a_figure_comes_once_and_with_its_description(monkeypatch):
    shown = []
    monkeypatch.setattr(plt, "get_backend", lambda: "module://matplotlib_inline.backend_inline")
    monkeypatch.setattr(
        "IPython.display.display", lambda data, **kw: shown.append((data, kw["metadata"]))
    )
    style.new(title="Half the bits")
    style.finish()
    ((data, metadata),) = shown
    assert base64.b64decode(data["image/png"]).startswith(b"\x89PNG")
    assert data["text/plain"] == metadata["image/png"]["alt"] == "Half the bits"
    assert not plt.get_fignums()  # else the kernel shows it once more


def test_the_description_names_what_a_figure_shows():
    figure, (left, right) = style.new(1, 2, "Which one is smaller?")
    left.barh(["float32", "int8"], [85.2, 25.1])
    left.set(xlabel="kilobytes", title="files")
    right.plot([1, 10], [0.5, 0.25], label="int8")
    right.set(xscale="log", xlabel="images", ylabel="error")
    right.annotate("the cliff", (1, 0.5))
    right.legend()
    assert style.described(figure) == (
        "Which one is smaller? | files; across: kilobytes; float32, int8 | "
        "across: images; up: error; int8; the cliff"
    )


# drawings


def test_image_is_gray_from_0_to_1_and_has_no_ticks():
    _, axes = style.new()
    style.image(axes, np.full((28, 28), 0.25, np.float32), "a four")
    (drawn,) = axes.images
    assert drawn.get_clim() == (0, 1)
    assert axes.get_title(loc="center") == "a four"
    assert len(axes.get_xticks()) == len(axes.get_yticks()) == 0


def test_annotated_writes_every_number_where_it_can_be_read():
    matrix = np.array([[0.0, 0.5], [0.75, 1.0]])
    _, axes = style.new()
    drawn = style.annotated(axes, matrix, ".2f")
    assert [text.get_text() for text in axes.texts] == ["0.00", "0.50", "0.75", "1.00"]
    assert [text.get_position() for text in axes.texts] == [(0, 0), (1, 0), (0, 1), (1, 1)]
    for text, value in zip(axes.texts, matrix.ravel(), strict=True):
        ink, paper = (
            linear(color) @ (0.2126, 0.7152, 0.0722) + 0.05
            for color in (text.get_color(), drawn.cmap(drawn.norm(value))[:3])
        )
        assert max(ink, paper) / min(ink, paper) > 4.5


def test_annotated_centres_both_signs_on_zero_and_takes_integers():
    _, axes = style.new()
    drawn = style.annotated(axes, np.array([[-3, 1]], np.int8), "d")
    assert drawn.get_clim() == (-3, 3)
    assert [text.get_text() for text in axes.texts] == ["-3", "1"]


def test_bits_draws_a_box_for_each_bit_and_a_label_for_each_group():
    _, axes = style.new(height=1.5)
    groups = [("sign", "0"), ("exponent", "01111111"), ("fraction", "0" * 23)]
    style.bits(axes, groups, name="1.0")
    assert len(axes.patches) == 32
    texts = [text.get_text() for text in axes.texts]
    assert "".join(text for text in texts if text in {"0", "1"}) == "0" + "01111111" + "0" * 23
    assert [text for text in texts if len(text) > 1] == ["sign", "exponent", "fraction", "1.0"]
    colors = [patch.get_facecolor()[:3] for patch in axes.patches]
    assert colors == [
        to_rgb(style.COLORS[name])
        for name, count in (("sign", 1), ("exponent", 8), ("fraction", 23))
        for _ in range(count)
    ]


def test_bits_keeps_a_longer_first_row_in_view():
    _, axes = style.new()
    style.bits(axes, [("a", "1" * 32)])
    style.bits(axes, [("b", "0" * 16, "#123456")], row=1)
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    for patch in axes.patches:
        assert left <= patch.get_x() < patch.get_x() + 1 <= right
        assert bottom <= patch.get_y() < patch.get_y() + 1 <= top
    assert axes.patches[-1].get_facecolor()[:3] == to_rgb("#123456")
