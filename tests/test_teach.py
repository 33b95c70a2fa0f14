"""The instructor's kit: plans that add up, a handout that stands alone."""

from __future__ import annotations

import ast
import builtins
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import reading_time
from course_files import NAMES, ROOT, code_cells, markdown_cells, read

TEACH = ROOT / "docs" / "teach"
NOTEBOOK = {name[:2]: name for name in NAMES}
DAYS = {"Half a day": 210, "One day": 480}
DAYS |= {"Two days, the first": 480, "Two days, the second": 480}
LENGTHS = {"90_minutes.md": {"90 minutes": 90}, "plans.md": DAYS}
AFTER = " (without the exercise)"
WORDS_SPOKEN = 130  # a minute
CELL = 0.5  # minutes for a room to run a cell and look at it


class Row(NamedTuple):
    """A row of a timetable: its clock and length in minutes, the lesson, the sections."""

    clock: int
    minutes: int
    lesson: str
    sections: str


def text_of(page: str) -> str:
    return (TEACH / page).read_text(encoding="utf-8")


def tables(page: str) -> dict[str, list[Row]]:
    """Return each timetable of a page by the heading above it."""
    found: dict[str, list[Row]] = {}
    heading = ""
    for line in text_of(page).splitlines():
        if re.match("##? ", line):
            heading = line.lstrip("# ")
        row = re.fullmatch(
            r"\| (\d+):(\d\d) \| (\d+) \| (?:–|\[(\d\d)\]\((\S+)\)) \| (.+?) \| .+ \|", line
        )
        if row:
            hours, minutes, length, lesson, link, sections = row.groups()
            assert not link or (TEACH / link).resolve().is_file(), line
            at = 60 * int(hours) + int(minutes)
            found.setdefault(heading, []).append(Row(at, int(length), lesson or "", sections))
    return found


def headings(lesson: str) -> list[str]:
    cells = markdown_cells(read(NOTEBOOK[lesson]))
    lines = [line for cell in cells for line in cell.source.splitlines()]
    return [line[3:] for line in lines if line.startswith("## ")]


def named(row: Row) -> list[str]:
    """Return the sections that a row names, ranges written out."""
    if row.sections == "all":
        return headings(row.lesson)
    found = []
    for part in row.sections.split("<br>"):
        ends = part.split(" … ")
        if len(ends) == 2:
            every = headings(row.lesson)
            first, last = map(every.index, ends)
            assert first < last, part
            found += every[first : last + 1]
        else:
            found.append(part.removesuffix(AFTER))
    return found


def reading(row: Row) -> float:
    """Return the minutes of a row's sections by the formula."""
    by_section = reading_time.by_section(read(NOTEBOOK[row.lesson]))
    spared = reading_time.EXERCISE * row.sections.count(AFTER)
    return sum(by_section[section] for section in named(row)) - spared


PLANS = [
    pytest.param(page, rows, LENGTHS[page].get(name), id=f"{page} {name}")
    for page in LENGTHS
    for name, rows in tables(page).items()
]


def test_the_sections_of_a_lesson_take_the_time_of_the_lesson() -> None:
    for name in NAMES:
        notebook = read(name)
        by_section = reading_time.by_section(notebook)
        whole = sum(by_section[section] for section in ["", *headings(name[:2])])
        assert whole == pytest.approx(reading_time.minutes(notebook), abs=0.01), name


def test_every_plan_is_there() -> None:
    assert {page: set(tables(page)) for page in LENGTHS} == {p: set(w) for p, w in LENGTHS.items()}


@pytest.mark.parametrize(("page", "rows", "length"), PLANS)
def test_the_clock_and_the_minutes_of_a_plan_add_up(
    page: str, rows: list[Row], length: int
) -> None:
    clock = rows[0].clock
    for row in rows:
        assert row.clock == clock, f"{page}: {row}"
        clock += row.minutes
    assert clock - rows[0].clock == length


@pytest.mark.parametrize(("page", "rows", "length"), PLANS)
def test_a_plan_gives_sections_the_time_that_reading_them_takes(
    page: str, rows: list[Row], length: int
) -> None:
    for row in rows:
        if row.lesson:
            assert row.minutes >= reading(row), f"{page}: {row}: {reading(row):.1f}"


def spoken() -> dict[int, int]:
    """Return the words that the notes for 90 minutes quote, by the minute they start at."""
    found: dict[int, int] = {}
    clock = 0
    for line in text_of("90_minutes.md").splitlines():
        if at := re.match(r"### (\d+):(\d\d) ", line):
            clock = 60 * int(at[1]) + int(at[2])
        elif line.startswith(">"):
            found[clock] = found.get(clock, 0) + len(line[1:].split())
    return found


def cells_of(row: Row) -> list[Any]:
    """Return the code cells of a row's sections."""
    found = []
    section = part = ""
    wanted = set(named(row))
    for cell in read(NOTEBOOK[row.lesson]).cells:
        for title in re.findall(r"(?m)^(###? .*)$", cell.source * (cell.cell_type == "markdown")):
            section, part = (title[3:], "") if title[2] == " " else (section, title[4:])
        if cell.cell_type == "code" and wanted & {section, part}:
            found.append(cell)
    return found


def test_what_is_said_in_90_minutes_fits_its_slots() -> None:
    (rows,) = tables("90_minutes.md").values()
    words = spoken()
    assert set(words) == {row.clock for row in rows}
    spare = 0.0
    for row in rows:
        cells = cells_of(row) if row.lesson else []
        exercises = sum("answer = ..." in cell.source for cell in cells)
        busy = words[row.clock] / WORDS_SPOKEN + len(cells) * CELL
        busy += exercises * reading_time.EXERCISE
        assert busy <= row.minutes, f"{row}: {busy:.1f} minutes"
        spare += row.minutes - busy
    assert f"to questions: {spare:.0f} of the 90 minutes" in text_of("90_minutes.md")


CARD = ("Say", "Vote", "They ask", "They stumble", "Wrap-up")


def test_each_lesson_has_its_card() -> None:
    cards = re.split(r"(?m)^## (\d\d) · ", text_of("lessons.md"))[1:]
    found = dict(zip(cards[::2], cards[1::2], strict=True))
    assert sorted(found) == sorted(NOTEBOOK)
    for lesson, card in found.items():
        said = [*re.findall(r"(?m)^- \*\*(.+?)\.\*\*", card)]
        assert said == list(CARD), lesson
        assert card.count("**Answer.**") == 1, lesson


PAGES = sorted(path.name for path in TEACH.iterdir())


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_files_of_the_course(page: str) -> None:
    text = text_of(page)
    links = re.findall(r"\]\(([^)#]+)", text) + re.findall(r'href="([^"#]+)', text)
    for link in links:
        assert (TEACH / link).resolve().is_file(), link


@pytest.mark.parametrize("page", [page for page in PAGES if page.endswith(".md")])
def test_the_commands_that_are_told_exist(page: str) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    commands = (ROOT / "qhelpers" / "cli" / "main.py").read_text(encoding="utf-8")
    text = text_of(page)
    for target in re.findall(r"(?:`|^|/mnist |=1 )make ([a-z-]+)", text, re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
    for command in re.findall(r"-m qhelpers ([a-z]+)", text):
        assert f'add_parser("{command}"' in commands, command


def outputs(lesson: str) -> str:
    """Return all that a lesson's stored outputs say as text."""
    found = []
    for cell in code_cells(read(NOTEBOOK[lesson])):
        for output in cell.outputs:
            found.append(output.get("text") or output.get("data", {}).get("text/plain", ""))
    return "\n".join(found)


def test_the_handout_needs_nothing_from_outside() -> None:
    text = text_of("handout.html")
    assert not re.search(r"https?:|//\w|<script|<link|<img|<iframe|@import|url\(|src=", text)


def test_each_figure_of_the_handout_was_printed_by_the_lesson_that_it_names() -> None:
    text = text_of("handout.html")
    measured = re.findall(r'<span data-from="(\d\d)">([^<]+)</span>', text)
    assert len(measured) > 20
    for lesson, figure in measured:
        alone = rf"(?<![\d.,]){re.escape(figure)}(?![\d,]|\.\d)"
        assert re.search(alone, outputs(lesson)), f"{figure} is not in {lesson}"
    rest = re.sub(r"<span data-from.*?</span>|<style>.*?</style>|width:\d+%", "", text, flags=re.S)
    assert not re.search(r"\d ?%", rest), "a share that names no lesson"


def test_the_handout_says_of_devices_what_lesson_09_says() -> None:
    lines = re.findall(r"(?m)^([\w -]+?)  +([●○–].*)$", outputs("09"))
    devices = [re.findall(r"[●○–]", marks) for name, marks in lines if name != "●"]
    schemes = ("float16", "dynamic_range", "int8", "int16x8", "int4")
    assert len(devices) == 6
    text = text_of("handout.html")
    for column, scheme in enumerate(schemes):
        (row,) = re.findall(rf'<tr data-scheme="{scheme}">(.*?)</tr>', text)
        shown = re.findall(r'<td class="d">(.)</td>', row)
        assert shown == [marks[column] for marks in devices], scheme


@pytest.mark.skipif(shutil.which("chromium") is None, reason="prints with Chromium")
def test_the_handout_prints_on_two_pages(tmp_path: Path) -> None:
    pdf = tmp_path / "handout.pdf"
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer"]
    options += [f"--user-data-dir={tmp_path / 'profile'}", f"--print-to-pdf={pdf}"]
    page = (TEACH / "handout.html").as_uri()
    subprocess.run(["chromium", *options, page], check=True, capture_output=True, timeout=120)
    assert len(re.findall(rb"/Type\s*/Page\b", pdf.read_bytes())) == 2


def free_names(source: str) -> tuple[set[str], set[str]]:
    """Return the names that a cell reads and those that it makes, its functions' own among them."""
    lines = [line for line in source.splitlines() if not line.lstrip().startswith("%")]
    read_, made = set(), set(dir(builtins))
    for node in ast.walk(ast.parse("\n".join(lines))):
        if isinstance(node, ast.Name):
            (read_ if isinstance(node.ctx, ast.Load) else made).add(node.id)
        elif isinstance(node, ast.arg):
            made.add(node.arg)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            made.add(node.name)
        elif isinstance(node, ast.alias):
            made.add((node.asname or node.name).partition(".")[0])
        elif isinstance(node, ast.ExceptHandler) and node.name:
            made.add(node.name)
    return read_, made


def test_the_cells_of_90_minutes_run_without_those_left_out() -> None:
    (rows,) = tables("90_minutes.md").values()
    for lesson in ("00", "03"):  # of 09 nothing is run
        known: set[str] = set()
        for row in rows:
            for cell in cells_of(row) if row.lesson == lesson else ():
                wanted, made = free_names(cell.source)
                assert wanted <= known | made, f"{row}: {wanted - known - made}"
                known |= made
