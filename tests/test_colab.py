"""`make colab` sees what every set-up cell installs, and can run it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from colab import check, run
from course_files import NAMES, ROOT
from nbformat import v4, write


@pytest.mark.parametrize("name", NAMES)
def test_each_set_up_cell_asks_for_the_package_and_leaves_no_name_open(name: str) -> None:
    package, *others = check.asked(ROOT / "notebooks" / f"{name}.ipynb")
    assert package.startswith("qhelpers")
    assert package.endswith(f" @ {ROOT.as_uri()}")
    assert not any("{" in other for other in others)


@pytest.mark.parametrize("last", ["print('the end')", "1 / 0"])
def test_a_run_says_what_was_printed_and_how_it_ended(tmp_path: Path, last: str) -> None:
    cells = [v4.new_code_cell(source) for source in ("print('✓ it holds')", last)]
    cells[0].outputs = [v4.new_output("stream", text="an old output")]
    write(v4.new_notebook(cells=cells), tmp_path / "a.ipynb")
    command = [sys.executable, "-c", run.DRIVER, "a.ipynb", "60"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    fine = last != "1 / 0"
    assert found["said"] == "✓ it holds\n" + ("the end\n" if fine else "")
    assert ("ZeroDivisionError" in found["error"]) is not fine
    assert bool(found["error"]) is not fine


def test_git_takes_the_address_for_a_copy_with_the_tag(tmp_path: Path) -> None:
    settings = run.source(tmp_path / "copy")
    notebook = (ROOT / "notebooks" / f"{NAMES[0]}.ipynb").read_text(encoding="utf-8")
    (asked,), (tag,) = (
        re.findall(pattern, notebook)
        for pattern in (r"git\+(https:[^\\]+)", r"\{source\}@([^\\]+)")
    )
    clone = ["git", "clone", "--filter=blob:none", "--branch", tag, asked, "as pip does"]
    given = os.environ | settings
    subprocess.run(clone, cwd=tmp_path, env=given, check=True, capture_output=True, timeout=60)
    lock = (tmp_path / "as pip does" / "requirements.txt").read_bytes()
    assert lock == (ROOT / "requirements.txt").read_bytes()
