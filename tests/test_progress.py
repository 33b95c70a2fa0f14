from __future__ import annotations

import io
import sys
import time
from typing import Any

import pytest

from qhelpers.notebook import progress as module
from qhelpers.notebook.progress import progress

nbformat = pytest.importorskip("nbformat")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_shows_nothing_where_stderr_is_no_terminal(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with progress(3, "Work") as advance:
        advance()
        advance(2, text="done")
    assert capfd.readouterr() == ("", "")


def test_terminal_bar_is_shown_and_wiped(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    with progress(4, "Work") as advance:
        for part in range(4):
            advance(text=f"part {part}")
            time.sleep(0.11)
    shown = stream.getvalue()
    assert "Work:" in shown
    assert "part 3" in shown
    assert shown.rsplit("\r", 2)[-2].strip() == ""
    assert "\n" not in shown


@pytest.mark.parametrize(("variable", "show"), [("0", True), ("1", False)])
def test_bar_can_be_switched_off(
    monkeypatch: pytest.MonkeyPatch, variable: str, show: bool
) -> None:
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("QHELPERS_PROGRESS", variable)
    with progress(4, "Work", show) as advance:
        advance()
    assert stream.getvalue() == ""


class Screen:
    """Stands for IPython.display: keeps what a cell would show."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        display = pytest.importorskip("IPython.display")
        self.shown: list[dict[str, str]] = []
        self.cleared = 0
        monkeypatch.setattr(display, "display", self.display)
        monkeypatch.setattr(display, "clear_output", self.clear_output)
        monkeypatch.setattr(module, "_kind", lambda: module._Notebook)

    def display(self, data: dict[str, str], **_: Any) -> Screen:
        self.shown.append(data)
        return self

    update = display

    def clear_output(self) -> None:
        self.cleared += 1


def test_notebook_bar_is_throttled_and_cleared(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Screen(monkeypatch)
    begin = time.monotonic()
    with progress(2000, "Work <1>") as advance:
        while time.monotonic() - begin < 0.35:
            advance(text="epoch 1 & 2")
    assert 2 <= len(screen.shown) <= 5
    assert screen.cleared == 1
    last = screen.shown[-1]
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
    ]


def test_notebook_bar_is_cleared_by_an_error_too(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Screen(monkeypatch)
    with pytest.raises(KeyboardInterrupt), progress(3, "Work"):
        raise KeyboardInterrupt
    assert screen.cleared == 1


def test_nothing_to_do_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Screen(monkeypatch)
    with progress(0, "Work") as advance:
        advance()
    assert screen.shown[0]["text/plain"] == "Work · 100%"


def test_bar_leaves_nothing_in_an_executed_notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    nbclient = pytest.importorskip("nbclient")
    monkeypatch.delenv("PYTEST_VERSION", raising=False)
    monkeypatch.delenv("QHELPERS_PROGRESS", raising=False)
    cell = nbformat.v4.new_code_cell(
        "import time\n"
        "from qhelpers.notebook import progress as module\n"
        "assert module._kind() is module._Notebook\n"
        "with module.progress(3, 'Work') as advance:\n"
        "    for _ in range(3):\n"
        "        time.sleep(0.12); advance()\n"
        "print('after')"
    )
    client = nbclient.NotebookClient(nbformat.v4.new_notebook(cells=[cell]), timeout=60)
    seen: list[str] = []
    record = client.process_message

    def spy(message: dict[str, Any], *rest: Any) -> Any:
        seen.append(message["msg_type"])
        return record(message, *rest)

    monkeypatch.setattr(client, "process_message", spy)
    outputs = client.execute().cells[0].outputs
    assert [(output.output_type, output.text) for output in outputs] == [("stream", "after\n")]
    assert seen.count("display_data") == 1
    assert seen.count("update_display_data") == 3


def test_kernel_of_a_test_shows_no_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_in_kernel", lambda: True)
    monkeypatch.delenv("QHELPERS_PROGRESS", raising=False)
    monkeypatch.setenv("PYTEST_VERSION", "8")
    assert module._kind() is module._Silent
    monkeypatch.delenv("PYTEST_VERSION")
    assert module._kind() is module._Notebook
