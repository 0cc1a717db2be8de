"""What a Detail of the last of 100,000 queued tasks pays for its position."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from sqlalchemy import text

from bench.goals import Bound, Figure
from bench.http_goals import Scale
from server.adapters.sql.engines import Database, open_database
from server.adapters.sql.projects import SqlProjectStore
from server.adapters.sql.queue_view import SqlQueueView
from server.adapters.sql.schema import upgrade
from server.adapters.sql.tasks import SqlTaskStore
from server.api.expectations import MOST_AHEAD
from server.domain.task import Task
from server.services.expect import EVERYBODY
from tests.postgres import running_cluster
from tests.stores import new_project, new_task

QUEUED: Final = 100_000
_MS: Final = 1000.0
_COLUMNS: Final = (
    'uuid, project_id, model, parameters, "values", callback_url, base_url, status, attempt, crashes, last_seq, pexit,'
    " message, cps, task_queue_at"
)


def fill(database: Database, count: int) -> Task:
    """Queue one task, copy it until there are `count` in line before the last; return the last."""
    upgrade(database)
    project = SqlProjectStore(database).create(new_project("one"))
    store = SqlTaskStore(database)
    store.submit(new_task(project.id))
    copy = text(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :count)"  # noqa: S608 no input
        f" INSERT INTO tasks ({_COLUMNS}, token, turn)"
        f" SELECT {_COLUMNS}, 'copy ' || i, 1 + i FROM tasks, n WHERE id = 1"
    )
    database.write(lambda connection: connection.execute(copy, {"count": count - 1}))
    database.write(lambda connection: connection.execute(text("ANALYZE")))
    return store.submit(new_task(project.id))


def _milliseconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return (time.perf_counter() - start) * _MS


def figures(database: Database, name: str, scale: Scale, count: int) -> list[Figure]:
    """Measure the query as Detail and as a frame asks it."""
    last = fill(database, count)
    view = SqlQueueView(database)
    for most in (EVERYBODY, MOST_AHEAD):
        view.sight(last, most)
    exact, bounded = (
        [_milliseconds(lambda most=most: view.sight(last, most)) for _ in range(scale.repeats)]
        for most in (EVERYBODY, MOST_AHEAD)
    )
    what = f"position behind {count} queued, {name}"
    return [
        Figure(goal="queue", what=f"{what}: Detail", unit="ms", ours=exact, bound=Bound(50)),
        Figure(goal="queue", what=f"{what}: frame", unit="ms", ours=bounded, bound=Bound(50)),
    ]


def positions(folder: Path, scale: Scale) -> list[Figure]:
    """Measure on SQLite, and on a PostgreSQL of our own."""
    count = QUEUED if scale.repeats >= Scale().repeats else 1000
    database = open_database(f"sqlite:///{(folder / 'easel.db').absolute()}")
    found = figures(database, "SQLite", scale, count)
    database.close()
    with running_cluster() as cluster:
        database = open_database(cluster.new_database())
        found += figures(database, "PostgreSQL", scale, count)
        database.close()
    return found
