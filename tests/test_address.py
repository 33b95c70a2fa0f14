from __future__ import annotations

from pathlib import Path

import pytest

from qhelpers.cli import address, main


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    (tmp_path / "notebooks").mkdir()
    line = 'Repository = "https://github.com/old-owner/old.name"\n'
    (tmp_path / "pyproject.toml").write_text(f"[project.urls]\n{line}")
    (tmp_path / "README.md").write_text("[badge](https://host/gh/old-owner/old.name/main)")
    (tmp_path / "notebooks" / "00_a.ipynb").write_text('"github.com/old-owner/old.name/blob"')
    (tmp_path / "notebooks" / "01_b.ipynb").write_text('"nothing to change"')
    return tmp_path


def test_every_link_follows(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(address.paths, "clone", lambda: clone)
    assert main.main(["address", "new/course"]) == 0
    assert address.current(clone) == "new/course"
    assert (clone / "README.md").read_text() == "[badge](https://host/gh/new/course/main)"
    assert "new/course/blob" in (clone / "notebooks" / "00_a.ipynb").read_text()
    assert address.change("new/course") == "0 files now point at new/course."


@pytest.mark.parametrize("bad", ["", "course", "a/b/c", "https://github.com/a/b", "a b/c"])
def test_a_malformed_address_changes_nothing(
    clone: Path, bad: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(address.paths, "clone", lambda: clone)
    before = (clone / "README.md").read_text()
    assert main.main(["address", bad]) == 1
    assert "OWNER/NAME" in capsys.readouterr().err
    assert (clone / "README.md").read_text() == before


def test_without_a_clone_or_without_the_line(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (clone / "pyproject.toml").write_text("[project]\n")
    with pytest.raises(ValueError, match="has no line"):
        address.current(clone)
    monkeypatch.setattr(address.paths, "clone", lambda: None)
    with pytest.raises(ValueError, match="clone"):
        address.change("new/course")
