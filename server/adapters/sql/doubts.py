"""Fenced writes whose COMMIT went unanswered: whether they won is looked up, not guessed.

Without it, a worker that tries such a write again would find its own work done, take it for somebody else's, and let go
of a task that it holds; or write a line of the log twice.
"""

from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import Final

from sqlalchemy import Connection, select

from server.adapters.sql.engines import Database
from server.adapters.sql.rows import Row
from server.adapters.sql.tables import TASK_EVENTS, TASKS
from server.adapters.sql.transactions import InDoubt
from server.domain.task import Lease
from server.domain.writes import Write

_MOST: Final = 1000


@dataclass(frozen=True, slots=True)
class _Mark:
    """What a write left behind, if it won: nobody else's event has that number and that time."""

    seq: int
    at: float
    writes: tuple[Write, ...]


class Doubts:
    """Runs fenced writes that append events, and remembers the unanswered ones until they are tried again."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = Lock()
        self._open: dict[Lease, _Mark] = {}

    def write(self, lease: Lease, writes: tuple[Write, ...], work: Callable[[Connection], Row | None]) -> None:
        """Write under a lease, unless it is what was in doubt and has won.

        `work` returns the row of the last event it has written; where it writes none, a second time changes nothing.
        Raises LeaseLost, and then it was not this lease's own write that got in the way; InDoubt, and then the same
        call may be made again.
        """
        if self._won_before(lease, writes):
            return
        written: list[_Mark] = []

        def marked(connection: Connection) -> bool:
            row = work(connection)
            written[:] = [] if row is None else [_Mark(row["last_seq"], row["at"], writes)]
            return True

        def look(connection: Connection) -> tuple[bool] | None:
            return (True,) if written and _is_written(connection, lease, written[-1]) else None

        try:
            self._database.write(marked, look)
        except InDoubt:
            if written:
                self._remember(lease, written[-1])
            raise

    def _won_before(self, lease: Lease, writes: tuple[Write, ...]) -> bool:
        mark = self._open.get(lease)
        if mark is None:
            return False
        won = self._database.write(lambda connection: _is_written(connection, lease, mark))
        with self._lock:
            self._open.pop(lease, None)
        return won and mark.writes == writes

    def _remember(self, lease: Lease, mark: _Mark) -> None:
        with self._lock:
            while len(self._open) >= _MOST:  # those of leases that were given up; the oldest is surely over
                del self._open[next(iter(self._open))]
            self._open[lease] = mark


def _is_written(connection: Connection, lease: Lease, mark: _Mark) -> bool:
    # The row first: a lost connection that is still committing holds it, and what it writes shows when it lets go.
    connection.execute(select(TASKS.c.id).where(TASKS.c.id == lease.task_id).with_for_update(key_share=True))
    event = select(TASK_EVENTS.c.seq).where(
        TASK_EVENTS.c.task_id == lease.task_id,
        TASK_EVENTS.c.seq == mark.seq,
        TASK_EVENTS.c.at == mark.at,
    )
    return connection.execute(event).first() is not None
