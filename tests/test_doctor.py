from __future__ import annotations

import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from qhelpers import paths
from qhelpers.cli import doctor, main


def test_this_environment_is_fine(capsys: pytest.CaptureFixture[str], own_home: Path) -> None:
    assert main.main(["doctor"]) == 0
    out = capsys.readouterr().out
    assert "FAIL" not in out
    for name in ("Python", "numpy", "tensorflow", "ai-edge-litert", "torch", "torchvision"):
        assert f"OK    {name}" in out
    for name in ("torchao", "litert-quantizer", "memory free", "disk free", "write access"):
        assert f"OK    {name}" in out
    assert str(own_home) in out
    assert out.endswith("Everything is there.\n")
    assert not list(own_home.glob(".doctor*"))


def test_one_bad_line_fails_the_report(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = doctor.Check("something", False, "broken", "fix it")
    monkeypatch.setattr(doctor, "checks", lambda: iter([doctor.Check("x", True, "1"), bad]))
    assert main.main(["doctor"]) == 1
    out = capsys.readouterr().out
    assert "FAIL  something          broken\n      -> fix it" in out
    assert "Fix the lines" in out


@pytest.mark.parametrize(
    ("version", "ok"), [((3, 9), False), ((3, 10), True), ((3, 13), True), ((3, 14), False)]
)
def test_python_versions(
    version: tuple[int, int], ok: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "version_info", version)
    check = doctor.check_python()
    assert check.ok is ok
    assert check.found == f"{version[0]}.{version[1]}"


def test_packages_missing_too_old_and_not_for_this_machine() -> None:
    lines = [
        "no-such-package>=1",
        'no-such-extra>=2; extra == "torch"',
        "numpy>=999",
        'only-elsewhere>=1; sys_platform == "nowhere"',
        'for-developers-only; extra == "dev"',
    ]
    found = {check.name: check for check in doctor.check_packages(lines)}
    assert set(found) == {"no-such-package", "no-such-extra", "numpy"}
    assert not any(check.ok for check in found.values())
    assert "not installed" in found["no-such-package"].found
    assert 'pip install -e ".[torch]"' in found["no-such-extra"].advice
    assert ">=999" in found["numpy"].found


def test_plain_tensorflow_serves_for_the_cpu_build(monkeypatch: pytest.MonkeyPatch) -> None:
    def version(name: str) -> str:
        if name == "tensorflow":
            return "2.19.0"
        raise paths.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(paths.metadata, "version", version)
    (check,) = doctor.check_packages(["tensorflow-cpu>=2.18"])
    assert (check.name, check.ok) == ("tensorflow", True)


def test_too_little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    little = SimpleNamespace(virtual_memory=lambda: SimpleNamespace(available=1e9))
    monkeypatch.setitem(sys.modules, "psutil", little)
    check = doctor.check_memory()
    assert not check.ok
    assert "1.0 GB" in check.found


@pytest.mark.parametrize(
    ("limit", "found"), [("3500000000", "1.7 GB"), ("1500000000", "-0.3 GB"), ("max", "9.0 GB")]
)
def test_a_containers_limit_counts(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, limit: str, found: str
) -> None:
    machine = SimpleNamespace(virtual_memory=lambda: SimpleNamespace(available=9e9))
    monkeypatch.setitem(sys.modules, "psutil", machine)
    monkeypatch.setattr(doctor, "CGROUP", tmp_path)
    (tmp_path / "memory.max").write_text(f"{limit}\n")
    (tmp_path / "memory.current").write_text("2000000000\n")
    (tmp_path / "memory.stat").write_text("anon 1800000000\ninactive_file 200000000\nslab 5\n")
    assert doctor.check_memory().found.startswith(found)


def test_a_missing_psutil_is_a_line_and_not_a_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psutil", None)
    (check,) = [check for check in doctor.checks() if check.name == "memory free"]
    assert not check.ok
    assert ".[lab]" in check.advice


def test_too_little_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=1e8))
    assert not doctor.check_disk().ok


def test_a_home_that_cannot_be_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("QHELPERS_HOME", str(tmp_path / "file"))
    for check in (doctor.check_write_access(), doctor.check_disk()):
        assert not check.ok
        assert "QHELPERS_HOME" in check.advice


def test_bad_data_are_reported_with_the_reason(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("QHELPERS_DATA_DIR", str(tmp_path))
    check = doctor.check_data()
    assert not check.ok
    assert "QHELPERS_DATA_DIR" in check.advice
    assert paths.home().is_dir()
