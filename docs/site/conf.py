"""The course as a web site, from the stored outputs: `make site`."""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import sys
from pathlib import Path
from typing import Any

from qhelpers.cli import address

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(Path(__file__).parent))  # words.py

project = "Quantization, byte for byte"
author = "the course's authors"
release = importlib.metadata.version("qhelpers")
root_doc = "docs/index"
include_patterns = ["docs/**", "notebooks/*.ipynb", "deploy/README.md"]
# The walk through the folders stops at these.
exclude_patterns = ["docs/site", "**/.ipynb_checkpoints", ".*", "generated", "build", "tests"]
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "words"]

# Notebooks: shown as they are stored, which the tests compare with what they compute.
nb_execution_mode = "off"
nb_ipywidgets_js: dict[
    str, dict[str, str]
] = {}  # sliders need a kernel; their first frame is shown
myst_enable_extensions = ["dollarmath", "amsmath", "colon_fence"]
myst_heading_anchors = 4

# The package from its docstrings. Frameworks are not needed to read those.
autodoc_mock_imports = [
    "ai_edge_litert",
    "gguf",
    "keras",
    "litert_quantizer",
    "magika",
    "onnx",
    "onnxruntime",
    "tensorflow",
    "tflite_micro",
    "torch",
    "torchao",
    "torchvision",
]
autodoc_default_options = {"members": True, "show-inheritance": False}
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_preserve_defaults = True
napoleon_use_ivar = True  # fields that a docstring names are no second description
default_role = "code"

html_theme = "sphinx_book_theme"
html_title = project
html_static_path = ["static"]
html_css_files = ["course.css"]
html_js_files = ["course.js"]
html_extra_path = ["top"]  # index.html, which leads to docs/index.html
html_copy_source = False
html_show_sourcelink = False
# A page opened from a folder may fetch no other, as the excerpts in search results would have it.
html_show_search_summary = False
# `docs/site/build.py` puts it there: one file, glyphs and all, so that no font has to be found.
mathjax_path = "mathjax/tex-svg-full.js"
html_theme_options = {
    "repository_url": f"https://github.com/{address.current(ROOT)}",
    "use_repository_button": True,
    "use_download_button": False,
    "show_toc_level": 2,
    "home_page_in_toc": True,
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}

_BADGE = re.compile(r"\[!\[([^\]]*)\]\([^)]*\)\]")
_README = re.compile(r"(\]\((?:\.\./)*)\.\./README\.md")
_HANDOUT = re.compile(r"\[([^\]]*)\]\(((?:teach/)?handout\.html)\)")


def prepare(app: Any, name: str, source: list[str]) -> None:
    """Make a page fit for a site: badges as words, figures with their descriptions.

    Where a run has executed a copy of a lesson, and the lesson is still the same, outputs are its.
    """
    if not name.startswith("notebooks/"):  # what the README says is in docs/run.md
        source[0] = _HANDOUT.sub(r'<a href="\2">\1</a>', _README.sub(r"\1run.md", source[0]))
        return
    app.env.note_dependency("docs/glossary.md")  # which it links
    notebook, copy = json.loads(source[0]), executed(name)
    if copy:
        app.env.note_dependency(str(copy))
        run = json.loads(copy.read_text("utf-8"))
        if [c["source"] for c in run["cells"]] == [c["source"] for c in notebook["cells"]]:
            notebook = run
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            cell["source"] = _BADGE.sub(r"[\1]", "".join(cell["source"]))
        for output in cell.get("outputs", []):
            if "image/png" in output.get("data", {}):
                said = output["metadata"].get("image/png", {}).get("alt", "a figure")
                cell["metadata"]["mystnb"] = {"image": {"alt": said}}
    source[0] = json.dumps(notebook)


def executed(name: str) -> Path | None:
    """Return a run's copy of a lesson, if there is one in the folder QHELPERS_SITE_NOTEBOOKS."""
    run = os.environ.get("QHELPERS_SITE_NOTEBOOKS")
    copy = Path(run or "") / f"{Path(name).name}.ipynb"
    return copy if run and copy.is_file() else None


def renewed(app: Any, env: Any, added: set[str], changed: set[str], removed: set[str]) -> list[str]:
    """Return the lessons that were executed after their pages were made; remove old pages."""
    for name in removed:
        Path(app.outdir, f"{name}.html").unlink(missing_ok=True)
    found = []
    for name in env.found_docs:
        copy, page = executed(name), Path(app.outdir, f"{name}.html")
        if copy and not (page.is_file() and page.stat().st_mtime > copy.stat().st_mtime):
            found.append(name)
    return found


def plain(app: Any, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """Let docstrings be read as they are written, not as reStructuredText.

    Stars and bars stand for themselves, [n, *shape] or |x|; a module's indented block is a table.
    """
    kept: list[str] = []
    for line in lines:
        table = what == "module" and line.startswith("    ")
        if table and kept[-1:] == [""]:
            kept += ["::", ""]
        escaped = re.sub(r"(`[^`]*`)|([*|])", lambda m: m[1] or rf"\{m[2]}", line)
        kept.append(line if table else escaped)
    lines[:] = kept


def setup(app: Any) -> None:
    """Let Sphinx call `prepare` for each page, `plain` for each docstring before napoleon does."""
    app.connect("source-read", prepare)
    app.connect("env-get-outdated", renewed)
    app.connect("autodoc-process-docstring", plain, priority=400)
