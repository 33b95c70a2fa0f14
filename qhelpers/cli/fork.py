"""The repository's address: written in pyproject.toml, followed by every badge and link."""

from __future__ import annotations

import re
from pathlib import Path

from qhelpers import paths

_LINE = re.compile(r'^Repository = "https://github\.com/([^/"\s]+/[^/"\s]+)"$', re.MULTILINE)
_VALID = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*/[A-Za-z0-9._-]+")


def current(root: Path | None = None) -> str:
    """Return the repository as "owner/name", read from `pyproject.toml` in `root`.

    Raises:
        ValueError: there is no clone, or no such line in it.
    """
    found = _LINE.search((_root(root) / "pyproject.toml").read_text(encoding="utf-8"))
    if not found:
        raise ValueError('pyproject.toml has no line Repository = "https://github.com/OWNER/NAME".')
    return found.group(1)


def change(repository: str, root: Path | None = None) -> str:
    """Replace the repository's address in pyproject.toml, the README and every notebook.

    Args:
        repository: "owner/name" on GitHub.
        root: the clone; by default the one that this package runs from.

    Returns:
        A sentence that says how many files changed.

    Raises:
        ValueError: `repository` is not of that form, or there is no clone.
    """
    if not _VALID.fullmatch(repository):
        raise ValueError(f"expected OWNER/NAME as on GitHub; got {repository!r}.")
    folder, old = _root(root), current(root)
    files = [folder / "pyproject.toml", folder / "README.md"]
    changed = 0
    for path in [*files, *sorted((folder / "notebooks").glob("*.ipynb"))]:
        text = path.read_text(encoding="utf-8")
        pointed = text.replace(old, repository)
        if pointed != text:
            paths.write_atomically(path, pointed.encode())
            changed += 1
    return f"{changed} files now point at {repository}."


def _root(root: Path | None) -> Path:
    folder = root or paths.clone()
    if folder is None:
        raise ValueError("this works in a clone of the course only.")
    return folder
