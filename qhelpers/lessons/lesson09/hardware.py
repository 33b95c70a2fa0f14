"""Which kind of device computes which scheme: `hardware.json`, with sources, as a table."""

from __future__ import annotations

import html
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from qhelpers.evaluation.scorecard import text_table

Level = Literal["native", "runs", "no"]

SCHEMES = ("float16", "dynamic_range", "int8", "int16x8", "int4")


@dataclass(frozen=True)
class Source:
    """A document: who wrote it and what, when it was published or (where it has no date) read."""

    title: str
    date: str
    url: str


@dataclass(frozen=True)
class Support:
    """What a device does with a scheme.

    Attributes:
        level: "native", it has instructions or kernels for it; "runs", by a detour; "no".
        note: what that means there.
        source: a key of SOURCES, or several with a space between.
    """

    level: Level
    note: str
    source: str

    @property
    def numbers(self) -> str:
        """The numbers of the sources, as they stand in the table."""
        return ", ".join(str(_NUMBERS[key]) for key in self.source.split())


_TABLE = json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))
SOURCES: dict[str, Source] = {key: Source(*source) for key, source in _TABLE["sources"].items()}
SUPPORT: dict[str, dict[str, Support]] = {
    device: {scheme: Support(*found) for scheme, found in schemes.items()}
    for device, schemes in _TABLE["support"].items()
}
_MARKS: dict[Level, str] = {"native": "● native", "runs": "○ runs", "no": "– no"}
_NUMBERS = {key: number for number, key in enumerate(SOURCES, start=1)}


class Table:
    """The table of all devices and schemes, with its sources below."""

    def _repr_html_(self) -> str:
        cell = "padding:.25em .5em;border-bottom:1px solid rgba(128,128,128,.5);text-align:left"
        head = "".join(f'<th scope="col" style="{cell}">{s}</th>' for s in ("", *SCHEMES))
        body = ""
        for device, schemes in SUPPORT.items():
            body += f'<tr><th scope="row" style="{cell}">{device}</th>'
            for s in (schemes[scheme] for scheme in SCHEMES):
                text = f"<b>{_MARKS[s.level]}</b><br>{html.escape(s.note)} [{s.numbers}]"
                body += f'<td style="{cell};vertical-align:top">{text}</td>'
            body += "</tr>"
        listed = "".join(f"<li>{_link(source)}</li>" for source in SOURCES.values())
        return (
            f'<table style="border-collapse:collapse;color:inherit;font-size:.9em"><thead><tr>'
            f'{head}</tr></thead><tbody>{body}</tbody></table><ol style="font-size:.8em">{listed}'
            "</ol>"
        )

    def __repr__(self) -> str:
        lines = [
            [device, *(f"{_MARKS[schemes[s].level][0]} [{schemes[s].numbers}]" for s in SCHEMES)]
            for device, schemes in SUPPORT.items()
        ]
        sources = [f"[{_NUMBERS[key]}] {s.title}, {s.date}" for key, s in SOURCES.items()]
        return text_table(("", *SCHEMES), lines, [", ".join(_MARKS.values()), *sources])


def _link(source: Source) -> str:
    """Return a source as HTML."""
    title = html.escape(source.title)
    linked = f'<a href="{html.escape(source.url)}">{title}</a>' if source.url else title
    return f"{linked} ({html.escape(source.date)})"
