"""Which wake-ups a process has: by its database, and by what it does."""

from enum import StrEnum
from typing import Final, Protocol

from server.adapters.sql.data_version import SqliteWakeups
from server.adapters.sql.engines import Database
from server.adapters.sql.notify import PostgresWakeups
from server.adapters.wakeups import LocalWakeups
from server.ports import Wakeups

_QUEUE: Final = "easel_queue"
"""A task may have been queued, or stopped."""
_LOG: Final = "easel_log"
"""A worker has written something."""


class Role(StrEnum):
    """What a process does. Workers need not hear each other's every word."""

    API = "api"
    WORKER = "worker"
    BOTH = "both"


class ClosingWakeups(Wakeups, Protocol):
    """Wake-ups with a thread behind them."""

    def close(self) -> None:
        """End it."""
        ...


def open_wakeups(database: Database, role: Role, *, poll_only: bool) -> ClosingWakeups:
    """Return the wake-ups of a process; with `poll_only` none go between processes."""
    if poll_only:
        return LocalWakeups()
    if database.is_sqlite:
        return SqliteWakeups(database.url.database or "")
    hears = [_QUEUE] if role is Role.WORKER else [_QUEUE, _LOG]
    return PostgresWakeups(database.url, says=_LOG if role is Role.WORKER else _QUEUE, hears=hears)
