"""What an idle worker asks of its database, counted where SQLAlchemy hands it to the driver."""

import threading
import time
from pathlib import Path

from sqlalchemy import event

from server.adapters.sql.engines import Database
from server.adapters.sql.schema import upgrade
from server.adapters.sql.wakeups import Role, open_wakeups
from server.adapters.sql.workers import SqlWorkerRegistry
from server.domain.worker import WorkerState
from server.entrypoints.composition import make_supervisor
from server.entrypoints.drawings import choose_drawing
from server.entrypoints.opening import load_catalogue, open_settled_database
from server.settings import Settings
from tests.stores import engines_of


def idle_statements(url: str, folder: Path, seconds: float) -> list[str]:
    """Return the statements of a worker with the fake engine that is loaded and has nothing to do.

    Transactions that write nothing count by what they ask. `url` is "" for SQLite in the folder.
    """
    settings = Settings(data_dir=folder, database_url=url, engine="fake")
    database = open_settled_database(settings)
    upgrade(database)
    wakeups = open_wakeups(database, Role.WORKER, poll_only=False)
    drawing = choose_drawing(settings, load_catalogue(settings))
    supervisor = make_supervisor(settings, database, wakeups, drawing, default_drain=1)
    thread = threading.Thread(target=supervisor.run)
    thread.start()
    try:
        _wait_until_loaded(database)
        statements = _listen(database)
        time.sleep(seconds)
        return [one for one in statements if not one.startswith("BEGIN")]
    finally:
        supervisor.stop()
        supervisor.stop()
        thread.join()
        wakeups.close()
        database.close()


def _wait_until_loaded(database: Database) -> None:
    registry, deadline = SqlWorkerRegistry(database), time.monotonic() + 60
    while not any(worker.state is WorkerState.READY for worker in registry.alive(60)):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def _listen(database: Database) -> list[str]:
    statements: list[str] = []

    def note(_connection, _cursor, statement: str, *_more) -> None:
        statements.append(statement)

    for engine in engines_of(database):
        event.listen(engine, "before_cursor_execute", note)
    return statements
