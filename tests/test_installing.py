"""Installing without network: the offline kit, and what is said beforehand."""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from course_files import ROOT

HERE = "Python {}.{} on {} {}".format(*sys.version_info[:2], platform.system(), platform.machine())


@pytest.fixture
def kit(tmp_path: Path) -> Path:
    """Return a folder as an offline kit has it, without the wheels themselves."""
    for name in ("Makefile", "requirements.txt"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts")
    (tmp_path / "wheels").mkdir()
    (tmp_path / "wheels" / "FOR").write_text(f"{HERE}\n", encoding="utf-8")
    return tmp_path


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["make", *arguments, f"PYTHON={sys.executable}"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)


def test_a_kit_asks_no_index(kit: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (kit / "mnist").mkdir()
    with (kit / "Makefile").open("a", encoding="utf-8") as makefile:
        makefile.write("\nwhere:\n\t@echo $$QHELPERS_DATA_DIR\n")
    lines = make(kit, "-n", "lab").stdout.replace("\\\n", "").splitlines()
    installs = [line for line in lines if " pip install" in line]
    assert installs
    for line in installs:
        only_without = line.startswith('[ -n "wheels/FOR" ] ||')
        assert only_without or "--no-index" in line, line
    monkeypatch.delenv("QHELPERS_DATA_DIR", raising=False)
    assert make(kit, "-s", "where").stdout.strip() == str(kit / "mnist")
    monkeypatch.setenv("QHELPERS_DATA_DIR", "/elsewhere")  # who names a folder is obeyed
    assert make(kit, "-s", "where").stdout.strip() == "/elsewhere"


def test_a_kit_for_another_machine_says_so_and_installs_nothing(kit: Path) -> None:
    (kit / "wheels" / "FOR").write_text("Python 3.12 on Plan9 mips\n", encoding="utf-8")
    done = make(kit, "lab")
    assert done.returncode != 0
    assert f"This kit is for Python 3.12 on Plan9 mips; {sys.executable} is {HERE}" in done.stdout
    assert not (kit / ".venv").exists()
