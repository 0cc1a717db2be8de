"""SQLite, set up for many threads and several processes on one file."""

import sqlite3
import time
from collections.abc import Callable
from typing import Any, Final

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.pool import NullPool

from server.adapters.sql.json_text import to_json

BUSY_SECONDS: Final = 30.0
"""How long a transaction waits for another process's to end."""

_WAL_LIMIT_BYTES: Final = 16 * 1024 * 1024


def open_for_reading(url: URL) -> Engine:
    """Return an engine whose connections cannot write, and never wait for a writer."""
    engine = create_engine(
        url,
        connect_args=_connect_args(),
        hide_parameters=True,
        json_serializer=to_json,
        pool_size=64,
        max_overflow=0,
        pool_timeout=BUSY_SECONDS,
    )
    return _listen(engine, begin="BEGIN", pragmas=["foreign_keys = ON", "query_only = ON", "wal_autocheckpoint = 0"])


def open_for_writing(url: URL) -> Engine:
    """Return the engine for every transaction that may write.

    They begin IMMEDIATE: one that reads first and writes later would fail at once, whatever the busy timeout, if
    another process had committed in between. They copy the log into the database themselves (wal_autocheckpoint, which
    is left at its thousand pages): inside COMMIT, and so within the turn that `Database` gives them.
    """
    # One connection: the process's writers take turns on a lock of `Database`.
    engine = create_engine(
        url, connect_args=_connect_args(), hide_parameters=True, json_serializer=to_json, pool_size=1, max_overflow=0
    )
    return _listen(engine, begin="BEGIN IMMEDIATE", pragmas=["foreign_keys = ON"], first=_use_wal)


def open_for_migrating(url: URL) -> Engine:
    """Return the engine for schema changes: foreign keys are off, because SQLite alters a table by replacing it."""
    engine = create_engine(
        url, connect_args=_connect_args(), hide_parameters=True, json_serializer=to_json, poolclass=NullPool
    )
    return _listen(engine, begin="BEGIN IMMEDIATE", pragmas=["foreign_keys = OFF"], first=_use_wal)


def _connect_args() -> dict[str, Any]:
    # isolation_level None: the driver begins no transactions of its own, `_listen` does.
    return {"check_same_thread": False, "isolation_level": None, "timeout": BUSY_SECONDS}


def _listen(
    engine: Engine,
    *,
    begin: str,
    pragmas: list[str],
    first: Callable[[sqlite3.Connection], None] = lambda _: None,
) -> Engine:
    def connected(connection: sqlite3.Connection, _record: object) -> None:
        first(connection)
        for pragma in ["synchronous = FULL", *pragmas]:
            connection.execute(f"PRAGMA {pragma}")

    def begun(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    event.listen(engine, "connect", connected)
    event.listen(engine, "begin", begun)
    return engine


def _use_wal(connection: sqlite3.Connection) -> None:
    """Switch the file to write-ahead logging, once in its life."""
    until = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError:
            # The switch needs the file alone and does not wait for it: another process may be switching it right now.
            if time.monotonic() > until:
                raise
            time.sleep(0.02)
        else:
            connection.execute(f"PRAGMA journal_size_limit = {_WAL_LIMIT_BYTES}")
            return
