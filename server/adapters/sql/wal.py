"""Care for SQLite's write-ahead log: it must not grow without end, and some versions of the library need a warning."""

import logging
import sqlite3
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final

from sqlalchemy.exc import SQLAlchemyError

from server.adapters.sql.connections import Connections
from server.domain.errors import Unavailable

_log = logging.getLogger(__name__)

_LOOK_SECONDS: Final = 1.0
_LARGE_BYTES: Final = 16 * 1024 * 1024
_ALARM_BYTES: Final = 64 * 1024 * 1024
_ALARM_SECONDS: Final = 60.0
_READERS_MS: Final = 200

_FIRST_BAD: Final = (3, 7, 0)
_FIXED: Final = (3, 51, 3)
_FIXED_IN_SERIES: Final = {(3, 44): 6, (3, 50): 7}
"""Back-ports, by series: from which patch on."""


class WalCare:
    """Shortens the log when it has grown large, and says so when it can't.

    SQLite copies the log into the database by itself after every thousand pages, inside the COMMIT that reaches that
    number and so within the writer's turn. But it begins the log anew only when no reader looks into it, and among
    busy readers that moment may not come by chance.
    """

    def __init__(self, database: str, monotonic: Callable[[], float]) -> None:
        self._path = Path(f"{database}-wal")
        self._monotonic = monotonic
        self._look_at = monotonic()
        self._alarm_at = self._look_at

    def is_due(self) -> bool:
        """Whether the log is large; looked at once a second at most."""
        now = self._monotonic()
        if now < self._look_at:
            return False
        self._look_at = now + _LOOK_SECONDS
        return self._size() > _LARGE_BYTES

    def tend(self, connections: Connections, in_turn: Callable[[], AbstractContextManager[None]]) -> None:
        """Copy the whole log and cut it to nothing, if the readers let go of it soon."""
        try:
            with in_turn():
                self._truncate(connections)
        except (Unavailable, SQLAlchemyError, sqlite3.Error) as error:
            _log.warning("SQLite's write-ahead log could not be shortened: %s", error)
        size = self._size()
        if size > _ALARM_BYTES and self._monotonic() >= self._alarm_at:
            self._alarm_at = self._monotonic() + _ALARM_SECONDS
            _log.warning(
                "SQLite's write-ahead log %s has %d MB: something reads the database for long and holds it; "
                "end other programs that have it open",
                self._path,
                size // 2**20,
            )

    def _truncate(self, connections: Connections) -> None:
        with connections.taken() as connection:
            cursor = connection.connection.cursor()  # the driver's own: a checkpoint runs outside every transaction
            (before,) = cursor.execute("PRAGMA busy_timeout").fetchone()
            cursor.execute(f"PRAGMA busy_timeout = {_READERS_MS}")
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            cursor.execute(f"PRAGMA busy_timeout = {before}")
            cursor.close()

    def _size(self) -> int:
        try:
            return self._path.stat().st_size
        except OSError:
            return 0


def has_reset_bug(version: tuple[int, ...]) -> bool:
    """Whether this SQLite may lose commits when one connection writes while another copies the log.

    See https://sqlite.org/wal.html#walresetbug.
    """
    if not _FIRST_BAD <= version < _FIXED:
        return False
    patched = _FIXED_IN_SERIES.get((version[0], version[1]))
    return patched is None or version[2] < patched


def reset_bug_warning(version: tuple[int, ...] = sqlite3.sqlite_version_info) -> str | None:
    """Return what an operator must know of this library, or None."""
    if not has_reset_bug(version):
        return None
    return (
        f"SQLite {'.'.join(map(str, version))} has the WAL-reset bug, which can lose commits when two programs write. "
        "easel's processes take turns and are safe from it; leave the database to them alone while they run, "
        "and take copies with `easel db backup`. SQLite 3.51.3 has it mended."
    )
