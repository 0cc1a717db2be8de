"""Statements PostgreSQL planned for an empty table stay cheap while it fills, before there are statistics of it."""

from collections.abc import Iterator

import pytest
from sqlalchemy import text

from server.adapters.sql.engines import Database
from server.domain.lifecycle import TaskStatus
from server.domain.quota import Quota
from server.domain.types import ProjectId
from tests.filling import fill
from tests.stores import NO_QUOTA, WORKER, Stores, new_task, open_sql_stores, sql_stores

QUEUED, FINISHED = 3000, 2000
LIVES = 12
"""So many that psycopg has prepared each statement and PostgreSQL has made up its mind about a plan."""
MOST = 60
"""Rows of `tasks` that a life's statements may look at, each of some twenty a few times. All of them were thousands."""


@pytest.fixture(params=[NO_QUOTA, Quota(running=5)], ids=repr)
def stores(postgres_url: str, request: pytest.FixtureRequest) -> Iterator[Stores]:
    with open_sql_stores(postgres_url) as opened:
        assert opened.database
        yield sql_stores(opened.database, request.param)


def _live(stores: Stores, project_id: ProjectId) -> None:
    """Bring one task through its life, cancel another one, and beat meanwhile."""
    stores.tasks.submit(new_task(project_id))
    lease = stores.claim().lease
    stores.tasks.renew([lease], 60)
    stores.tasks.take_over(WORKER, 60)
    stores.drive(lease, TaskStatus.POSTPROCESS_END)
    queued = stores.tasks.submit(new_task(project_id))
    assert stores.tasks.cancel(queued.id, [TaskStatus.QUEUE])


def _rows_read(database: Database) -> int:
    """Return how many rows of `tasks` were looked at so far, and told to the statistics."""
    # Told now by the connections that were used, for they wait a second otherwise.
    flush = text("SELECT pg_stat_force_next_flush()")
    database.write(lambda connection: connection.execute(flush))
    database.read(lambda connection: connection.execute(flush))
    scanned = text("SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_user_tables WHERE relname = 'tasks'")
    return database.read(lambda connection: connection.execute(scanned).scalar_one())


def test_what_was_planned_for_an_empty_table_reads_few_rows_of_a_full_one(stores: Stores):
    assert stores.database
    project_id = stores.project().id
    for _ in range(LIVES):
        _live(stores, project_id)
    fill(stores.database, project_id, queued=QUEUED, finished=FINISHED, analyze=False)
    before = _rows_read(stores.database)
    lives = 5
    for _ in range(lives):
        _live(stores, project_id)
    assert (_rows_read(stores.database) - before) / lives < MOST
