"""Installing without network: the offline kit, and what is said beforehand."""

from __future__ import annotations

import os
import platform
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

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


def test_before_installing_doctor_needs_nothing_but_python(kit: Path) -> None:
    done = make(kit, "doctor")
    assert done.returncode == 0, done.stdout
    for name in ("python", "disk", "memory"):
        assert f"OK    {name}" in done.stdout
    assert "not needed: 0 wheels are here" in done.stdout
    assert not (kit / ".venv").exists()


def test_a_network_that_hangs_is_named_and_costs_no_environment(
    kit: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(kit / "wheels")
    (kit / ".venv" / "bin").mkdir(parents=True)
    (kit / ".venv" / "bin" / "jupyter").touch()
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    with socket.socket() as silent:  # takes connections and never answers
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{silent.getsockname()[1]}/simple")
        begin = time.monotonic()
        done = make(kit, "lab")
    assert time.monotonic() - begin < 20
    assert done.returncode != 0
    assert "FAIL  index" in done.stdout
    assert "offline kit" in done.stdout
    assert "touch .venv/.ready" in done.stdout
    assert (kit / ".venv" / "bin" / "jupyter").exists()


def test_a_busy_machine_is_not_taken_for_a_network_that_hangs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(ROOT / "scripts")
    import before_installing

    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    for load, seconds in ((0.1, 14), (2.0, 14), (15.0, 105)):
        monkeypatch.setattr(os, "getloadavg", lambda load=load: (load, 0.0, 0.0))
        assert before_installing.patience() == seconds


def test_too_little_room_is_said_before_installing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(ROOT / "scripts")
    import before_installing

    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=5e9))
    assert before_installing.main(["disk"]) == 0
    monkeypatch.setattr(sys, "platform", "linux")
    assert before_installing.main(["plain-disk"]) == 1
    assert "5.0 GB free (needs 8)" in capsys.readouterr().out
    monkeypatch.setattr(sys, "version_info", (3, 9, 1))
    assert before_installing.main(["python"]) == 1
    assert "The course needs Python 3.10 to 3.13" in capsys.readouterr().out
