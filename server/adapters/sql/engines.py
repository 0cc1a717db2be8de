"""The database: which engine reads, which one writes, and what becomes of errors."""

import random
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from threading import Lock, local
from typing import Final, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from server.adapters.sql import postgres, sqlite
from server.adapters.sql.failures import is_away, reason_of, should_run_again
from server.domain.errors import Unavailable

_T = TypeVar("_T")

_TRIES: Final = 5
_PAUSE_SECONDS: Final = 0.05


class _Open(local):
    """The snapshot this thread is reading, while it reads several things at once."""

    connection: Connection | None = None


class Database:
    """An open database. `read` and `write` run one short transaction each; any thread may call them."""

    def __init__(self, url: URL) -> None:
        self._url = url
        self._open = _Open()
        self._turn: Lock | None = None
        if self.is_sqlite:
            self._reads, self._writes = sqlite.open_for_reading(url), sqlite.open_for_writing(url)
            # SQLite has one writer at a time. Its own waiting is a poll without order; threads queue here instead.
            self._turn = Lock()
        else:
            self._writes = postgres.open_pool(url)
            self._reads = postgres.for_reading(self._writes)

    @property
    def is_sqlite(self) -> bool:
        """Whether this is SQLite; PostgreSQL otherwise."""
        return self._url.get_backend_name() == "sqlite"

    def reason_of(self, error: SQLAlchemyError) -> str:
        """Return in a few words what the driver said, for operators only."""
        return reason_of(error, self._url)

    def read(self, work: Callable[[Connection], _T]) -> _T:
        """Run `work` on one snapshot of the database, without the right to write."""
        if self._open.connection is not None:
            return work(self._open.connection)
        return _run(self._reads, work)

    def at_once(self, work: Callable[[], _T]) -> _T:
        """See `Reads.at_once`: until `work` is done, `read` gives this thread the same snapshot again."""

        def on_snapshot(connection: Connection) -> _T:
            self._open.connection = connection
            try:
                return work()
            finally:
                self._open.connection = None

        return self.read(on_snapshot)

    def write(self, work: Callable[[Connection], _T]) -> _T:
        """Run `work` in a transaction and commit it. After a deadlock it is run again: it must not keep state."""
        with self._in_turn():
            return _run(self._writes, work)

    def migrate(self, work: Callable[[Connection], _T]) -> _T:
        """Run `work` in one transaction made for changing the schema."""
        open_engine = sqlite.open_for_migrating if self.is_sqlite else postgres.open_for_migrating
        engine = open_engine(self._url)
        try:
            with self._in_turn():
                return _run(engine, work, tries=1)
        finally:
            engine.dispose()

    def close(self) -> None:
        """Close every connection that is not in use."""
        self._reads.dispose()
        self._writes.dispose()

    @contextmanager
    def _in_turn(self) -> Generator[None, None, None]:
        if self._turn is None:
            yield
            return
        if not self._turn.acquire(timeout=sqlite.BUSY_SECONDS):
            raise Unavailable("The database is busy. Try again in a few seconds.")
        try:
            yield
        finally:
            self._turn.release()


def open_database(url: str) -> Database:
    """Open `sqlite:///file` or `postgresql://…`; nothing is connected yet. Raises ValueError for anything else."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        parsed = URL.create("")
    if "@" in (parsed.host or ""):
        # What stands before the @ is the end of a password: it would be looked up, and shown, as a host.
        raise ValueError("An @ in the user or the password of a database URL is written %40.")
    match parsed.get_backend_name():
        case "sqlite" if parsed.database not in {None, "", ":memory:"}:
            return Database(parsed.set(drivername="sqlite+pysqlite"))
        case "postgresql" | "postgres":
            return Database(parsed.set(drivername="postgresql+psycopg"))
        case _:
            # The text is not repeated: it may hold a password.
            raise ValueError("The database URL must be sqlite:///PATH (a file) or postgresql://USER@HOST/NAME.")


def _run(engine: Engine, work: Callable[[Connection], _T], tries: int = _TRIES) -> _T:
    while True:
        tries -= 1
        try:
            with engine.begin() as connection:
                return work(connection)
        except SQLAlchemyError as error:
            if tries > 0 and should_run_again(error):
                time.sleep(_PAUSE_SECONDS * random.random())  # noqa: S311 jitter, not a secret
                continue
            if is_away(error) or should_run_again(error):
                raise Unavailable(detail=f"The database can't be reached: {reason_of(error, engine.url)}.") from error
            raise
