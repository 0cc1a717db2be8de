"""Connections that stay checked out between transactions: checking out takes longer than a short statement."""

from collections import deque
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

from sqlalchemy import Connection, Engine
from sqlalchemy.engine import URL

KEPT: Final = 4
"""Of one pool and for one use; those of a pool that both read and write must leave it room."""


class Connections:
    """An engine's connections, of which up to `keep` wait for the next transaction as they are; any thread may ask."""

    def __init__(self, engine: Engine, keep: int = KEPT, *, autocommit: bool = False) -> None:
        """With `autocommit` each statement on them is a transaction of its own, as the engine must have it."""
        self.engine = engine
        self.autocommit = autocommit
        self._keep = keep
        self._free: deque[Connection] = deque()

    @property
    def url(self) -> URL:
        """Where they lead."""
        return self.engine.url

    @contextmanager
    def taken(self) -> Generator[Connection]:
        """Lend a connection on which nothing is begun. After an error it is closed, and what was begun undone."""
        try:
            connection = self._free.pop()  # the last one: the others may be closed some day, unused
        except IndexError:
            connection = self.engine.connect()
        try:
            yield connection
        except BaseException:
            broken = connection.invalidated
            connection.close()
            if broken:
                self.drop()  # what ended this one has ended the others too
            raise
        if len(self._free) >= self._keep:
            connection.close()
        else:
            self._free.append(connection)

    def drop(self) -> None:
        """Give back what is kept to the pool."""
        while True:
            try:
                self._free.pop().close()
            except IndexError:
                return

    def close(self) -> None:
        """Close the pool and every connection in it."""
        self.drop()
        self.engine.dispose()
