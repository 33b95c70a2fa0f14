"""Makes a deck of slides of each lesson, by rule, from its stored notebook: `make slides`.

A deck follows the lesson's rooms: title, "You will", each topic's heading and first paragraph, the
questions asked before experiments with what came out, figures, mistakes, exercises, claims, the
scorecard, the recap, sources. Code is shown where nothing is asked and nothing drawn. What else a
topic says is in the speaker's notes.
"""

from __future__ import annotations

import html
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import build
import nbformat
from markdown_it import MarkdownIt
from mdit_py_plugins.dollarmath import dollarmath_plugin

DECKS = build.ROOT / "generated" / "slides"
QUESTION = re.compile(r"\*\*Before you run this[:,]\*\*")
LINES, CHARACTERS = 14, 330  # of an output, of a paragraph, that a slide shows
MOST = 25  # slides
SILENT = ("Set up", "Scorecard", "Your turn", "Sources", "What goes wrong")


def _tex(tex: str, options: dict[str, bool]) -> str:
    return html.escape(rf"\[{tex}\]" if options["display_mode"] else rf"\({tex}\)")


MARKDOWN = MarkdownIt("commonmark").enable("table")
MARKDOWN.use(dollarmath_plugin, double_inline=True, renderer=_tex)


@dataclass
class Section:
    """A heading of a lesson with what stands below it, up to the next heading."""

    room: str  # the "## " heading that it belongs to
    heading: str
    depth: int
    items: list[Any] = field(default_factory=list)  # paragraphs, and code cells


def sections(notebook: Any) -> list[Section]:
    """Return a lesson in sections, solutions left out; the first is its title."""
    found: list[Section] = []
    for cell in notebook.cells:
        if cell.cell_type == "code":
            found[-1].items.append(cell)
            if found[-1].heading.startswith("Exercise") and "exercises.check(" in cell.source:
                found.append(Section(found[-1].room, found[-1].room, 3))  # the topic goes on
            continue
        source = re.sub(r"(?s)<details>.*?</details>", "", cell.source)
        for block in re.split(r"\n\s*\n", source):
            heading, paragraph = re.match(r"(#*) *(.*?) *(?:\n|$)", block), block
            if heading and heading[1]:
                depth, paragraph = len(heading[1]), block[heading.end() :]
                room = heading[2] if depth < 3 else found[-1].room
                found.append(Section(room, heading[2], depth))
            if paragraph.strip():
                found[-1].items.append(paragraph.strip())
    return found


def rendered(text: str) -> str:
    """Return Markdown as HTML, links and pictures as their words."""
    plain = re.sub(r"!?\[((?:[^\[\]]|\[[^\]]*\])*)\]\([^)]*\)", r"\1", text)
    return str(MARKDOWN.render(plain))


def titled(heading: str) -> str:
    """Return a slide's heading as HTML."""
    return f"<h2>{rendered(heading).strip()[3:-4]}</h2>"


def shortened(paragraph: str) -> str:
    """Return as many sentences of a paragraph as a slide holds, one at least."""
    said = ""
    for sentence in re.split(r"(?<=[.?!])\s+(?=[A-Z*`\"(])", paragraph):
        if said and len(said) + len(sentence) > CHARACTERS:
            break
        said += sentence + " "
    return re.sub(r":\s*$", ".", said)


def pictures(cell: Any) -> list[str]:
    """Return a cell's figures as HTML, with their descriptions."""
    found = []
    for output in cell.outputs:
        picture = output.get("data", {}).get("image/png")
        if picture:
            said = html.escape(output.metadata.get("image/png", {}).get("alt", "a figure"))
            source = "".join(picture.split())
            found.append(f'<img alt="{said}" src="data:image/png;base64,{source}">')
    return found


def printed(cell: Any) -> list[str]:
    """Return the lines that a cell printed, without what exercises say."""
    texts = [output.text for output in cell.outputs if output.output_type == "stream"]
    return [line for line in "".join(texts).rstrip().splitlines() if not line.startswith("○ ")]


def topic(section: Section) -> Iterator[str]:
    """Yield the slides of one topic, mistake or exercise: heading, questions, answers, figures.

    A heading within a topic gets slides for its questions and figures only. Where nothing is asked
    and nothing drawn, the first code is the point, with what it printed.
    """
    heading = slide = titled(section.heading)
    exercise = section.heading.startswith("Exercise")
    cells = [item for item in section.items if not isinstance(item, str)]
    text = "\n".join(item for item in section.items if isinstance(item, str))
    lead = section.depth == 2 or section.room in SILENT or exercise
    waiting = False  # for an answer
    notes: list[str] = []
    if lead and not exercise and not QUESTION.search(text) and not any(map(pictures, cells)):
        waiting = True
    code = waiting
    for item in section.items:
        if isinstance(item, str):
            found = QUESTION.search(item)
            before = item[: found.start()] if found else item
            if lead and before.strip():
                whole = before.lstrip()[0] in "-|>$1" and len(before) < 2 * CHARACTERS
                slide += rendered(before if whole else shortened(before))
                lead = False
            else:
                notes.append(before)
            if found:
                if '<div class="question">' in slide or slide.startswith("<img"):
                    yield slide
                    slide = heading
                slide += asking(item[found.start() :])
                waiting = True
            continue
        drawn, lines = pictures(item), printed(item)
        if code:
            slide += f"<pre>{html.escape(item.source)}</pre>"
            code = False
        if (waiting or exercise) and 0 < len(lines) <= LINES:
            shown = html.escape("\n".join(lines))
            attribute = ' class="fragment"' if waiting else ""
            slide += f"<pre{attribute}>{shown}</pre>"
        if drawn:
            if slide != heading:
                yield slide
            yield from drawn[:-1]
            slide = drawn[-1]
        waiting = waiting and not (drawn or lines)
    if slide != heading:
        yield f'{slide}<aside class="notes">{rendered(chr(10).join(notes))}</aside>'


def asking(question: str) -> str:
    """Return a question before an experiment as HTML."""
    return f'<div class="question">{rendered(question)}</div>'


def results(notebook: Any, said: str) -> Iterator[str]:
    """Yield the slides of what the lesson checked and of its scorecard, with what is said of it."""
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    claims = [line[2:] for cell in code for line in printed(cell) if line.startswith("✓ ")]
    if claims:
        listed = "".join(f"<li>{html.escape(claim)}</li>" for claim in claims)
        yield f'<h2>What this lesson checked</h2><ul class="claims">{listed}</ul>'
    for output in (output for cell in code for output in cell.outputs):
        text = output.get("data", {}).get("text/plain", "")
        if text.startswith("model ") and "flips" in text:
            shown = html.escape(text.split("\nData:")[0])
            found = QUESTION.search(said)
            asked = asking(said[found.start() :]) if found else ""
            yield f"<h2>Scorecard</h2>{asked}<pre>{shown}</pre>"


def slides(notebook: Any) -> list[str]:
    """Return a lesson's slides, each the inside of a `<section>`."""
    made: list[str] = []
    for section in sections(notebook):
        text = "\n\n".join(item for item in section.items if isinstance(item, str))
        if section.depth == 1:
            time = re.search(r"\*\*\d+ minutes\*\*.*?(?= · (?:previous|next)|$)", text, re.M)
            made.append(titled(section.heading) + rendered(time[0] if time else ""))
        elif section.heading in ("You will", "In one minute"):
            made.append(titled(section.heading) + rendered(text))
        elif section.heading == "Scorecard":
            made += results(notebook, text)
        elif section.heading == "Sources" and len(made) < MOST:
            made.append(titled(section.heading) + rendered(text))
        elif section.heading not in SILENT:
            made += topic(section)
    while len(made) > MOST:  # the exercise that finds most room goes on the slide before it
        exercises = [i for i, slide in enumerate(made) if slide.startswith("<h2>Exercise")]
        place = min(exercises, key=lambda i: len(made[i - 1]) + len(made[i]))
        made[place - 1 : place + 1] = ["".join(made[place - 1 : place + 1])]
    return made


def deck(title: str, made: list[str], mathjax: bool) -> str:
    """Return a lesson's page for reveal.js."""
    body = "\n".join(f"<section>{slide}</section>" for slide in made)
    script = '<script defer src="tex-svg-full.js"></script>' if mathjax else ""
    page = (Path(__file__).parent / "deck.html").read_text(encoding="utf-8")
    values = {"TITLE": html.escape(title), "SLIDES": body, "MATHJAX": script}
    return re.sub("|".join(values), lambda found: values[found[0]], page)


def main() -> int:
    """Write a page for each lesson and one that lists them, with all that they need beside them."""
    reveal, mathjax = build.fetched("reveal.js"), build.fetched("mathjax")
    if not reveal:
        print("Slides need reveal.js from npm: install npm, or try again with a network.")
        return 1
    shutil.rmtree(DECKS, ignore_errors=True)
    DECKS.mkdir(parents=True)
    for name in ("reset.css", "reveal.css", "reveal.js"):
        shutil.copy(reveal / "dist" / name, DECKS)
    shutil.copytree(reveal / "plugin" / "notes", DECKS / "notes")
    if mathjax:
        shutil.copy(mathjax / "es5" / "tex-svg-full.js", DECKS)
    rows = []
    for path in sorted((build.ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        title = notebook.cells[0].source.splitlines()[0].removeprefix("# ")
        made = slides(notebook)
        page = deck(title, made, mathjax is not None)
        (DECKS / f"{path.stem}.html").write_text(page, encoding="utf-8")
        rows.append(f'<li><a href="{path.stem}.html">{html.escape(title)}</a></li>')
    head = '<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>Slides</title>'
    body = '<body style="font: 1.2rem/1.6 sans-serif; max-width: 50rem; margin: 2rem auto">'
    text = f"{head}{body}<main><h1>Slides</h1><ul>{''.join(rows)}</ul></main></html>"
    (DECKS / "index.html").write_text(text, encoding="utf-8")
    wrong = build.faults(DECKS)
    print("\n".join([*wrong, f"{DECKS / 'index.html'}: {len(rows)} decks"]))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
