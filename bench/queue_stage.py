"""What the queue is measured on: fresh databases, worker processes, and the time from submit to start."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from bench.queue_workers import register
from server.adapters.sql.engines import Database, open_database
from server.adapters.sql.schema import upgrade
from server.adapters.sql.wakeups import Role, open_wakeups
from server.domain.types import ProjectId
from tests.postgres import Cluster
from tests.stores import new_task, sql_stores

Submit = Callable[[], str]
_PATIENCE: Final = 300.0


class Workers:
    """Worker processes, and what they have started."""

    def __init__(self, kind: str, url: str, count: int) -> None:
        command = [sys.executable, "-m", "bench.queue_workers", kind, url]
        self._processes = [
            subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603 our own module
            for _ in range(count)
        ]
        self.started: dict[str, float] = {}
        self._changed = threading.Condition()
        for process in self._processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n", f"a {kind} worker did not start"
            threading.Thread(target=self._hear, args=(process.stdout,), daemon=True).start()

    def _hear(self, lines: "subprocess.IO[str]") -> None:
        for line in lines:
            name, at = line.split()
            with self._changed:
                self.started[name] = float(at)
                self._changed.notify_all()

    def wait(self, count: int) -> None:
        """Wait until so many tasks have been started."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self.started) >= count, _PATIENCE):
                raise RuntimeError(f"{len(self.started)} of {count} tasks were started")

    def end(self) -> None:
        """Kill the workers."""
        for process in self._processes:
            process.kill()
            process.wait()


@contextmanager
def crew(kind: str, url: str, count: int) -> Generator[Workers]:
    """Start workers for the block."""
    workers = Workers(kind, url, count)
    try:
        yield workers
    finally:
        workers.end()


@contextmanager
def easel_database(url: str) -> Generator[Database]:
    """Open a database and give it the schema."""
    database = open_database(url)
    try:
        upgrade(database)
        yield database
    finally:
        database.close()


@contextmanager
def easel_submit(database: Database) -> Generator[Submit]:
    """Return what queues one task as an API process does, and wakes the workers; it returns the task's token.

    Nobody is to be called back, as procrastinate calls nobody.
    """
    stores, wakeups = sql_stores(database), open_wakeups(database, Role.API, poll_only=False)
    project_id: ProjectId = stores.project().id

    def submit() -> str:
        token = stores.tasks.submit(new_task(project_id, callback_url="")).token
        wakeups.wake()
        return token

    try:
        yield submit
    finally:
        wakeups.close()


@contextmanager
def procrastinate_submit(url: str) -> Generator[Submit]:
    """Return what defers one job; it returns the job's name. The schema is made."""
    import procrastinate  # noqa: PLC0415 of the extra `bench`, which only two of the goals need

    app = procrastinate.App(connector=procrastinate.SyncPsycopgConnector(conninfo=url))
    defer = register(app)
    numbers = iter(range(10**9))

    def submit() -> str:
        name = f"job-{next(numbers)}"
        defer(name=name)
        return name

    with app.open():
        app.schema_manager.apply_schema()
        yield submit


def lifecycles(submit: Submit, workers: Workers, count: int, finished: Callable[[], int]) -> float:
    """Return how many tasks a second go the whole way, submitted one after another while the workers run."""
    begin = time.monotonic()
    for _ in range(count):
        submit()
    workers.wait(count)
    while finished() < count:
        time.sleep(0.01)
    return count / (time.monotonic() - begin)


def latencies(submit: Submit, workers: Workers, count: int, pause: float) -> list[float]:
    """Return the milliseconds from a submit's return to the task's start, each on an idle worker."""
    sent: dict[str, float] = {}
    for number in range(count):
        name = submit()
        sent[name] = time.time()
        workers.wait(number + 1)
        time.sleep(pause)
    return [max(0.0, workers.started[name] - at) * 1000 for name, at in sent.items()]


def sqlite_at(folder: Path) -> str:
    """Return the URL of a new SQLite file."""
    folder.mkdir(parents=True)
    return f"sqlite:///{folder / 'easel.db'}"


def postgres_in(cluster: Cluster) -> str:
    """Return the URL of a new PostgreSQL database."""
    return cluster.new_database()
