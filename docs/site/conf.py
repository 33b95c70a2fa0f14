"""The course as a web site, from the stored outputs: `make site`."""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
from pathlib import Path
from typing import Any

from qhelpers.cli import address

ROOT = Path(__file__).resolve().parents[2]

project = "Quantization, byte for byte"
author = "the course's authors"
release = importlib.metadata.version("qhelpers")
root_doc = "docs/index"
include_patterns = ["docs/**", "notebooks/*.ipynb", "deploy/README.md"]
# The walk through the folders stops at these.
exclude_patterns = ["docs/site", "**/.ipynb_checkpoints", ".*", "generated", "build", "tests"]
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]

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

    Where `QHELPERS_SITE_NOTEBOOKS` names a folder, outputs are those of the copies in it.
    """
    if not name.startswith("notebooks/"):  # what the README says is in docs/run.md
        source[0] = _HANDOUT.sub(r'<a href="\2">\1</a>', _README.sub(r"\1run.md", source[0]))
        return
    run = Path(os.environ.get("QHELPERS_SITE_NOTEBOOKS", "")) / f"{Path(name).name}.ipynb"
    notebook = json.loads(run.read_text("utf-8") if run.is_file() else source[0])
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            cell["source"] = _BADGE.sub(r"[\1]", "".join(cell["source"]))
        for output in cell.get("outputs", []):
            if "image/png" in output.get("data", {}):
                said = output["metadata"].get("image/png", {}).get("alt", "a figure")
                cell["metadata"]["mystnb"] = {"image": {"alt": said}}
    source[0] = json.dumps(notebook)


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
    app.connect("autodoc-process-docstring", plain, priority=400)
