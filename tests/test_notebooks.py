"""What every notebook has to keep: its rooms, its outputs, its links, its honesty."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from course_files import (
    NAMES,
    ROOT,
    code_cells,
    draws,
    markdown_cells,
    printed,
    read,
    tags,
)

from qhelpers.cli import fork

ROOMS = [
    "## You will",
    "## Set up",
    "## What goes wrong",
    "## Scorecard",
    "## Your turn",
    "## In one minute",
    "## Sources",
]
# A number with the unit of a measurement: such a figure is computed by a cell, never typed.
MEASURED = re.compile(
    r"(?<![\w.-])\d[\d,]*(?:\.\d+)?\s?(?:%|percent\b|x\b(?!\d)|×(?!\s?\d)|times\b|ms\b|s\b"
    r"|seconds?\b|[KMG]i?B\b|dB\b|points?\b)"
    r"|\b\d{1,3},\d{3} bytes|\b\d{4,} bytes"
)
DEFINITIONS = "figures-are-definitions"
LINK = re.compile(r"\]\(([^)\s]+)\)")

each = pytest.mark.parametrize("name", NAMES)


def test_the_ten_lessons_are_there() -> None:
    assert NAMES == [
        "00_start_here",
        "01_float32",
        "02_dynamic_range",
        "03_full_integer",
        "04_float16",
        "05_int16x8",
        "06_pytorch_static",
        "07_quantization_aware_training",
        "08_below_eight_bits",
        "09_choosing",
    ]


@each
def test_rooms_are_there_and_in_order(name: str) -> None:
    lines = [line for cell in markdown_cells(read(name)) for line in cell.source.splitlines()]
    places = [[i for i, line in enumerate(lines) if line.strip() == room] for room in ROOMS]
    assert [len(place) for place in places] == [1] * len(ROOMS)
    order = [place[0] for place in places]
    assert order == sorted(order)
    assert lines[0].startswith(f"# {name[:2]} · ")
    assert any(line.startswith(("Next:", "Back to")) for line in lines[order[-1] :])
    topics = [line for line in lines[order[1] : order[2]] if line.startswith("## ")]
    assert len(topics) >= 3, "set-up and at least two sections of teaching"


@each
def test_first_cell_says_what_to_expect(name: str) -> None:
    first = read(name).cells[0].source
    assert re.search(r"\*\*\d+ minutes\*\*", first)
    assert "know first" in first


@each
def test_badges_follow_from_the_one_address(name: str) -> None:
    repository = fork.current(ROOT)
    path = f"notebooks/{name}.ipynb"
    first = read(name).cells[0].source
    assert f"colab.research.google.com/github/{repository}/blob/main/{path})" in first
    assert f"mybinder.org/v2/gh/{repository}/main?urlpath=lab/tree/{path})" in first
    everything = "\n".join(cell.source for cell in read(name).cells)
    owners = re.findall(r"github\.com/([\w.-]+/[\w.-]+?)(?:[/\"'#?)]|\.git|$)", everything)
    foreign = {o for o in owners if "byte-for-byte" in o and o != repository}
    assert not foreign


def links() -> list[tuple[str, str]]:
    found = [
        (f"notebooks/{n}.ipynb", t)
        for n in NAMES
        for c in markdown_cells(read(n))
        for t in LINK.findall(c.source)
    ]
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    return found + [("README.md", target) for target in LINK.findall(readme)]


def test_relative_links_exist() -> None:
    broken = [
        (page, target)
        for page, target in links()
        if not target.startswith(("https://", "http://", "#", "attachment:"))
        and not ((ROOT / page).parent / target.split("#")[0]).exists()
    ]
    assert not broken


@each
def test_every_code_cell_was_executed_in_order(name: str) -> None:
    cells = code_cells(read(name))
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))


@each
def test_every_code_cell_is_compared_or_holds_a_claim_or_figure(name: str) -> None:
    unchecked = [
        cell.source
        for cell in code_cells(read(name))
        if "nbval-ignore-output" in tags(cell) and "✓ " not in printed(cell) and not draws(cell)
    ]
    assert not unchecked
    assert not [c.source for c in code_cells(read(name)) if "nbval-skip" in tags(c)]


@each
def test_a_figure_is_never_compared_as_text(name: str) -> None:
    assert not [
        c.source
        for c in code_cells(read(name))
        if draws(c) and "nbval-ignore-output" not in tags(c)
    ]


@each
def test_stored_outputs_are_clean(name: str) -> None:
    notebook = read(name)
    for cell in code_cells(notebook):
        for output in cell.outputs:
            assert output.output_type != "error", cell.source
            assert output.get("name") != "stderr", cell.source
            text = json.dumps(output)
            assert "application/vnd.jupyter.widget-view" not in text or "image/png" in json.dumps(
                cell.outputs
            )
            for path in (str(ROOT), str(Path.home()) + "/", "/tmp/", "site-packages"):
                assert path not in text, f"{path} in the output of: {cell.source}"
    assert not [cell for cell in notebook.cells if not cell.source.strip()]
    assert "widgets" not in notebook.metadata


@each
def test_cells_and_file_are_of_a_readable_size(name: str) -> None:
    assert (ROOT / "notebooks" / f"{name}.ipynb").stat().st_size < 1_500_000
    lengths = [len(cell.source.splitlines()) for cell in code_cells(read(name))]
    assert max(lengths) <= 25
    assert sum(n <= 15 for n in lengths) >= 0.7 * len(lengths)


@each
def test_no_measured_figure_is_typed_into_markdown(name: str) -> None:
    typed = []
    for cell in markdown_cells(read(name))[1:]:
        if DEFINITIONS in tags(cell):
            continue
        prose = re.sub(r"```.*?```|`[^`]*`|\]\([^)]*\)", "", cell.source, flags=re.DOTALL)
        typed += [match.group(0) for match in MEASURED.finditer(prose)]
    assert not typed


def test_the_scan_for_measured_figures_finds_them() -> None:
    for text in ("98.02 %", "3.45x smaller", "28 times slower", "12.6 s", "24,728 bytes"):
        assert MEASURED.search(text), text
    for text in ("8 bits", "16x8", "28x28 pixels", "float16", "256 levels", "4 bytes"):
        assert not MEASURED.search(text), text


@each
def test_no_word_of_how_it_was_made(name: str) -> None:
    everything = "\n".join(cell.source for cell in read(name).cells).lower()
    for word in ("shared/", "analytics vidhya", "the article", "todo", "fixme", "colleague"):
        assert word not in everything


@each
def test_helpers_are_installed_only_where_missing(name: str) -> None:
    installs = [c.source for c in code_cells(read(name)) if "pip install" in c.source]
    assert len(installs) == 1
    assert 'find_spec("qhelpers") is None' in installs[0]
    assert f"git+https://github.com/{fork.current(ROOT)}" in installs[0]
    assert not re.search(r"pip install[^\n]*\b(tensorflow|torch)\b(?!ao)", installs[0])


def article_rows() -> list[tuple[str, dict[str, str]]]:
    return [
        (path.stem.removeprefix("lesson"), row)
        for path in sorted((ROOT / "tests" / "article").glob("lesson*.json"))
        for row in json.loads(path.read_text(encoding="utf-8"))
    ]


def test_everything_that_the_first_article_teaches_has_its_place() -> None:
    """Each statement and step of the text that the course started from stays taught somewhere."""
    sources = {name[:2]: "\n".join(cell.source for cell in read(name).cells) for name in NAMES}
    lost = [row for number, row in article_rows() if row["marker"] not in sources[number]]
    assert not lost
    assert {row["verdict"] for _, row in article_rows()} == {"kept", "corrected"}
    assert len(article_rows()) >= 100
    assert all(len(row["marker"]) >= 8 for _, row in article_rows())
