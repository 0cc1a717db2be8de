"""Real easel processes on loopback: started with an environment, watched, and ended by their pids."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

import httpx2
from sqlalchemy import text

from server.adapters.sql.engines import Database, open_database
from server.adapters.sql.event_log import SqlEventLog
from server.adapters.sql.projects import SqlProjectStore
from server.domain.events import TERMINAL_EVENTS, TaskEvent
from server.domain.lifecycle import TRANSITIONS, TaskStatus
from server.domain.project import AuthMethod
from server.domain.types import TaskId
from server.entrypoints.opening import secret_box
from server.ports import Story
from server.services.projects import Credentials, create_project
from server.settings import Settings
from tests.serving import Easel

_T = TypeVar("_T")

SHORT = {"EASEL_LEASE_SECONDS": "3", "EASEL_HEARTBEAT_SECONDS": "1", "EASEL_STOP_SECONDS": "0.5"}
"""Times in which a test can wait for what takes half a minute in the field."""


def free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        return listener.getsockname()[1]


def eventually(what: Callable[[], _T], *, within: float = 20, every: float = 0.02) -> _T:
    """Return the first true value of `what`."""
    deadline = time.monotonic() + within
    while not (value := what()):
        assert time.monotonic() < deadline, f"not within {within} s"
        time.sleep(every)
    return value


def alive(pid: int) -> bool:
    """Whether the process runs; one that only waits to be buried does not."""
    try:
        return _stat(pid)[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def children_of(pid: int) -> list[int]:
    """The living children, by /proc."""
    found: list[int] = []
    for name in [path.name for path in Path("/proc").iterdir() if path.name.isdigit()]:
        try:
            state, parent = _stat(int(name))[:2]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(parent) == pid and state != "Z":
            found.append(int(name))
    return found


def _stat(pid: int) -> list[str]:
    """State, parent, …: what follows the name, which may hold spaces."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()


@dataclass
class Process:
    """One `easel` command, running."""

    popen: "subprocess.Popen[bytes]"
    log: Path
    seen: list[int] = field(default_factory=list)
    """Pids of engine children: killed at the end should they outlive their worker."""

    @property
    def pid(self) -> int:
        return self.popen.pid

    @property
    def said(self) -> str:
        return self.log.read_text(errors="replace")

    @property
    def child(self) -> int:
        """The pid of its engine child."""
        child = eventually(lambda: children_of(self.pid))[0]
        self.seen.append(child)
        return child

    def signal(self, number: signal.Signals) -> None:
        self.popen.send_signal(number)

    def ctrl_c(self) -> None:
        """What a terminal does: SIGINT to the whole foreground process group."""
        os.killpg(self.pid, signal.SIGINT)

    def kill(self) -> None:
        self.popen.kill()
        self.popen.wait()

    def wait(self, timeout: float = 20) -> int:
        try:
            return self.popen.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {timeout} s:\n{self.said}") from None

    def wait_for(self, words: str, within: float = 20) -> None:
        """Wait until its log says `words`."""

        def said() -> bool:
            assert self.popen.poll() is None or words in self.said, self.said
            return words in self.said

        eventually(said, within=within)


@dataclass
class Site:
    """A data folder, a database, and the processes that work on them."""

    folder: Path
    environment: dict[str, str]
    database: Database
    port: int
    processes: list[Process] = field(default_factory=list)

    @property
    def settings(self) -> Settings:
        return Settings(data_dir=self.folder)

    def start(self, command: str, *, inside: Sequence[str] = (), **settings: str) -> Process:
        """Start `easel COMMAND` in a process group of its own; `inside` is what its command begins with."""
        log = self.folder / f"{len(self.processes)}-{command}.log"
        with log.open("wb") as out:
            popen = subprocess.Popen(
                [*inside, sys.executable, "-m", "server.entrypoints.cli", command],
                env={**os.environ, **self.environment, **settings},
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        process = Process(popen, log)
        self.processes.append(process)
        return process

    def worker(self, **settings: str) -> Process:
        """Start a worker and wait until its engine is ready."""
        process = self.start("worker", **settings)
        process.wait_for("engine ready")
        return process

    def api(self, path: str = "/readyz", command: str = "api", within: float = 20, **settings: str) -> Process:
        """Start the API and wait until it answers."""
        process = self.start(command, **settings)

        def ready() -> bool:
            assert process.popen.poll() is None, process.said
            try:
                return httpx2.get(f"http://127.0.0.1:{self.port}{path}", trust_env=False).is_success
            except httpx2.TransportError:
                return False

        eventually(ready, within=within)
        return process

    def up(self, within: float = 20, **settings: str) -> Process:
        """Start everything in one process and wait until it can draw."""
        return self.api(command="up", within=within, **settings)

    def project(self, name: str, auth: AuthMethod = AuthMethod.KEY) -> Credentials:
        return create_project(SqlProjectStore(self.database), secret_box(self.settings), name, auth)

    def default_project(self) -> Credentials:
        """The one that `easel up` made."""
        made = json.loads((self.folder / "project.json").read_text())
        return Credentials(made["name"], made["apiKey"], made["apiSecret"])

    def client(self, credentials: Credentials | None = None) -> Easel:
        """A client of the running API."""
        return Easel(self.port, credentials or self.default_project(), self.database, self.settings)

    def story(self, task_id: int | str) -> Story:
        story = SqlEventLog(self.database).story(TaskId(int(task_id)))
        assert story is not None
        return story

    def status(self, task_id: int | str) -> TaskStatus:
        return self.story(task_id).task.status

    def ids_in(self, *statuses: TaskStatus) -> set[int]:
        """Every task in one of these statuses."""
        query = text("SELECT id, status FROM tasks")
        rows = self.database.read(lambda connection: connection.execute(query).all())
        return {row.id for row in rows if row.status in statuses}

    def wait_for_status(self, task_id: int | str, *statuses: TaskStatus, within: float = 30) -> None:
        eventually(lambda: self.status(task_id) in statuses, within=within)

    def wait_until_drawing(self, task_id: int | str, *, steps: int = 1) -> None:
        """Wait until the engine has reported a step."""

        def step() -> bool:
            progress = self.story(task_id).progress
            return progress is not None and progress.payload is not None and int(progress.payload["step"]) >= steps

        eventually(step)

    def close(self) -> None:
        children = [pid for process in self.processes for pid in {*process.seen, *children_of(process.pid)}]
        for process in self.processes:
            process.signal(signal.SIGCONT)
            process.kill()
        for pid in children:
            if alive(pid):
                os.kill(pid, signal.SIGKILL)
        self.database.close()


@contextmanager
def open_site(folder: Path, database_url: str = "", **settings: str) -> Generator[Site]:
    """Open a site; whatever is still running at its end is killed. Without a URL the database is the embedded one."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    environment = {
        **SHORT,
        "EASEL_DATA_DIR": str(folder),
        "EASEL_DATABASE_URL": database_url,
        "EASEL_PORT": str(port),
        "EASEL_ENGINE": "fake",
        "EASEL_FAKE": "step_ms=5",
        **settings,
    }
    site = Site(folder, environment, open_database(database_url or f"sqlite:///{folder / 'easel.db'}"), port)
    try:
        yield site
    finally:
        site.close()


def check_story(events: "tuple[TaskEvent, ...] | list[TaskEvent]") -> None:
    """What must hold for every log: no gap, legal moves only, at most one end and nothing after it."""
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    path = [TaskStatus(event.type.value) for event in events if event.type.value in set(TaskStatus)]
    assert path[0] is TaskStatus.QUEUE
    for before, after in pairwise(path):
        assert after in TRANSITIONS[before], path
    ends = [event.seq for event in events if event.type in TERMINAL_EVENTS]
    assert ends in ([], [len(events)])
    times = [event.at for event in events]
    assert times == sorted(times)


def ends(story: Story) -> int:
    """How many terminal events the log has, after checking it."""
    check_story(list(story.events))
    return sum(event.type in TERMINAL_EVENTS for event in story.events)
