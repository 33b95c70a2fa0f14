from __future__ import annotations

import os
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, writes

from qhelpers.cli import main, refresh, run_notebooks


def notebook_file(folder: Path, name: str, *sources: str) -> Path:
    cells = [new_markdown_cell("# Title"), *(new_code_cell(source) for source in sources)]
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(writes(new_notebook(cells=cells)))
    return path


def test_notebooks_are_found_in_order_and_by_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_notebooks.paths, "clone", lambda: tmp_path)
    with pytest.raises(FileNotFoundError, match="no notebooks in"):
        run_notebooks.find()
    (tmp_path / "notebooks").mkdir()
    for name in ("02_b.ipynb", "00_a.ipynb", "notes.ipynb", "10_c.ipynb"):
        (tmp_path / "notebooks" / name).touch()
    every = ["00_a.ipynb", "02_b.ipynb", "10_c.ipynb"]
    assert [path.name for path in run_notebooks.find()] == every
    assert [path.name for path in run_notebooks.find(["10", "0", "00"])] == every[::2]
    with pytest.raises(FileNotFoundError, match="no notebook 07; there are 00, 02, 10"):
        run_notebooks.find(["07"])


def test_a_run_counts_claims_and_leaves_the_notebook_as_it_was(tmp_path: Path) -> None:
    path = notebook_file(
        tmp_path / "notebooks",
        "00_fine.ipynb",
        "from qhelpers import claim\nclaim('one', True)\nprint('  ✓ not one')",
        "claim('two', 1 < 2, '1')",
        "block = bytearray(300_000_000)\nblock[::4096] = b'x' * len(block[::4096])",
        "del block",
    )
    before = path.read_bytes()
    result = run_notebooks.execute(path)
    assert result.error is None
    assert result.seconds > 0
    assert 300e6 < result.peak_bytes < 1.1e9
    assert path.read_bytes() == before
    assert "✓ two: 1" in result.content().decode()
    assert "2 claims held" in result.line()


def test_a_failing_cell_is_named(tmp_path: Path) -> None:
    path = notebook_file(tmp_path, "00_bad.ipynb", "a = 1", "b = 0\na / b", "never = 1")
    result = run_notebooks.execute(path)
    assert result.error == "cell [2] `b = 0`: ZeroDivisionError: division by zero"
    assert "failed" in result.line()


def test_a_kernel_that_dies_is_reported(tmp_path: Path) -> None:
    path = notebook_file(tmp_path, "00_dead.ipynb", "import os\nos._exit(1)")
    result = run_notebooks.execute(path)
    assert result.error is not None
    assert "kernel died" in result.error


def test_peak_memory_of_a_process() -> None:
    assert run_notebooks.resident_peak(os.getpid()) > 20e6
    assert run_notebooks.resident_peak(2**22 + 1) == 0


# A site that says what it was made of, and fails where a notebook did.
BUILDER = """\
import os, pathlib, sys
folder = pathlib.Path(os.environ["QHELPERS_SITE_NOTEBOOKS"])
texts = [path.read_text() for path in sorted(folder.glob("*.ipynb"))]
(folder / "site").write_text("".join(texts))
sys.exit("RuntimeError" in "".join(texts))
"""


def test_the_command_runs_chosen_notebooks_and_ends_with_scorecard_and_site(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    own_home: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    notebook_file(tmp_path / "notebooks", "00_one.ipynb", "1 + 1")
    notebook_file(tmp_path / "notebooks", "01_two.ipynb", "raise RuntimeError('no')")
    (tmp_path / "docs" / "site").mkdir(parents=True)
    (tmp_path / "docs" / "site" / "build.py").write_text(BUILDER)
    monkeypatch.setattr(run_notebooks.paths, "clone", lambda: tmp_path)
    assert main.main(["run", "00"]) == 0
    out = capsys.readouterr().out
    assert "00_one" in out
    assert "01_two" not in out
    assert "model  bytes" in out
    (stored,) = (own_home / "course").glob("*.ipynb")
    assert '"text/plain": [\n       "2"' in stored.read_text()
    assert (own_home / "course" / "site").read_text() == stored.read_text()
    assert main.main(["run"]) == 1
    out = capsys.readouterr().out
    assert "01_two.ipynb, cell [1] `raise RuntimeError('no')`: RuntimeError: no" in out
    assert main.main(["run", "9"]) == 1
    assert "there is no notebook 9" in capsys.readouterr().err


def test_a_run_says_what_the_site_needs_and_whether_it_failed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "docs" / "site").mkdir(parents=True)
    (tmp_path / "docs" / "site" / "build.py").write_text("raise SystemExit(1)")
    monkeypatch.setattr(run_notebooks.paths, "clone", lambda: tmp_path)
    assert not run_notebooks.build_site(tmp_path)
    needs = f'{tmp_path}. For web pages, in a clone of the course: pip install -e ".[site]"\n'
    monkeypatch.setattr(run_notebooks, "_SITE", ("sphinx", "no-such-package"))
    assert run_notebooks.build_site(tmp_path)
    assert needs in capsys.readouterr().out
    monkeypatch.setattr(run_notebooks, "_SITE", ("sphinx",))
    monkeypatch.setattr(run_notebooks.paths, "clone", lambda: None)
    assert run_notebooks.build_site(tmp_path)
    assert needs in capsys.readouterr().out


def test_prepare_fills_the_cache_and_says_how_learners_use_it(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    own_home: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    trained = "from qhelpers import paths\npaths.keep(paths.home() / 'models' / 'a.npz', b'net')"
    notebook_file(tmp_path / "notebooks", "00_one.ipynb", trained)
    notebook_file(tmp_path / "notebooks", "01_two.ipynb", "raise RuntimeError('no')")
    monkeypatch.setattr(run_notebooks.paths, "clone", lambda: tmp_path)
    assert main.main(["prepare", "00"]) == 0
    assert (own_home / "models" / "a.npz").read_bytes() == b"net"
    assert not (own_home / "course").exists()
    images = os.environ.get("QHELPERS_DATA_DIR")
    also = f" QHELPERS_DATA_DIR={images}" if images else ""
    assert f"QHELPERS_HOME={own_home}{also}\n" in capsys.readouterr().out
    assert main.main(["prepare"]) == 1
    assert "RuntimeError: no" in capsys.readouterr().out


def test_an_interrupt_is_said_and_not_thrown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(numbers: object) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr(run_notebooks, "run", interrupted)
    assert main.main(["run"]) == 130
    assert "interrupted" in capsys.readouterr().err


def test_refresh_stores_outputs_and_the_picture_and_keeps_what_fails(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    draw = "%matplotlib inline\nimport matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()"
    flush = "print('a', flush=True)\nprint('b', flush=True)"
    good = notebook_file(tmp_path / "notebooks", "00_good.ipynb", flush, draw)
    bad = notebook_file(tmp_path / "notebooks", "01_bad.ipynb", "1 / 0")
    before = bad.read_bytes()
    monkeypatch.setattr(run_notebooks.paths, "clone", lambda: tmp_path)
    monkeypatch.delenv("MPLBACKEND", raising=False)
    assert main.main(["refresh"]) == 1
    assert "01_bad: kept as it was, cell [1]" in capsys.readouterr().out
    assert bad.read_bytes() == before
    stored = nbformat.read(good, as_version=4)
    assert [o.text for o in stored.cells[1].outputs] == ["a\nb\n"]
    assert "execution" not in stored.cells[1].metadata
    picture = (tmp_path / "docs" / "picture.png").read_bytes()
    assert picture == refresh.first_picture(stored)
    assert picture.startswith(b"\x89PNG")
    with pytest.raises(ValueError, match="no figure"):
        refresh.first_picture(nbformat.read(bad, as_version=4))
