"""Links the glossary from the lessons: the first mention of each word, where prose says it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from docutils import nodes

GLOSSARY = "docs/glossary"
# Where a link would be noise, or is one already.
NO_PROSE = (nodes.title, nodes.reference, nodes.literal, nodes.literal_block, nodes.table)
NO_PROSE += (nodes.math, nodes.math_block, nodes.raw, nodes.Invisible)
OTHER_SENSES = r"scale (?:an?|back)\b|four activations\b"  # to scale; activation functions


def forms(word: str) -> str:
    """Return the pattern of a word's forms: one, many, with hyphens or spaces; -ized of -ize."""
    stem = re.sub("ize$", "ized?", word.removesuffix("s"))
    return re.sub(r"[-\s]", r"[-\\s]", stem) + "s?"


def prose(page: nodes.document) -> Iterator[nodes.Text]:
    """Yield the texts of a page's prose in order: nothing of `<details>`, nothing of its sources.

    Neither headings, code, links, tables nor formulas are prose.
    """
    hidden = 0
    for node in page.findall():
        if isinstance(node, nodes.raw):
            hidden += node.astext().count("<details") - node.astext().count("</details")
        elif isinstance(node, nodes.Text) and not hidden:
            above, parent = [], node.parent
            while parent is not None:
                above.append(parent)
                parent = parent.parent
            if not any(isinstance(p, NO_PROSE) or "sources" in p["ids"] for p in above):
                yield node


def link(page: nodes.document, addresses: dict[str, str]) -> None:
    """Link the first mention of each word to its address; of overlapping ones the longest."""
    for parent in list(page.findall(nodes.TextElement)):  # each line of a text is a node
        for i in range(len(parent) - 1, 0, -1):
            if isinstance(parent[i], nodes.Text) and isinstance(parent[i - 1], nodes.Text):
                parent[i - 1 : i + 1] = [nodes.Text(parent[i - 1] + parent[i])]
    left = sorted(addresses, key=len, reverse=True)
    words = list(left)
    every = re.compile(
        rf"(?<![\w-])(?:{OTHER_SENSES}|{'|'.join(f'({forms(word)})' for word in words)})(?![\w-])",
        re.IGNORECASE,
    )
    for text in list(prose(page)):
        parts, end = [], 0
        for found in every.finditer(text):
            word = words[found.lastindex - 1] if found.lastindex else None
            if word in left:
                left.remove(word)
                parts.append(nodes.Text(text[end : found.start()]))
                address = {"refuri": addresses[word], "internal": True, "classes": ["word"]}
                parts.append(nodes.reference("", found[0], **address))
                end = found.end()
        if parts:
            text.parent.replace(text, [*parts, nodes.Text(text[end:])])


def link_lesson(app: Any, page: nodes.document, name: str) -> None:
    """Link a lesson's words to their entries."""
    if name.startswith("notebooks/"):
        glossary = app.builder.get_relative_uri(name, GLOSSARY)
        _, *entries = app.env.get_doctree(GLOSSARY).findall(nodes.section)
        words = {entry.next_node(nodes.title).astext(): entry["ids"][0] for entry in entries}
        link(page, {word: f"{glossary}#{anchor}" for word, anchor in words.items()})


def setup(app: Any) -> dict[str, bool]:
    """Let Sphinx call `link_lesson` for each page before it is written."""
    app.connect("doctree-resolved", link_lesson)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
