"""How long a notebook takes: 200 words and 12 lines a minute, its figures, its exercises."""

from __future__ import annotations

import re
from typing import Any

from course_files import code_cells, markdown_cells

WORDS, LINES = 200, 12  # a minute
FIGURE, EXERCISE = 0.7, 4.0  # minutes each
# What each lesson may announce at most.
MINUTES = {
    **{"00": 30, "01": 30, "02": 35, "03": 55, "04": 25, "05": 35, "06": 55},
    **{"07": 50, "08": 50, "09": 30, "10": 50, "11": 55},
    **{"12": 35, "13": 40, "14": 60},
    **{"20": 45, "21": 40, "22": 45},
}


def minutes(notebook: Any) -> float:
    """Return the minutes that a notebook takes; folded solutions are read by few."""
    prose = [re.sub(r"(?s)<details>.*?</details>", "", c.source) for c in markdown_cells(notebook)]
    words = sum(len(text.split()) for text in prose)
    code = code_cells(notebook)
    lines = sum(bool(line.strip()) for cell in code for line in cell.source.splitlines())
    figures = sum("image/png" in output.get("data", {}) for cell in code for output in cell.outputs)
    exercises = sum("answer = ..." in cell.source for cell in code)
    return words / WORDS + lines / LINES + FIGURE * figures + EXERCISE * exercises


def announced(notebook: Any) -> int:
    """Return the minutes that a notebook's first cell announces."""
    found = re.search(r"\*\*(\d+) minutes\*\*", notebook.cells[0].source)
    assert found, "the first cell announces no minutes"
    return int(found[1])


def by_section(notebook: Any) -> dict[str, float]:
    """Return the minutes of each `## ` section, its `### ` parts among them, and of each part."""
    found: dict[str, float] = {}
    section, part = "", ""

    def add(more: float) -> None:
        for title in {section, part or section}:
            found[title] = found.get(title, 0.0) + more

    for cell in notebook.cells:
        if cell.cell_type == "code":
            lines = sum(bool(line.strip()) for line in cell.source.splitlines())
            figures = sum("image/png" in output.get("data", {}) for output in cell.outputs)
            add(lines / LINES + FIGURE * figures + EXERCISE * ("answer = ..." in cell.source))
            continue
        fenced = False  # in code within text, ## is no heading
        text = re.sub(r"(?s)<details>.*?</details>", "", cell.source)
        for line in text.splitlines():
            fenced ^= line.startswith("```")
            if not fenced and line.startswith("## "):
                section, part = line[3:], ""
            elif not fenced and line.startswith("### "):
                part = line[4:]
            add(len(line.split()) / WORDS)
    return found
