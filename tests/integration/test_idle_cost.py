"""What an idle worker asks of the database."""

import threading
import time

import pytest
from sqlalchemy import event

from server.adapters.sql.engines import Database
from server.adapters.sql.schema import upgrade
from server.adapters.sql.wakeups import Role, open_wakeups
from server.adapters.sql.workers import SqlWorkerRegistry
from server.domain.worker import WorkerState
from server.entrypoints.composition import choose_drawing, load_catalogue, make_supervisor, open_settled_database
from server.settings import Settings

_SECONDS = 6.0
_PER_SECOND = 2.0


class Counter:
    """Counts statements; a transaction that writes nothing counts by what it asks."""

    def __init__(self, database: Database) -> None:
        self.statements: list[str] = []
        for engine in {id(one): one for one in (database._writes, database._reads.engine)}.values():
            event.listen(engine, "before_cursor_execute", self._count)

    def _count(self, _connection, _cursor, statement, *_more) -> None:
        self.statements.append(statement)


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_an_idle_worker_asks_twice_a_second_at_most(request: pytest.FixtureRequest, tmp_path, kind: str):
    url = "" if kind == "sqlite" else request.getfixturevalue("postgres_url")
    settings = Settings(data_dir=tmp_path, database_url=url, engine="fake")
    database = open_settled_database(settings)
    upgrade(database)
    wakeups = open_wakeups(database, Role.WORKER, poll_only=False)
    drawing = choose_drawing(settings, load_catalogue(settings))
    supervisor = make_supervisor(settings, database, wakeups, drawing, default_drain=1)
    thread = threading.Thread(target=supervisor.run)
    thread.start()
    try:
        registry, deadline = SqlWorkerRegistry(database), time.monotonic() + 60
        while not any(worker.state is WorkerState.READY for worker in registry.alive(60)):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        counter = Counter(database)
        time.sleep(_SECONDS)
        asked = [one for one in counter.statements if not one.startswith("BEGIN")]
        assert 1 <= len(asked) <= _SECONDS * _PER_SECOND, asked
    finally:
        supervisor.stop()
        supervisor.stop()
        thread.join()
        wakeups.close()
        database.close()
