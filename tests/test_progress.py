from __future__ import annotations

import io
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from course_files import ROOT

from qhelpers import progress as reports
from qhelpers.cli import main, refresh
from qhelpers.notebook import lesson
from qhelpers.notebook import progress as module
from qhelpers.progress import progress

nbformat = pytest.importorskip("nbformat")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def no_bar_before_or_after(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("QHELPERS_PROGRESS", raising=False)
    reports.install(None)
    yield
    reports.install(None)


def test_nothing_is_shown_before_a_bar_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    with progress(3, "Work") as advance:
        advance()
    assert stream.getvalue() == ""


def test_the_command_line_and_a_lesson_install_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert main.main(["address", "not an address"]) == 1
    assert reports._bar is module.terminal_bar
    reports.install(None)
    lesson.start("00_start_here")
    assert reports._bar is module.terminal_bar


def test_shows_nothing_where_stderr_is_no_terminal(
    capfd: pytest.CaptureFixture[str],
) -> None:
    module.install()
    with progress(3, "Work") as advance:
        advance()
        advance(2, text="done")
    assert capfd.readouterr() == ("", "")


def test_terminal_bar_is_shown_and_wiped(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    module.install()
    with progress(4, "Work") as advance:
        for part in range(4):
            advance(text=f"part {part}")
            time.sleep(0.11)
    shown = stream.getvalue()
    assert "Work:" in shown
    assert "part 3" in shown
    assert shown.rsplit("\r", 2)[-2].strip() == ""
    assert "\n" not in shown


def test_bar_can_be_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("QHELPERS_PROGRESS", "0")
    module.install()
    with progress(4, "Work") as advance:
        advance()
    assert stream.getvalue() == ""


class Screen:
    """Stands for IPython.display: keeps what a cell would show."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        display = pytest.importorskip("IPython.display")
        self.shown: list[dict[str, str]] = []
        monkeypatch.setattr(display, "display", self.display)
        monkeypatch.delattr(display, "clear_output")
        reports.install(module.notebook_bar)

    def display(self, data: dict[str, str], **_: Any) -> Screen:
        self.shown.append(data)
        return self

    update = display


def test_notebook_bar_is_throttled_and_emptied(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Screen(monkeypatch)
    begin = time.monotonic()
    with progress(2000, "Work <1>") as advance:
        while time.monotonic() - begin < 0.35:
            advance(text="epoch 1 & 2")
    assert 3 <= len(screen.shown) <= 6
    *_, last, emptied = screen.shown
    assert emptied == {"text/plain": ""}
    assert "<progress" in last["text/html"]
    assert "Work &lt;1&gt;" in last["text/html"]
    assert "epoch 1 &amp; 2" in last["text/html"]


def test_notebook_bar_says_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SECONDS_BETWEEN_UPDATES", 0)
    screen = Screen(monkeypatch)
    with progress(8, "Work") as advance:
        advance(2)
        advance(4)
        advance(400)
    assert [data["text/plain"] for data in screen.shown] == [
        "Work · 0%",
        "Work · 25%",
        "Work · 75%",
        "Work · 100%",
        "",
    ]


def test_notebook_bar_is_emptied_by_an_error_too(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Screen(monkeypatch)
    with pytest.raises(KeyboardInterrupt), progress(3, "Work"):
        raise KeyboardInterrupt
    assert screen.shown[-1] == {"text/plain": ""}


def test_nothing_to_do_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Screen(monkeypatch)
    with progress(0, "Work") as advance:
        advance()
    assert screen.shown[0]["text/plain"] == "Work · 100%"


CELL = """\
import time, warnings
from qhelpers.notebook import progress as bars
from qhelpers.progress import progress
bars.install()
print('Data: the small digits.')
with progress(3, 'Work') as advance:
    for _ in range(3):
        time.sleep(0.12); advance()
print('after')
"""


def test_bar_leaves_what_the_cell_has_said(monkeypatch: pytest.MonkeyPatch) -> None:
    nbclient = pytest.importorskip("nbclient")
    cell = nbformat.v4.new_code_cell(CELL)
    notebook = nbformat.v4.new_notebook(cells=[cell])
    client = nbclient.NotebookClient(notebook, timeout=60)
    seen: list[str] = []
    record = client.process_message

    def spy(message: dict[str, Any], *rest: Any) -> Any:
        seen.append(message["msg_type"])
        return record(message, *rest)

    monkeypatch.setattr(client, "process_message", spy)
    first, bar, last = client.execute().cells[0].outputs
    assert (first.text, last.text) == ("Data: the small digits.\n", "after\n")
    assert bar.data == {"text/plain": ""}
    assert seen.count("display_data") == 1
    assert seen.count("update_display_data") == 4
    assert "clear_output" not in seen
    refresh.tidy(notebook)
    (only,) = notebook.cells[0].outputs
    assert only.text == "Data: the small digits.\nafter\n"


def test_nbval_finds_the_stored_cell_unchanged(tmp_path: Path) -> None:
    said = "Data: the small digits.\nafter\n"
    cell = nbformat.v4.new_code_cell(CELL, execution_count=1)
    cell.outputs = [nbformat.v4.new_output("stream", name="stdout", text=said)]
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), tmp_path / "one.ipynb")
    (tmp_path / "conftest.py").write_text((ROOT / "conftest.py").read_text("utf-8"), "utf-8")
    options = ["-q", "-p", "no:cacheprovider", "--nbval", "--nbval-current-env", "one.ipynb"]
    command = [sys.executable, "-m", "pytest", *options]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_kernel_shows_the_bar_of_notebooks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "kernel", lambda: object())
    module.install()
    assert reports._bar is module.notebook_bar
