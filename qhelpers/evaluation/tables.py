"""A table as text for the terminal, and as HTML for a notebook."""

from __future__ import annotations

import html as escaping
import unicodedata
from collections.abc import Sequence

_WIDTH = 110  # of the text, in letters
_CSS = "border-collapse:collapse;color:inherit"  # the theme's colours, light or dark
_CELL_CSS = "padding:.3em .7em;border-bottom:1px solid rgba(128,128,128,.5)"


def text(columns: Sequence[str], rows: Sequence[Sequence[str]], footer: Sequence[str]) -> str:
    """Return a table as lines of text; the last column is wrapped at commas.

    Args:
        columns: their names.
        rows: the cells of each row: a name, figures, and a last text.
        footer: lines below the table.
    """
    every = [list(columns), *map(list, rows)]
    taken = sum(max(map(_width, column)) + 2 for column in list(zip(*every, strict=True))[:-1])
    table: list[list[str]] = []
    for *cells, last in every:
        first, *more = _wrapped(last, _WIDTH - taken)
        table += [[*cells, first], *([""] * len(cells) + [line] for line in more)]
    widths = [max(map(_width, column)) for column in zip(*table, strict=True)]
    table.insert(1, ["-" * width for width in widths])
    lines = []
    for name, *middle, last in table:
        figures = [_pad(cell, -width) for cell, width in zip(middle, widths[1:], strict=False)]
        lines.append("  ".join([_pad(name, widths[0]), *figures, last]).rstrip())
    return "\n".join([*lines, *footer])


def html(
    caption: str, columns: Sequence[str], rows: Sequence[Sequence[str]], footer: Sequence[str]
) -> str:
    """Return a table as HTML that reads in light and in dark themes.

    Args:
        caption: above the table.
        columns: their names.
        rows: the cells of each row, the first of which is the row's name.
        footer: lines below the table.
    """
    head = "".join(_cell("col", name) for name in columns)
    lines = [_cell("row", name) + "".join(_cell("", cell) for cell in rest) for name, *rest in rows]
    body = "".join(f"<tr>{cells}</tr>" for cells in lines)
    below = "<br>".join(escaping.escape(line) for line in footer)
    return (
        f'<table style="{_CSS}"><caption style="text-align:left">{caption}</caption>'
        f"<thead><tr>{head}</tr></thead>"
        f'<tbody>{body}</tbody></table><p style="font-size:.9em">{below}</p>'
    )


def _cell(scope: str, text: str) -> str:
    """Return one HTML cell: a heading where it has a scope, figures to the right."""
    tag, attribute = ("th", f' scope="{scope}"') if scope else ("td", "")
    figure = text.lstrip("-")[:1].isdigit()
    style = f"{_CELL_CSS};text-align:{'right;white-space:nowrap' if figure else 'left'}"
    return f'<{tag}{attribute} style="{style}">{escaping.escape(text)}</{tag}>'


def _wrapped(stored: str, width: int) -> list[str]:
    """Return the text in lines that break after commas only."""
    lines = [""]
    for part in stored.split(", "):
        joined = f"{lines[-1]}, {part}" if lines[-1] else part
        if _width(joined) <= width:
            lines[-1] = joined
        else:
            lines.append(part)
    return lines


def _width(text: str) -> int:
    """Return how many columns a text takes on a terminal: 2 for wide letters, 0 for accents."""
    wide = sum(unicodedata.east_asian_width(letter) in "WF" for letter in text)
    return len(text) + wide - sum(unicodedata.combining(letter) > 0 for letter in text)


def _pad(text: str, width: int) -> str:
    """Return a text filled up with spaces: on its right, for a negative width on its left."""
    gap = " " * (abs(width) - _width(text))
    return text + gap if width > 0 else gap + text
