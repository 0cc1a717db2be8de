"""The database: which engine reads, which one writes, and what becomes of errors."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from threading import local
from typing import TypeVar

from sqlalchemy import Connection
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from server.adapters.sql import postgres, sqlite
from server.adapters.sql.connections import Connections
from server.adapters.sql.failures import reason_of
from server.adapters.sql.places import refuse_network
from server.adapters.sql.transactions import InDoubt, run, settle
from server.adapters.sql.turns import WriteTurns
from server.adapters.sql.wal import WalCare

_T = TypeVar("_T")


class _Open(local):
    """The snapshot this thread is reading, while it reads several things at once."""

    connection: Connection | None = None


class Database:
    """An open database. `read` and `write` run one short transaction each; any thread may call them."""

    def __init__(self, url: URL) -> None:
        self._url = url
        self._open = _Open()
        self._turns: WriteTurns | None = None
        self._wal: WalCare | None = None
        if self.is_sqlite:
            assert url.database is not None, "open_database lets only files through"
            self._reads = Connections(sqlite.open_for_reading(url))
            self._writes = self._single = Connections(sqlite.open_for_writing(url))
            # SQLite has one writer at a time. Its own waiting is a poll without order; writers queue here instead.
            self._turns = WriteTurns(url.database, sqlite.BUSY_SECONDS)
            self._wal = WalCare(url.database, time.monotonic)
        else:
            pool = postgres.open_pool(url)
            self._reads, self._writes = Connections(postgres.for_reading(pool)), Connections(pool)
            self._single = Connections(postgres.for_single_statements(pool), keep=2, autocommit=True)

    @property
    def is_sqlite(self) -> bool:
        """Whether this is SQLite; PostgreSQL otherwise."""
        return self._url.get_backend_name() == "sqlite"

    @property
    def url(self) -> URL:
        """Where it is; printed, it hides its password."""
        return self._url

    def reason_of(self, error: SQLAlchemyError) -> str:
        """Return in a few words what the driver said, for operators only."""
        return reason_of(error, self._url)

    def read(self, work: Callable[[Connection], _T]) -> _T:
        """Run `work` on one snapshot of the database, without the right to write."""
        if self._open.connection is not None:
            return work(self._open.connection)
        try:
            return run(self._reads, work, nullcontext)
        except InDoubt:  # nothing was written, so nothing is in doubt
            return run(self._reads, work, nullcontext)

    def at_once(self, work: Callable[[], _T]) -> _T:
        """See `Reads.at_once`: until `work` is done, `read` gives this thread the same snapshot again."""

        def on_snapshot(connection: Connection) -> _T:
            self._open.connection = connection
            try:
                return work()
            finally:
                self._open.connection = None

        return self.read(on_snapshot)

    def write(
        self, work: Callable[[Connection], _T], look: Callable[[Connection], tuple[_T] | None] | None = None
    ) -> _T:
        """Run `work` in a transaction and commit it; it may be run again, so it must not keep state.

        It is run again after a deadlock, and when the connection was lost before COMMIT was sent. Where it was lost
        after that, `look` finds out whether the commit won: it returns (what `work` has returned,), or None if nothing
        was written. It must first lock what `work` locks, for the lost connection may still be committing. Raises
        InDoubt where there is no `look`, or nobody to ask.
        """
        return self._settled(self._writes, work, look)

    def write_one(
        self, work: Callable[[Connection], _T], look: Callable[[Connection], tuple[_T] | None] | None = None
    ) -> _T:
        """Like `write`, for work that is a single statement: PostgreSQL is asked for no BEGIN and no COMMIT around it.

        A connection that is lost meanwhile always leaves a doubt.
        """
        return self._settled(self._single, work, look)

    def migrate(self, work: Callable[[Connection], _T]) -> _T:
        """Run `work` in one transaction made for changing the schema."""
        open_engine = sqlite.open_for_migrating if self.is_sqlite else postgres.open_for_migrating
        connections = Connections(open_engine(self._url), keep=0)
        try:
            return run(connections, work, self._in_turn, tries=1)
        finally:
            connections.close()

    def close(self) -> None:
        """Close every connection that is not in use."""
        self._reads.drop()  # before either is closed, for they may share a pool
        self._single.drop()
        self._writes.close()
        self._reads.close()
        if self._turns is not None:
            self._turns.close()

    def _settled(
        self,
        connections: Connections,
        work: Callable[[Connection], _T],
        look: Callable[[Connection], tuple[_T] | None] | None,
    ) -> _T:
        try:
            return self._write(work, connections)
        except InDoubt as doubt:
            if look is None:
                raise
            return settle(self._write, work, look, doubt)

    def _write(self, work: Callable[[Connection], _T], connections: Connections | None = None) -> _T:
        found = run(connections or self._writes, work, self._in_turn)
        if self._wal is not None and self._wal.is_due():
            self._wal.tend(self._writes, self._in_turn)
        return found

    def _in_turn(self) -> AbstractContextManager[None]:
        return nullcontext() if self._turns is None else self._turns.taken()


def open_database(url: str) -> Database:
    """Open `sqlite:///file` or `postgresql://…`; nothing is connected yet.

    Raises ValueError for anything else, and for a SQLite file on a network file system.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        parsed = URL.create("")
    if "@" in (parsed.host or ""):
        # What stands before the @ is the end of a password: it would be looked up, and shown, as a host.
        raise ValueError("An @ in the user or the password of a database URL is written %40.")
    match parsed.get_backend_name():
        case "sqlite" if parsed.database not in {None, "", ":memory:"}:
            refuse_network(parsed.database or "")
            return Database(parsed.set(drivername="sqlite+pysqlite"))
        case "postgresql" | "postgres":
            return Database(parsed.set(drivername="postgresql+psycopg"))
        case _:
            # The text is not repeated: it may hold a password.
            raise ValueError("The database URL must be sqlite:///PATH (a file) or postgresql://USER@HOST/NAME.")
