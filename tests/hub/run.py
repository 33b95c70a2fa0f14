"""`make hub`: learners on a real JupyterHub, all at once; how long, how much memory, what fails.

It fills a cache, starts a hub and its proxy as a user who may only read that cache, and lets every
learner log in, start a server, run lessons cell by cell, and come back after the server was culled.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import secrets
import shutil
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import nbformat
import psutil
import requests
import tabulate
import websocket
from course_files import ROOT, SOMEBODY, tags
from jupyter_client import jsonutil, session

from qhelpers.cli import run_notebooks

HUB, LIMIT = ROOT / "build" / "hub", 600.0  # seconds for a cell, or for a server to start
RUN, COURSE = HUB / "run", HUB / "run" / "course"
CONFIG = Path(__file__).with_name("jupyterhub_config.py")
EACH = 1.6  # GB for each learner when the number of learners is chosen: measured, and some spare
SERVER, BACK = "log in, server", "back after culling"


class LearnerError(Exception):
    """What a learner would report, in a line."""


def execute(cell: Any, kernel: Any, messages: session.Session) -> None:
    """Execute a cell over a kernel's websocket and keep its outputs.

    Raises:
        LearnerError: it raised and is not marked to, its kernel died, or nothing came back.
    """
    asked = messages.msg("execute_request", {"code": cell.source, "allow_stdin": False})
    kernel.send(json.dumps(asked | {"channel": "shell"}, default=jsonutil.json_default))
    first = cell.source.strip().partition("\n")[0]
    cell.outputs, reply, idle = [], None, False
    while reply is None or not idle:
        try:
            frame = kernel.recv()
        except websocket.WebSocketException as lost:
            raise LearnerError(f"`{first}`: {str(lost) or type(lost).__name__}") from lost
        if not isinstance(frame, str):  # a widget's, with a buffer
            continue
        got = json.loads(frame)
        kind, content = got["msg_type"], got["content"]
        if kind == "status" and content["execution_state"] in ("restarting", "dead"):
            raise LearnerError(f"`{first}`: the kernel died")
        if got["parent_header"].get("msg_id") != asked["header"]["msg_id"]:
            continue
        if kind == "execute_reply":
            reply = content
        elif kind == "status":
            idle = content["execution_state"] == "idle"
        elif kind in ("stream", "display_data", "execute_result", "error"):
            cell.outputs.append(nbformat.v4.output_from_msg(got))
    if reply["status"] != "ok" and "raises-exception" not in tags(cell):
        raise LearnerError(f"`{first}`: {reply.get('ename')}: {reply.get('evalue')}")


@dataclass
class Learner:
    """One of them: what was done, how long it took, what it took, what failed."""

    name: str
    hub: str
    web: requests.Session = field(default_factory=requests.Session)
    server: psutil.Process | None = None
    step: str = SERVER
    seconds: dict[str, float] = field(default_factory=dict)
    work: dict[str, float] = field(default_factory=dict)  # seconds of a processor
    memory: dict[str, tuple[int, ...]] = field(default_factory=dict)  # PSS, USS, RSS: peaks, bytes
    failures: list[str] = field(default_factory=list)

    @contextlib.contextmanager
    def doing(self, step: str) -> Iterator[None]:
        """Time a step; what goes wrong in it is this learner's failure."""
        self.step, begin, before = step, time.monotonic(), self.worked()
        try:
            yield
            self.seconds[step] = time.monotonic() - begin
            self.work[step] = self.worked() - before
        except Exception as wrong:
            self.failures.append(f"{self.name}, {step}: {type(wrong).__name__}: {wrong}")

    def ask(self, method: str, path: str, /, **body: Any) -> requests.Response:
        response = self.web.request(method, self.hub + path, json=body or None, timeout=LIMIT)
        response.raise_for_status()
        return response

    def log_in(self, password: str) -> None:
        self.ask("GET", "/hub/login")
        form = {"username": self.name, "password": password, "_xsrf": self.web.cookies["_xsrf"]}
        self.web.post(f"{self.hub}/hub/login", form, timeout=LIMIT).raise_for_status()
        self.web.headers["X-XSRFToken"] = self.web.cookies.get("_xsrf", path="/hub/") or ""
        token = self.ask("POST", f"/hub/api/users/{self.name}/tokens", note="hub").json()["token"]
        self.web = requests.Session()
        self.web.headers["Authorization"] = f"token {token}"

    def start_server(self, hub: psutil.Process) -> None:
        self.ask("POST", f"/hub/api/users/{self.name}/server")
        until = time.monotonic() + LIMIT
        while not (state := self.ask("GET", f"/hub/api/users/{self.name}").json())["server"]:
            if not state["pending"] or time.monotonic() > until:
                raise LearnerError("the server does not start")
            time.sleep(0.5)
        name = ("JUPYTERHUB_USER", self.name)
        self.server = next(c for c in hub.children() if name in c.environ().items())

    def stop_server(self) -> None:
        self.server = None
        self.ask("DELETE", f"/hub/api/users/{self.name}/server")
        while self.ask("GET", f"/hub/api/users/{self.name}").json()["servers"]:
            time.sleep(0.5)

    def lesson(self, path: Path, only_set_up: bool = False) -> None:
        """Open the learner's copy of a notebook as JupyterLab does, run it, save it, shut down."""
        own = f"/user/{self.name}/api"
        copy = f"{own}/contents/notebooks/{path.name}"
        notebook = nbformat.from_dict(self.ask("GET", copy).json()["content"])
        claims = run_notebooks.count_claims(notebook)
        where = {"path": f"notebooks/{path.name}", "name": path.name, "type": "notebook"}
        opened = self.ask("POST", f"{own}/sessions", **where, kernel={"name": "python3"}).json()
        messages = session.Session()
        channels = f"{own}/kernels/{opened['kernel']['id']}/channels"
        header = {"Authorization": self.web.headers["Authorization"]}
        address = self.hub.replace("http", "ws") + channels
        kernel = websocket.create_connection(address, timeout=LIMIT, header=header)
        try:
            for cell in set_up(notebook) if only_set_up else notebook.cells:
                if cell.cell_type == "code":
                    execute(cell, kernel, messages)
            held = run_notebooks.count_claims(notebook)
            if held != claims and not only_set_up:
                raise LearnerError(f"{held} claims held; the stored notebook has {claims}")
            self.ask("PUT", copy, type="notebook", content=notebook)
        finally:
            self.measure(last=True)
            kernel.close()
            self.ask("DELETE", f"{own}/sessions/{opened['id']}")

    def processes(self) -> list[psutil.Process]:
        """Return the server and its kernel."""
        with contextlib.suppress(psutil.Error):
            return [self.server, *self.server.children(recursive=True)] if self.server else []
        return []

    def worked(self) -> float:
        total = 0.0
        for process in self.processes():
            with contextlib.suppress(psutil.Error):
                total += sum(process.cpu_times()[:4])  # user and system, own and of its children
        return total

    def measure(self, last: bool = False) -> int:
        """Note the memory at this moment, at the `last` with the peak of RSS; return the PSS."""
        pss = uss = rss = 0
        for process in self.processes():
            with contextlib.suppress(psutil.Error):
                now = process.memory_full_info()
                pss, uss = pss + now.pss, uss + now.uss
                rss += run_notebooks.resident_peak(process.pid) if last else now.rss
        highest = self.memory.get(self.step, (0, 0, 0))
        self.memory[self.step] = tuple(map(max, highest, (pss, uss, rss)))
        return pss


def set_up(notebook: Any) -> list[Any]:
    """Return the cells of a notebook's section "Set up"."""
    heads = [i for i, cell in enumerate(notebook.cells) if cell.source.startswith("## ")]
    at = next(i for i in heads if notebook.cells[i].source.startswith("## Set up"))
    return list(notebook.cells[at : min(i for i in heads if i > at)])


def sums(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of each file below a folder."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def prepare(lessons: list[Path], count: int) -> None:
    """Fill the cache with what the lessons train, then let nobody write there; make the homes."""
    if RUN.exists():
        subprocess.run(["chmod", "-R", "u+w", RUN], check=True)
        shutil.rmtree(RUN)
    COURSE.mkdir(parents=True)
    command = [sys.executable, "-m", "qhelpers", "prepare", *(path.name[:2] for path in lessons)]
    subprocess.run(command, env=os.environ | {"QHELPERS_HOME": str(COURSE)}, check=True)
    subprocess.run(["chmod", "-R", "a-w", COURSE], check=True)
    for i in range(count):
        home = RUN / "homes" / f"learner{i}" / "notebooks"
        home.mkdir(parents=True)
        for path in lessons:
            shutil.copy(path, home)
    (RUN / "hub").mkdir()
    if os.getuid() == 0:
        subprocess.run(["chown", "-R", "65534:65534", RUN / "homes", RUN / "hub"], check=True)


@contextlib.contextmanager
def started(password: str) -> Iterator[tuple[str, psutil.Process]]:
    """Start a hub as a user who may not write the cache; yield its address and process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
    environment = os.environ | {
        "HUB_RUN": str(RUN),
        "HUB_URL": address,
        "HUB_PASSWORD": password,
        "HUB_PROXY": str(HUB / "proxy" / "node_modules" / ".bin" / "configurable-http-proxy"),
        "HOME": str(RUN / "hub"),
        "PYTHONPATH": os.pathsep.join([str(HUB / "site"), str(ROOT)]),
        "QHELPERS_HOME": str(COURSE),
        "QHELPERS_OFFLINE": "1",
    }
    command = [sys.executable, "-m", "jupyterhub", "--config", CONFIG]
    command = [*(SOMEBODY if os.getuid() == 0 else []), *command]
    with (RUN / "hub.log").open("w") as log:
        process = psutil.Popen(command, env=environment, cwd=RUN / "hub", stdout=log, stderr=log)
    try:
        until = time.monotonic() + LIMIT
        while True:
            with contextlib.suppress(requests.RequestException):
                if requests.get(f"{address}/hub/health", timeout=5).ok:
                    break
            if process.poll() is not None or time.monotonic() > until:
                sys.exit(f"the hub does not start: {RUN / 'hub.log'}")
            time.sleep(0.2)
        yield address, process
    finally:
        everything = process.children(recursive=True)
        process.terminate()
        _, left = psutil.wait_procs([process, *everything], timeout=60)
        for one in left:
            one.kill()


def run(users: int, lessons: list[Path], stagger: float) -> tuple[list[Learner], float]:
    """Let learners work at once; return them, and the most memory of all together, PSS in bytes."""
    password, totals = secrets.token_hex(), [0]
    with started(password) as (address, process), ThreadPoolExecutor(users) as pool:
        learners = [Learner(f"learner{i}", address) for i in range(users)]

        def watch() -> None:
            while True:
                totals.append(sum(learner.measure() for learner in learners))
                time.sleep(5)

        def work(learner: Learner) -> None:
            time.sleep(stagger * learners.index(learner))
            with learner.doing(SERVER):
                learner.log_in(password)
                learner.start_server(process)
                learner.measure()
            for path in lessons if learner.server else ():
                with learner.doing(path.name[:2]):
                    learner.lesson(path)

        def cull(learner: Learner) -> None:
            with learner.doing("culled"):
                learner.stop_server()

        def come_back(learner: Learner, step: str = f"{BACK}, all at once") -> None:
            with learner.doing(step):
                learner.start_server(process)
                learner.lesson(lessons[-1], only_set_up=True)

        threading.Thread(target=watch, daemon=True).start()
        list(pool.map(work, learners))
        list(pool.map(cull, learners))
        come_back(learners[0], f"{BACK}, alone")
        cull(learners[0])
        list(pool.map(come_back, learners))
    return learners, max(totals)


HEADS = ["what", "at once", "median s", "worst s", "processor s", "PSS", "USS", "RSS", "failures"]


def row(learners: list[Learner], step: str) -> list[Any]:
    """Return a step's row of the table: seconds, the processor's seconds, GB, failures."""
    done = [one for one in learners if step in one.seconds]
    took = [one.seconds[step] for one in done]
    work = [one.work[step] for one in done]
    columns = zip(*(one.memory[step] for one in done if step in one.memory), strict=True)
    gigabytes = [f"{max(column) / 1e9:.2f}" for column in columns]
    failed = sum(f"{one.name}, {step}: " in text for one in learners for text in one.failures)
    if not done:
        return [step, failed, *[""] * 6, failed]
    seconds = [statistics.median(took), max(took), statistics.median(work)]
    return [step, len(done) + failed, *(f"{s:.0f}" for s in seconds), *gigabytes, failed]


def main() -> int:
    parser = argparse.ArgumentParser(prog="make hub", description=__doc__.partition("\n")[0])
    parser.add_argument("--users", type=int, help="learners at once (default: what --memory holds)")
    parser.add_argument("--lessons", nargs="+", default=["00", "03", "06"], metavar="NN")
    parser.add_argument("--stagger", type=float, default=0, help="seconds from one to the next")
    parser.add_argument("--memory", type=float, help="GB that may be used (default: what is free)")
    chosen = parser.parse_args()
    room = chosen.memory or psutil.virtual_memory().available / 1e9
    users = chosen.users or max(1, int(room / EACH))
    if users * EACH > room:
        parser.error(f"{users} learners take up to {users * EACH:.0f} GB; there are {room:.0f}")
    lessons = run_notebooks.find(chosen.lessons)
    prepare(lessons, users)
    before, load = sums(COURSE), os.getloadavg()[0]
    learners, most = run(users, lessons, chosen.stagger)
    after = sums(COURSE)
    changed = sorted(name for name in before | after if before.get(name) != after.get(name))
    steps = [SERVER, *(path.name[:2] for path in lessons), f"{BACK}, alone", f"{BACK}, all at once"]
    rows = [row(learners, step) for step in steps]
    print(f"\n{tabulate.tabulate(rows, HEADS, 'github', disable_numparse=True)}\n")
    print(
        "GB of server and kernel, of the learner with the most: PSS and USS as seen every 5 s and"
    )
    print(f"after the last cell, RSS its peak. All together at most {most / 1e9:.1f} GB (PSS).")
    print(f"{date.today()}, {psutil.cpu_count()} processors, load average before: {load:.1f}")
    print(f"{len(before)} files in the cache, {len(changed)} changed or corrupt")
    failures = [text for learner in learners for text in learner.failures]
    print(*failures, *changed, f"{len(failures)} failures", sep="\n")
    return 1 if failures or changed else 0


if __name__ == "__main__":
    sys.exit(main())
