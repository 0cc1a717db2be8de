"""The stage of an experiment: a database, a data folder, processes that fail, clients, and the judgement at the end."""

import os
import platform
import sqlite3
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from sqlalchemy import bindparam, func, literal, select, text

from server.adapters.files import LocalFiles
from server.adapters.sql.expressions import Now, is_one_of
from server.adapters.sql.fence import IS_LEASED
from server.adapters.sql.removals import SqlFileKeeper
from server.adapters.sql.schema import upgrade
from server.adapters.sql.tables import PROJECTS, TASKS, time_column
from server.domain.lifecycle import TERMINAL, TaskStatus
from server.services.projects import Credentials
from server.services.retention import collect_orphans
from tests.chaos.clients import Crowd, Mix
from tests.chaos.evidence import Evidence, check_database, read_files, read_logs, read_tasks
from tests.chaos.history import History, read_history
from tests.chaos.invariants import check
from tests.chaos.nemesis import Nemesis, Place
from tests.e2e.processes import Site, open_site
from tests.postgres import DURABLE, Cluster, running_cluster

ROOT = Path(__file__).parents[2]
LEASE = 3.0
_UNDER_TEST = ("server", "pipelines", "models", "migrations")
"""Results of one commit of these may be summed, whatever else has changed."""
_ENDED = ", ".join(f"'{status.value}'" for status in TERMINAL)
_COUNT = select(func.count()).select_from(TASKS)
_UNFINISHED = select(
    _COUNT.where(is_one_of(TASKS.c.status, [TaskStatus.QUEUE])).scalar_subquery()
    + _COUNT.where(IS_LEASED).scalar_subquery()
)
_PROJECTS = select(PROJECTS.c.id)
_ENDED_SINCE = select(
    sum(
        (
            _COUNT.where(
                TASKS.c.project_id.in_(_PROJECTS), TASKS.c[time_column(status)] > bindparam("at")
            ).scalar_subquery()
            for status in TERMINAL
        ),
        start=literal(0),
    )
)


@dataclass
class Stage:
    """Everything an experiment acts on."""

    site: Site
    credentials: Credentials
    history: History
    path: Path
    cluster: Cluster | None
    notes: dict[str, Any] = field(default_factory=dict)

    def count(self, where: str) -> int:
        query = text(f"SELECT count(*) FROM tasks WHERE {where}")
        return self.site.database.read(lambda connection: connection.execute(query).scalar_one())

    # What is looked at all the time reads an index: to count all tasks, ten times a second, slows what is measured.

    @property
    def unfinished(self) -> int:
        return self.site.database.read(lambda connection: connection.execute(_UNFINISHED).scalar_one())

    @property
    def now(self) -> float:
        """The database's clock."""
        return self.site.database.read(lambda connection: connection.execute(select(Now())).scalar_one())

    def ended_since(self, at: float) -> int:
        """Return how many tasks have ended after that moment of the database's clock."""
        return self.site.database.read(lambda connection: connection.execute(_ENDED_SINCE, {"at": at}).scalar_one())

    @property
    def ended(self) -> int:
        return self.count(f"status IN ({_ENDED})")

    def crowd(self, mix: Mix, seed: int) -> Crowd:
        return Crowd(self.site.port, self.credentials, self.history, mix, seed)

    def settle(self, nemesis: Nemesis, crowd: Crowd, within: float = 240) -> None:
        """Let everything come to its end without faults."""
        deadline = time.monotonic() + within
        while time.monotonic() < deadline and (crowd.submitting or self.unfinished or self._owed()):
            crowd.room(0)
            nemesis.look()
            time.sleep(0.2)
        crowd.wait_for_followers(60)

    def _owed(self) -> int:
        query = text("SELECT count(*) FROM webhooks WHERE next_at IS NOT NULL")
        return self.site.database.read(lambda connection: connection.execute(query).scalar_one())

    def evidence(self, nemesis: Nemesis | None = None, pictures: Path | None = None) -> Evidence:
        """Gather what a checker looks at. Every process must have ended. `pictures` is their folder, if elsewhere."""
        self.history.close()
        tasks, events, hooks = read_tasks(self.site.database)
        collect_orphans(SqlFileKeeper(self.site.database), LocalFiles(pictures or self.site.settings.files_folder), 0)
        files, orphans, aside = read_files(self.site.database, pictures or self.site.settings.files_folder)
        secrets = [self.credentials.api_key, *([self.credentials.api_secret] if self.credentials.api_secret else [])]
        secrets += [task.token for task in list(tasks.values())[:200]]
        grants, writes, faults, leaks = read_logs(self.site.folder.glob("*.log"), secrets)
        return Evidence(
            tasks=tasks,
            events=events,
            files=files,
            hooks=hooks,
            history=read_history(self.path),
            grants=grants,
            writes=writes,
            faults=faults,
            orphans=orphans,
            aside=aside,
            leaks=leaks,
            damage=check_database(self.site.database),
            engines=nemesis.engines if nemesis else (),
            strays=nemesis.strays if nemesis else (),
        )

    def stop(self, places: list[Place]) -> None:
        """Stop every process in good order."""
        for place in places:
            if place.process is not None and place.process.popen.poll() is None:
                place.process.popen.terminate()
        for place in places:
            if place.process is not None:
                try:
                    place.process.popen.wait(30)
                except subprocess.TimeoutExpired:
                    place.process.kill()


@contextmanager
def stage(kind: str, database_folder: Path | None = None, **settings: str) -> Iterator[Stage]:
    """Open a stage on `sqlite` or `postgres`, in the system's temporary folder (TMPDIR=/dev/shm is quickest).

    `database_folder` is where SQLite's file lies, if elsewhere.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="easel-chaos-")))
        cluster = None
        if kind == "postgres":
            cluster = stack.enter_context(running_cluster(DURABLE))
            url = cluster.new_database()
        else:
            url = f"sqlite:///{(database_folder or folder) / 'easel.db'}"
        short = {
            "EASEL_LEASE_SECONDS": f"{LEASE:g}",
            "EASEL_HEARTBEAT_SECONDS": "1",
            "EASEL_QUEUE_LIMIT": "0",
            "EASEL_QUEUE_LIMIT_TOTAL": "0",
            "EASEL_WEBHOOK_ALLOW": "127.0.0.0/8",
            "EASEL_FAKE": "step_ms=1",
            "EASEL_DRAIN_SECONDS": "2",
            **settings,
        }
        site = stack.enter_context(open_site(folder / "data", url, **short))
        upgrade(site.database)
        path = folder / "history.jsonl"
        yield Stage(site, site.project("chaos"), History(path), path, cluster)


def judge(evidence: Evidence) -> dict[str, Any]:
    """Return the verdict and the figures of a run."""
    wrong = check(evidence)
    tasks = evidence.tasks.values()
    return {
        "violations": {name: [len(found), *found[:10]] for name, found in wrong.items()},
        "tasks": len(evidence.tasks),
        "endings": Counter(f"{task.status} {task.pexit}".strip() for task in tasks),
        "attempts": Counter(str(task.attempt) for task in tasks),
        "events": sum(len(events) for events in evidence.events.values()),
        "pictures": len(evidence.files),
        "webhooks": len(evidence.hooks),
        "faults": dict(sorted(evidence.faults.items())),
        "writes": len(evidence.writes),
        "refused": Counter(write.verb for write in evidence.writes if write.refused),
        "answers": Counter(f"{line['op']} {line['kind']}" for line in evidence.history),
    }


def facts(kind: str, seed: int) -> dict[str, Any]:
    """Return what of code and machine a result depends on."""
    git = lambda *words: subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False).stdout  # noqa: E731
    return {
        "database": kind,
        "seed": seed,
        "commit": git("log", "-1", "--format=%h", "--abbrev=12", "--", *_UNDER_TEST).strip(),
        "changed": bool(git("status", "--porcelain", *_UNDER_TEST).strip()),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "packages": {name: version(name) for name in ("sqlalchemy", "psycopg", "fastapi", "uvicorn")},
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
    }
