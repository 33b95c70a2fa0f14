"""The repository's address: written in pyproject.toml, followed by every badge and link."""

from __future__ import annotations

import re
from pathlib import Path

from qhelpers import paths

_LINE = re.compile(r'^Repository = "https://github\.com/([^/"\s]+/[^/"\s]+)"$', re.MULTILINE)
_VALID = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*/[A-Za-z0-9._-]+")


def current(folder: Path) -> str:
    """Return the repository as "owner/name", read from `pyproject.toml` in a folder, else raise."""
    found = _LINE.search((folder / "pyproject.toml").read_text(encoding="utf-8"))
    if not found:
        raise ValueError('pyproject.toml has no line Repository = "https://github.com/OWNER/NAME".')
    return found.group(1)


def change(repository: str) -> str:
    """Write "owner/name" into pyproject.toml, the README and every notebook; say how many changed.

    A ValueError says that `repository` is not of that form, or that there is no clone.
    """
    if not _VALID.fullmatch(repository):
        raise ValueError(f"expected OWNER/NAME as on GitHub; got {repository!r}.")
    folder = paths.clone()
    if folder is None:
        raise ValueError("this works in a clone of the course only.")
    old, changed = current(folder), 0
    notebooks = (folder / "notebooks").glob("*.ipynb")
    for path in (folder / "pyproject.toml", folder / "README.md", *notebooks):
        text = path.read_text(encoding="utf-8")
        if old in text and old != repository:
            paths.write_atomically(path, text.replace(old, repository).encode())
            changed += 1
    return f"{changed} files now point at {repository}."
