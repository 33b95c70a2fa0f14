"""The web site and the slides: links, the glossary, the index of mistakes, built pages."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from course_files import NAMES, ROOT, code_cells, draws, markdown_cells, printed, read
from docutils import nodes
from docutils.core import publish_doctree
from myst_parser.docutils_ import Parser
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output, writes

sys.path.insert(0, str(ROOT / "docs" / "site"))
import build
import slides
import words

LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^(#+) (.*)$", re.MULTILINE)
DOCS = sorted((ROOT / "docs").rglob("*.md"))
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *DOCS]


def text_of(path: Path) -> str:
    """Return a page's Markdown, a notebook's or a file's."""
    if path.suffix == ".ipynb":
        return "\n\n".join(cell.source for cell in markdown_cells(read(path.stem)))
    return path.read_text(encoding="utf-8")


def headings(path: Path) -> list[tuple[int, str]]:
    """Return depth and words of each heading."""
    prose = re.sub(r"(?ms)^```.*?^```", "", text_of(path))
    return [(len(marks), words.strip()) for marks, words in HEADING.findall(prose)]


def anchor(heading: str) -> str:
    """Return what GitHub and MyST call a heading in an address."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def notebook(name: str) -> Path:
    return ROOT / "notebooks" / f"{name}.ipynb"


def test_links_lead_to_files_and_headings_that_are_there() -> None:
    broken = []
    for page in [*PAGES, *map(notebook, NAMES)]:
        for target in LINK.findall(text_of(page)):
            if target.startswith(("https://", "http://", "attachment:")):
                continue
            file, _, fragment = target.partition("#")
            to = (page.parent / file).resolve() if file else page
            readable = to.suffix in (".md", ".ipynb") and to.is_file()
            known = {anchor(words) for _, words in headings(to)} if readable and fragment else {""}
            if not to.exists() or (fragment and fragment not in known):
                broken.append((page.name, target))
    assert not broken


def test_each_word_of_the_glossary_stands_in_the_lesson_that_it_names() -> None:
    text = text_of(ROOT / "docs" / "glossary.md")
    entries = re.findall(
        r"(?ms)^## ([^\n]+)\n\n(.*?)\n\[(\d\d)\]\(\.\./notebooks/(\w+)\.ipynb\)$", text
    )
    assert len(entries) == len(re.findall(r"(?m)^## ", text)) >= 40
    words = [word.lower() for word, *_ in entries]
    assert words == sorted(words)
    lost = []
    for word, said, number, name in entries:
        assert name.startswith(number)
        assert 1 <= len(re.findall(r"[.:](?:\s|$)", said)) <= 3, word
        lesson = " ".join(text_of(notebook(name)).replace("*", "").split())
        if not re.search(rf"(?<!\w){re.escape(word)}", lesson, re.IGNORECASE):
            lost.append((word, name))
    assert not lost


def parsed(markdown: str) -> nodes.document:
    settings = {"myst_enable_extensions": ["dollarmath", "amsmath"], "report_level": 5}
    return publish_doctree(markdown, parser=Parser(), settings_overrides=settings)


def linked(page: nodes.Element) -> list[tuple[str, str]]:
    """Return what is linked to the glossary, with the words that it is linked to."""
    found = [link for link in page.findall(nodes.reference) if "word" in link["classes"]]
    return [(link.astext(), link["refuri"]) for link in found]


TINY = """# Scale of outliers

They scale a sum, autoscale, `point`, $scale$, [outliers](a.md). **Zero points**: *scales* of zero
point 0, to the point; one per
channel. Per-tensor, per-channel, "dequantized".

| clipping |
|---|
| outlier |

<details><summary>Hint</summary>

Clipping, an outlier.

</details>

An Outlier: clipping. A scale again, QATs of 16x8.

## Sources

AWQ
"""
WORDS = "AWQ", "Clipping", "Dequantize", "Outlier", "Per-channel", "Point", "QAT", "Scale", "Tensor"


def test_the_first_mention_of_each_word_is_linked_and_nothing_else() -> None:
    page, plain = parsed(TINY), parsed(TINY)
    words.link(page, {word: word for word in (*WORDS, "16x8", "Zero point")})
    assert page.astext() == plain.astext()
    assert linked(page) == [
        ("Zero points", "Zero point"),
        ("scales", "Scale"),
        ("point", "Point"),
        ("per\nchannel", "Per-channel"),
        ("dequantized", "Dequantize"),
        ("Outlier", "Outlier"),
        ("clipping", "Clipping"),
        ("QATs", "QAT"),
        ("16x8", "16x8"),
    ]
    (bold,) = page.findall(nodes.strong)
    assert linked(bold) == [("Zero points", "Zero point")]
    (last,) = (p for p in page.findall(nodes.paragraph) if p.astext().startswith("An Outlier"))
    assert [child.astext() for child in last.children[1:4:2]] == ["Outlier", "clipping"]


def test_each_lesson_links_the_words_that_it_introduces_and_none_twice() -> None:
    text = text_of(ROOT / "docs" / "glossary.md")
    homes = re.findall(r"(?ms)^## ([^\n]+)\n\n[^#]*?\n\[\d\d\]\(\.\./notebooks/(\w+)\.", text)
    assert len(homes) == len(re.findall(r"(?m)^## ", text))
    for name in NAMES:
        page = parsed(text_of(notebook(name)))
        words.link(page, {word: word for word, _ in homes})
        found = [word for _, word in linked(page)]
        assert len(found) == len({*found}), name
        assert not {word for word, home in homes if home == name} - {*found}, name


@pytest.mark.framework  # Sphinx takes as long as a framework
def test_a_site_links_its_words_and_shows_what_a_run_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sphinx.cmd.build import build_main

    def built() -> str:
        command = ["-q", "-W", "-c", str(ROOT / "docs" / "site"), "-d", str(tmp_path / "trees")]
        assert build_main([*command, str(tmp_path), str(tmp_path / "out")]) == 0
        page = (tmp_path / "out" / "notebooks" / "03_a.html").read_text(encoding="utf-8")
        assert page.count('href="../docs/glossary.html#zero-point"') == 1
        return page

    def lesson(said: str, printed: str) -> str:
        code = new_code_cell("1", outputs=[new_output("stream", text=printed)])
        text = f"# A\n\n{said} zero point, one zero point."
        language = {"language_info": {"name": "python"}}
        return writes(new_notebook(cells=[new_markdown_cell(text), code], metadata=language))

    for folder in ("docs", "notebooks", "run"):
        (tmp_path / folder).mkdir()
    toc = "# Index\n\n```{toctree}\nglossary\n../notebooks/03_a\n```\n"
    (tmp_path / "docs" / "index.md").write_text(toc)
    (tmp_path / "docs" / "glossary.md").write_text("# Words\n\n## Zero point\n\nThe integer.\n")
    (tmp_path / "notebooks" / "03_a.ipynb").write_text(lesson("One", "as stored"))
    monkeypatch.setenv("QHELPERS_SITE_NOTEBOOKS", str(tmp_path / "run"))
    assert "as stored" in built()
    copy = tmp_path / "run" / "03_a.ipynb"
    copy.write_text(lesson("One", "as run"))
    assert "as run" in built()
    copy.write_text(lesson("One", "as run again"))
    assert "as run again" in built()
    (tmp_path / "notebooks" / "03_a.ipynb").write_text(lesson("Another", "as stored since"))
    assert "as stored since" in built(), "the run's lesson was another"
    (tmp_path / "notebooks" / "03_a.ipynb").write_text(lesson("One", "as stored"))
    assert "as run again" in built()
    copy.unlink()
    assert "as stored" in built()


def mistakes(name: str) -> list[str]:
    """Return the headings under which a lesson shows mistakes."""
    found, inside = [], False
    for depth, heading in headings(notebook(name)):
        if depth == 2:
            inside = heading == "What goes wrong"
            found += [heading] if heading.startswith("Case ") else []
        elif inside and not heading.startswith("Exercise "):
            found.append(heading)
    return found


def test_every_mistake_of_the_lessons_is_in_the_index() -> None:
    index = text_of(ROOT / "docs" / "what_goes_wrong.md")
    expected = [(name, anchor(words)) for name in NAMES for words in mistakes(name)]
    assert len(expected) >= 25
    linked = set(re.findall(r"\(\.\./notebooks/(\w+)\.ipynb#([^)]+)\)", index))
    assert not set(expected) - linked


def test_every_public_module_is_in_the_reference() -> None:
    pages = "\n".join(text_of(path) for path in (ROOT / "docs" / "api").glob("*.md"))
    shown = re.findall(r"(?m)^\.\. automodule:: (\S+)$", pages)
    modules = []
    for path in (ROOT / "qhelpers").rglob("*.py"):
        parts = path.relative_to(ROOT).with_suffix("").parts
        if not path.name.startswith("_") and not {"lessons", "cli"} & {*parts}:
            modules.append(".".join(parts))
    assert sorted(shown) == sorted([*modules, "qhelpers"])


FAULTS = {
    '<script src="https://host/a.js"></script>': "page.html loads https://host/a.js",
    '<link rel="stylesheet" href="//host/a.css">': "page.html loads //host/a.css",
    '<img src="http://host/a.png" alt="a">': "page.html loads http://host/a.png",
    '<style>a { src: url("https://host/a.woff") }</style>': "page.html loads https://host/a.woff",
    '<img src="a.png">': "page.html: no words for the figure a.png",
    '<a href="none.html">x</a>': "page.html: none.html is not there",
    '<a href="other.html#none">x</a>': "page.html: other.html#none has no such anchor",
    '<a href="#none">x</a>': "page.html: #none has no such anchor",
}


@pytest.mark.parametrize("text", FAULTS)
def test_a_page_that_needs_what_is_not_there_is_found(text: str, tmp_path: Path) -> None:
    fine = '<p id="here"></p><a href="other.html#there">x</a><a href="https://host">x</a>'
    fine += '<img src="a.png" alt="a">'
    (tmp_path / "other.html").write_text('<p id="there"></p><a href="page.html#here">x</a>')
    (tmp_path / "a.png").touch()
    (tmp_path / "page.html").write_text(fine)
    assert build.faults(tmp_path) == []
    (tmp_path / "page.html").write_text(fine + text)
    assert build.faults(tmp_path) == [FAULTS[text]]


def test_a_style_sheet_that_loads_from_outside_is_found(tmp_path: Path) -> None:
    (tmp_path / "a.css").write_text("@import 'https://host/b.css'; p { background: url(c.png) }")
    assert build.faults(tmp_path) == ["a.css loads https://host/b.css"]


@pytest.mark.parametrize("name", NAMES)
def test_a_deck_has_the_questions_figures_mistakes_and_claims_of_its_lesson(name: str) -> None:
    made = slides.slides(read(name))
    least = 10 if name == "14_challenge" else 15  # most of that hour is work of one's own
    assert least <= len(made) <= 25
    deck = "\n".join(made)
    asked = len(re.findall(r"\*\*Before you run this[:,]\*\*", text_of(notebook(name))))
    assert deck.count('<div class="question">') == asked
    cells = code_cells(read(name))
    assert deck.count("<img ") == sum(map(draws, cells))
    for heading in mistakes(name):
        assert slides.titled(heading) in deck
    claims = [line for c in cells for line in printed(c).splitlines() if line.startswith("✓ ")]
    assert deck.count("<li>") >= len(claims)
    assert "answer = ..." not in deck
    assert not [slide for slide in made if "<a " in slide or len(slide) < 40]


def test_a_topic_without_question_and_figure_shows_its_code_and_result() -> None:
    cells = [
        new_markdown_cell(
            "# 99 \u00b7 Title\n\n**5 minutes** \u00b7 know first: [01](a.ipynb) \u00b7 next: 2"
        ),
        new_markdown_cell("## Topic\n\nFirst. $a_1$ and *b*:\n\nmore"),
        new_code_cell("a = 1 < 2", outputs=[new_output("stream", text="1 & 2\n")]),
        new_markdown_cell("## Other\n\nText. **Before you run this:** why?"),
        new_code_cell("b", outputs=[new_output("stream", text="\n".join("0123456789abcdef"))]),
    ]
    title, topic, other = slides.slides(new_notebook(cells=cells))
    assert title == "<h2>99 · Title</h2><p><strong>5 minutes</strong> · know first: 01</p>\n"
    assert r'First. <span class="math inline">\(a_1\)</span> and <em>b</em>.' in topic
    assert '<pre>a = 1 &lt; 2</pre><pre class="fragment">1 &amp; 2</pre>' in topic
    assert "more" in topic.partition('<aside class="notes">')[2]
    assert "<pre" not in other, "an answer that fills more than a slide"
