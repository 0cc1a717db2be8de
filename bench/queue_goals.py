"""The goals of the queue: what each is measured by, easel and its reference in the same run."""

import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psycopg
from sqlalchemy import event

from bench.goals import Bound, Figure
from bench.measuring import percentile
from bench.queue_stage import (
    crew,
    easel_database,
    easel_submit,
    latencies,
    lifecycles,
    postgres_in,
    procrastinate_submit,
    sqlite_at,
)
from server.adapters.sql.engines import Database
from server.domain.writes import Requeue
from tests.filling import fill
from tests.idle import idle_statements
from tests.postgres import Cluster
from tests.stores import MODEL, WORKER, engines_of, new_task, sql_stores

_PAUSE: Final = 0.15


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How much is measured."""

    repeats: int = 3
    submits: int = 1500
    tasks: int = 2000
    starts: int = 60
    queued: int = 100_000
    finished: int = 1_000_000
    claims: int = 300
    idle_seconds: float = 20.0


QUICK: Final = Scale(repeats=1, submits=50, tasks=15, starts=4, queued=500, finished=1000, claims=20, idle_seconds=3.0)


def submits(_cluster: Cluster, folder: Path, scale: Scale) -> Sequence[Figure]:
    """Q1: submits to SQLite through the store, and the same statements through the bare driver."""
    ours, bare = [], []
    for number in range(scale.repeats):
        with easel_database(sqlite_at(folder / f"q1-{number}")) as database:
            stores = sql_stores(database)
            project = stores.project()
            with _recorded(database) as statements:
                stores.tasks.submit(new_task(project.id))
            ours.append(_rate(scale.submits, lambda: stores.tasks.submit(new_task(project.id))))  # noqa: B023 at once
            with closing(sqlite3.connect(database.url.database or "", isolation_level=None)) as raw:
                raw.execute("PRAGMA synchronous = FULL")
                raw.execute("PRAGMA foreign_keys = ON")
                again = _Replay(raw, statements)
                bare.append(_rate(scale.submits, again))
    what = "SQLite: submits a second, and the same SQL through sqlite3"
    return [Figure(goal="Q1", what=what, unit="/s", ours=ours, reference=bare, ratio_bound=Bound(0.15, "higher"))]


def whole_lives(cluster: Cluster, _folder: Path, scale: Scale) -> Sequence[Figure]:
    """Q2: tasks a second through four workers, with a worker's commits or one after the claim; procrastinate's."""
    rates: dict[str, list[float]] = {"easel-short": [], "easel": [], "procrastinate": []}
    for _ in range(scale.repeats):
        for kind, found in rates.items():
            url = postgres_in(cluster)
            if kind == "procrastinate":
                with procrastinate_submit(url) as submit, crew(kind, url, 4) as workers:
                    found.append(lifecycles(submit, workers, scale.tasks, _counted(url, "procrastinate_jobs")))
            else:
                with easel_database(url) as database, easel_submit(database) as submit, crew(kind, url, 4) as workers:
                    found.append(lifecycles(submit, workers, scale.tasks, _counted(url, "tasks")))
            cluster.drop(url)
    return [
        Figure(
            goal="Q2",
            what=f"PostgreSQL, 4 workers: tasks a second, {what}; procrastinate",
            unit="/s",
            ours=rates[kind],
            reference=rates["procrastinate"],
            ratio_bound=bound,
        )
        for kind, what, bound in (
            ("easel-short", "submit, claim, end", Bound(2, "higher")),
            ("easel", "all nine states", None),
        )
    ]


def starts(cluster: Cluster, folder: Path, scale: Scale) -> Sequence[Figure]:
    """Q3 and Q4: how long an idle worker takes to start what was queued, on both databases; procrastinate's."""
    found: dict[str, list[list[float]]] = {"Q3": [], "Q4": [], "procrastinate": []}
    for number in range(scale.repeats):
        for goal, url in (("Q3", postgres_in(cluster)), ("Q4", sqlite_at(folder / f"q4-{number}"))):
            with easel_database(url) as database, easel_submit(database) as submit, crew("easel", url, 1) as workers:
                found[goal].append(latencies(submit, workers, scale.starts, _PAUSE))
        url = postgres_in(cluster)
        with procrastinate_submit(url) as submit, crew("procrastinate", url, 1) as workers:
            found["procrastinate"].append(latencies(submit, workers, scale.starts, _PAUSE))
    figures: list[Figure] = []
    for goal, where, most in (("Q3", "PostgreSQL", (10, 50)), ("Q4", "SQLite", (20, 100))):
        for share, name, must in ((0.5, "p50", most[0]), (0.99, "p99", most[1])):
            figures.append(
                Figure(
                    goal=goal,
                    what=f"{where}: submit to start on an idle worker, {name}; procrastinate on PostgreSQL",
                    unit="ms",
                    ours=[percentile(each, share) for each in found[goal]],
                    reference=[percentile(each, share) for each in found["procrastinate"]],
                    bound=Bound(must),
                )
            )
    return figures


def deep_claims(cluster: Cluster, folder: Path, scale: Scale) -> Sequence[Figure]:
    """Q5: a claim's p99 with many rows, and with a hundred."""
    figures: list[Figure] = []
    for where, url_of, must in (
        ("PostgreSQL", lambda name: postgres_in(cluster), 20),  # noqa: ARG005
        ("SQLite", lambda name: sqlite_at(folder / f"q5-{name}"), 50),
    ):
        times = {}
        for name, queued, finished in (("few", 100, 100), ("many", scale.queued, scale.finished)):
            with easel_database(url_of(name)) as database:
                fill(database, sql_stores(database).project().id, queued=queued, finished=finished)
                times[name] = [_claims(database, scale.claims) for _ in range(scale.repeats)]
        figures.append(
            Figure(
                goal="Q5",
                what=f"{where}: claim p99 at {scale.queued:,} queued and {scale.finished:,} finished; at 100 and 100",
                unit="ms",
                ours=times["many"],
                reference=times["few"],
                ratio_bound=Bound(2),
                bound=Bound(must),
            )
        )
    return figures


def idlers(cluster: Cluster, folder: Path, scale: Scale) -> Sequence[Figure]:
    """Q6: statements a second of an idle worker."""
    figures: list[Figure] = []
    for where, url in (("PostgreSQL", postgres_in(cluster)), ("SQLite", "")):
        rates = []
        for number in range(scale.repeats):
            asked = idle_statements(url, folder / f"q6-{where}-{number}", scale.idle_seconds)
            rates.append(len(asked) / scale.idle_seconds)
        what = f"{where}: statements a second of an idle worker"
        figures.append(Figure(goal="Q6", what=what, unit="/s", ours=rates, bound=Bound(2)))
    return figures


def _rate(count: int, act: Callable[[], object]) -> float:
    begin = time.monotonic()
    for _ in range(count):
        act()
    return count / (time.monotonic() - begin)


def _claims(database: Database, count: int) -> float:
    """Return the p99 of claims in milliseconds; what is claimed goes back, so that the queue stays as it was."""
    stores, times = sql_stores(database), []
    for _ in range(count):
        begin = time.monotonic()
        claimed = stores.tasks.claim(WORKER, [MODEL], 60)
        times.append((time.monotonic() - begin) * 1000)
        assert claimed is not None
        stores.tasks.write(claimed.lease, [Requeue(refund=True)])
    return percentile(times, 0.99)


def _counted(url: str, table: str) -> Callable[[], int]:
    done = "succeeded" if table == "procrastinate_jobs" else "task_postprocess_end"

    def count() -> int:
        with psycopg.connect(url) as connection:
            row = connection.execute(f"SELECT count(*) FROM {table} WHERE status = '{done}'").fetchone()  # noqa: S608
        return row[0] if row else 0

    return count


@contextmanager
def _recorded(database: Database) -> Any:
    """Yield a list that gets the statements of this thread's writing transactions."""
    statements: list[tuple[str, Any]] = []
    mine = threading.get_ident()

    def note(_connection: object, _cursor: object, statement: str, parameters: object, *_more: object) -> None:
        if threading.get_ident() == mine:
            statements.append((statement, parameters))

    engine = engines_of(database)[0]
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(engine, "before_cursor_execute", note)


class _Replay:
    """Runs a recorded submit again through the bare driver, each time with a token of its own."""

    def __init__(self, raw: sqlite3.Connection, statements: Sequence[tuple[str, Any]]) -> None:
        self._raw = raw
        self._statements = [one for one in statements if not one[0].startswith("BEGIN")]
        (self._token,) = {value for _, given in self._statements for value in given if str(value).startswith("token-")}
        self._id = raw.execute("SELECT max(id) FROM tasks WHERE token = ?", (self._token,)).fetchone()[0]
        self._number = 0

    def __call__(self) -> None:
        """Submit once."""
        self._number += 1
        known = {self._token: f"raw-{self._number}"}
        self._raw.execute("BEGIN IMMEDIATE")
        for statement, given in self._statements:
            row = self._raw.execute(statement, tuple(known.get(value, value) for value in given)).fetchone()
            if statement.startswith("INSERT INTO tasks") and row is not None:
                known[self._id] = row[0]
        self._raw.execute("COMMIT")
