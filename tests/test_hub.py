"""`make hub` sees what a learner would see: a cell that fails, a kernel that dies, a lost line."""

from __future__ import annotations

import json
from typing import Any

import pytest
import websocket
from course_files import NAMES, read
from hub import run
from jupyter_client import session
from nbformat.v4 import new_code_cell

OK, ERROR = {"status": "ok"}, {"status": "error", "ename": "ClaimError", "evalue": "✗ smaller"}
BUSY, IDLE = {"execution_state": "busy"}, {"execution_state": "idle"}
PRINTED = {"name": "stdout", "text": "✓ smaller\n"}
DEAD = {"execution_state": "restarting"}


class Kernel:
    """The websocket of a kernel that answers from a list; "other" answers somebody else."""

    def __init__(self, *answers: tuple[str, dict[str, Any]]) -> None:
        self.answers = list(answers)
        self.asked = ""

    def send(self, frame: str) -> None:
        self.asked = json.loads(frame)["header"]["msg_id"]

    def recv(self) -> str:
        if not self.answers:
            raise websocket.WebSocketTimeoutException
        kind, content = self.answers.pop(0)
        parent = {} if content is DEAD else {"msg_id": "x" if "other" in kind else self.asked}
        kind = kind.removeprefix("other ")
        message = {"header": {"msg_type": kind}, "msg_type": kind, "parent_header": parent}
        return json.dumps(message | {"metadata": {}, "content": content})


def executed(kernel: Kernel, *tags: str) -> list[Any]:
    cell = new_code_cell("claim(...)", metadata={"tags": list(tags)})
    run.execute(cell, kernel, session.Session())
    outputs: list[Any] = cell.outputs
    return outputs


def test_a_cell_is_done_when_it_has_its_reply_and_the_kernel_is_idle() -> None:
    before = [("other execute_reply", ERROR), ("other status", IDLE), ("status", BUSY)]
    late = Kernel(*before, ("execute_reply", OK), ("stream", PRINTED), ("status", IDLE))
    assert [output.text for output in executed(late)] == ["✓ smaller\n"]
    assert not late.answers


@pytest.mark.parametrize(
    ("answers", "says"),
    [
        ([("status", IDLE), ("execute_reply", ERROR)], "ClaimError: ✗ smaller"),
        ([("status", BUSY), ("status", DEAD)], "the kernel died"),
        ([("status", BUSY), ("execute_reply", OK)], "Timeout"),
    ],
)
def test_what_goes_wrong_in_a_cell_is_said(answers: list[Any], says: str) -> None:
    with pytest.raises(run.LearnerError, match=says) as raised:
        executed(Kernel(*answers))
    assert "`claim(...)`" in str(raised.value)


def test_a_cell_that_is_marked_may_raise() -> None:
    assert executed(Kernel(("status", IDLE), ("execute_reply", ERROR)), "raises-exception") == []


def test_a_failure_is_counted_in_its_row() -> None:
    learners = [run.Learner("ada", "http://hub"), run.Learner("ben", "http://hub")]
    with learners[0].doing("03"):
        pass
    with learners[1].doing("03"):
        raise run.LearnerError("`claim(...)`: the kernel died")
    assert learners[1].failures == ["ben, 03: LearnerError: `claim(...)`: the kernel died"]
    assert [run.row(learners, "03")[i] for i in (0, 1, -1)] == ["03", 2, 1]


@pytest.mark.parametrize("name", NAMES)
def test_the_set_up_of_each_lesson_is_found(name: str) -> None:
    sources = [cell.source for cell in run.set_up(read(name)) if cell.cell_type == "code"]
    assert any("from qhelpers" in source for source in sources)
