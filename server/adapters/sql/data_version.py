"""Wake-ups between processes on one SQLite file: whoever commits moves its data version."""

import logging
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final

from server.adapters.wakeups import LocalWakeups

_log = logging.getLogger(__name__)

_LOOK_SECONDS: Final = 0.01
_QUIET_LOOK_SECONDS: Final = 0.025
_QUIET_AFTER: Final = 500
"""Looks in vain after which nothing is under way."""
_SHORTEST_PAUSE: Final = 0.002
_LONGEST_PAUSE: Final = 0.05
"""Between two wake-ups: a busy file is written all the time, and each of them makes others read. The pause doubles as
long as every look finds something new, so that what comes alone is told at once."""
_RETRY_SECONDS: Final = 1.0


class SqliteWakeups:
    """Implements `Wakeups`: a thread asks for `PRAGMA data_version`, which reads a word of shared memory.

    It moves with every commit of any connection, this process's own included.
    """

    def __init__(self, database: str) -> None:
        self._path = Path(database).absolute()
        self._local = LocalWakeups()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="wakeups", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Tell this process at once; the others see the commit."""
        self._local.wake()

    def listen(self, callback: Callable[[], None]) -> None:
        """Add a listener for the life of the process."""
        self._local.listen(callback)

    def close(self) -> None:
        """Stop looking."""
        self._closing.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                # Never made here: a database that is not there yet is waited for.
                with closing(sqlite3.connect(f"{self._path.as_uri()}?mode=rw", uri=True)) as connection:
                    connection.execute("PRAGMA query_only = ON")
                    self._look(connection)
            except sqlite3.Error as error:
                _log.debug("no wake-ups from %s for now: %s", self._path, error)
                self._closing.wait(_RETRY_SECONDS)

    def _look(self, connection: sqlite3.Connection) -> None:
        seen: int | None = None
        pause, in_vain = _SHORTEST_PAUSE, 0
        while not self._closing.is_set():
            (version,) = connection.execute("PRAGMA data_version").fetchone()
            if version == seen:
                pause, in_vain = _SHORTEST_PAUSE, in_vain + 1
            else:
                seen, in_vain = version, 0
                self._local.wake()
                time.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
            time.sleep(_LOOK_SECONDS if in_vain < _QUIET_AFTER else _QUIET_LOOK_SECONDS)
