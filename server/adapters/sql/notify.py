"""Wake-ups between processes through PostgreSQL's LISTEN and NOTIFY: hints, on a connection of their own."""

import contextlib
import logging
import os
import selectors
import threading
import time
from collections.abc import Callable, Collection
from typing import Final

import psycopg
from psycopg import sql
from sqlalchemy.engine import URL

from server.adapters.sql import postgres
from server.adapters.wakeups import LocalWakeups

_log = logging.getLogger(__name__)

_PAUSE_SECONDS: Final = 0.075
"""Between two NOTIFYs of a process: each takes a lock that all commits of the server's databases pass through."""
_PING_SECONDS: Final = 15.0
_RETRY_SECONDS: Final = 1.0


class PostgresWakeups:
    """Implements `Wakeups`: tells listeners in this process at once, and those in others by NOTIFY.

    The message says no more than "look". It is sent outside every transaction, by a thread that also listens; what is
    asked for in between is told together. When the connection breaks, it is made anew, and then everybody looks.
    """

    def __init__(self, url: URL, says: str, hears: Collection[str]) -> None:
        self._url = url
        self._says = sql.SQL("NOTIFY {}").format(sql.Identifier(says))
        self._hears = [sql.SQL("LISTEN {}").format(sql.Identifier(channel)) for channel in hears]
        self._local = LocalWakeups()
        self._asked = threading.Event()
        self._closing = threading.Event()
        self._ears, self._bell = os.pipe()
        os.set_blocking(self._bell, False)
        os.set_blocking(self._ears, False)
        self._thread = threading.Thread(target=self._run, name="wakeups", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Tell this process at once, and the others soon."""
        self._local.wake()
        if not self._asked.is_set():
            self._asked.set()
            self._ring()

    def listen(self, callback: Callable[[], None]) -> None:
        """Add a listener for the life of the process."""
        self._local.listen(callback)

    def close(self) -> None:
        """Stop listening and telling."""
        self._closing.set()
        self._ring()
        self._thread.join()
        os.close(self._ears)
        os.close(self._bell)

    def _ring(self) -> None:
        with contextlib.suppress(OSError):  # full: it is known that something is up; closed: nobody listens any more
            os.write(self._bell, b"!")

    def _run(self) -> None:
        well = True
        while not self._closing.is_set():
            try:
                with self._connect() as connection:
                    well = True
                    self._local.wake()
                    self._serve(connection)
            except Exception as error:  # noqa: BLE001 whatever it is, nobody else would wake this process again
                if well:
                    _log.warning("no wake-ups until the database is back, polling goes on: %s", _reason(error))
                well = False
                self._closing.wait(_RETRY_SECONDS)

    def _connect(self) -> psycopg.Connection:
        connection = postgres.connect_alone(self._url)
        for channel in self._hears:
            connection.execute(channel)
        return connection

    def _serve(self, connection: psycopg.Connection) -> None:
        with selectors.DefaultSelector() as selector:  # not select(2), which knows no file above 1023
            selector.register(connection, selectors.EVENT_READ)
            selector.register(self._ears, selectors.EVENT_READ)
            self._serve_by(selector, connection)

    def _serve_by(self, selector: selectors.BaseSelector, connection: psycopg.Connection) -> None:
        own, say_at, ping_at = connection.info.backend_pid, 0.0, time.monotonic() + _PING_SECONDS
        while not self._closing.is_set():
            now = time.monotonic()
            wait = max(0.0, (say_at if self._asked.is_set() else ping_at) - now)
            ready = [key.fileobj for key, _ in selector.select(min(wait, _PING_SECONDS))]
            if self._ears in ready:
                with contextlib.suppress(BlockingIOError):
                    os.read(self._ears, 4096)
            now = time.monotonic()
            if self._asked.is_set() and now >= say_at:
                self._asked.clear()
                connection.execute(self._says)
                say_at, ping_at = now + _PAUSE_SECONDS, now + _PING_SECONDS
            elif now >= ping_at:
                connection.execute("SELECT 1")
                ping_at = now + _PING_SECONDS
            if any(heard.pid != own for heard in connection.notifies(timeout=0)):
                self._local.wake()


def _reason(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
