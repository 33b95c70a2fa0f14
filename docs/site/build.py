"""Builds the web site and checks that it needs nothing from outside: `make site`.

Pages are made by Sphinx (`conf.py`); MathJax is fetched from npm once and kept in `generated/npm`.
Where QHELPERS_SITE_NOTEBOOKS names a folder of executed notebooks, as `make run` does, the site
shows their outputs, and goes to `site` in that folder; only pages that have changed are made anew.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).resolve().parents[2]
RUN = os.environ.get("QHELPERS_SITE_NOTEBOOKS")
SITE = Path(RUN or ROOT / "generated").resolve() / "site"
NPM = ROOT / "generated" / "npm"
VERSIONS = {"mathjax": "3.2.2", "reveal.js": "5.2.1"}
# What a page loads by itself. Links that a reader may follow may lead outside.
LOADS = {"script": "src", "link": "href", "img": "src", "source": "src", "iframe": "src"}
LOADED_BY_SCRIPT = re.compile(
    r"""(?:url\(|@import |import\(|import )["']?((?:https?:)?//[^"')\s]+)"""
)


def fetched(package: str) -> Path | None:
    """Return the folder of a JavaScript package, from npm where it is not here yet, else None."""
    folder = NPM / "node_modules" / package
    if not folder.exists():
        wanted = f"{package}@{VERSIONS[package]}"
        command = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts"]
        command += ["--fetch-retries=0", "--fetch-timeout=20000"]
        try:
            if os.environ.get("QHELPERS_OFFLINE") == "1":
                raise OSError("QHELPERS_OFFLINE is set")
            NPM.mkdir(parents=True, exist_ok=True)
            subprocess.run([*command, "--prefix", str(NPM), wanted], check=True, timeout=300)
        except (OSError, subprocess.SubprocessError) as error:
            print(f"{wanted} could not be fetched with npm ({error}).")
            return None
    return folder


class Page(HTMLParser):
    """One page: its anchors, what it links to, what it loads by itself, figures without words."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.silent: list[str] = []
        text = path.read_text(encoding="utf-8")
        self.feed(text)
        self.loads += LOADED_BY_SCRIPT.findall(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take note of one element."""
        has = {name: value or "" for name, value in attrs}
        self.ids |= {has[name] for name in ("id", "name") if name in has}
        if tag == "a" and "href" in has:
            self.links.append(has["href"])
        if LOADS.get(tag) in has and has.get("rel") not in ("canonical", "next", "prev", "search"):
            self.loads.append(has[LOADS[tag]])
        if tag == "img" and not has.get("alt"):
            self.silent.append(has.get("src", ""))


def faults(site: Path) -> list[str]:
    """Return what is wrong with the pages in a folder, one line each.

    Something is loaded from outside, or is not there; a link or an anchor leads nowhere; a figure
    has no description.
    """
    pages = {
        path: Page(path) for path in sorted(site.rglob("*.html")) if path.parent.name != "_static"
    }
    found = []
    for sheet in site.rglob("*.css"):
        outside = LOADED_BY_SCRIPT.findall(sheet.read_text(encoding="utf-8"))
        found += [f"{sheet.relative_to(site)} loads {target}" for target in outside]
    for path, page in pages.items():
        here = path.relative_to(site)
        found += [f"{here}: no words for the figure {source}" for source in page.silent]
        for target in {*page.loads, *page.links}:
            parts = urlsplit(target)
            if parts.scheme or parts.netloc:
                if target in page.loads and parts.scheme != "data":
                    found.append(f"{here} loads {target}")
                continue
            file = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not file.is_file():
                found.append(f"{here}: {target} is not there")
            elif (
                parts.fragment and file in pages and unquote(parts.fragment) not in pages[file].ids
            ):
                found.append(f"{here}: {target} has no such anchor")
    return found


def main() -> int:
    """Build, check and say where the site is; arguments go to Sphinx."""
    mathjax = fetched("mathjax")
    if not RUN:
        shutil.rmtree(SITE, ignore_errors=True)  # pages of an earlier build
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-c", "docs/site"]
    trees = ["-d", str(SITE.parent / "doctrees"), *([] if RUN else ["-E"])]
    done = subprocess.run([*command, *trees, *sys.argv[1:], str(ROOT), str(SITE)], cwd=ROOT)
    if done.returncode:
        return done.returncode
    handout = (ROOT / "docs" / "teach" / "handout.html").read_text(encoding="utf-8")
    handout = re.sub(r'href="([^":]+)\.(?:ipynb|md)', r'href="\1.html', handout)
    (SITE / "docs" / "teach" / "handout.html").write_text(handout, encoding="utf-8")
    if mathjax:
        place = SITE / "_static" / "mathjax"
        place.mkdir(exist_ok=True)
        shutil.copy(mathjax / "es5" / "tex-svg-full.js", place)
    wrong = [fault for fault in faults(SITE) if mathjax or "mathjax" not in fault]
    print("\n".join(wrong))
    if not mathjax:
        print("The site has no MathJax: formulas are shown as they are written, in TeX.")
    size = sum(path.stat().st_size for path in SITE.rglob("*") if path.is_file())
    print(f"{SITE / 'index.html'}: {size / 1e6:.0f} MB, opens from a folder, without network")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
