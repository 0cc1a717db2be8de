"""The fence: every write to a task passes one of these guarded statements, in the transaction of its events."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Update, and_, insert, literal, select, tuple_, update

from server.adapters.sql.expressions import FreshToken, Now, is_one_of
from server.adapters.sql.rows import Row
from server.adapters.sql.tables import TASK_EVENTS, TASKS, time_column
from server.domain.errors import LeaseLost
from server.domain.events import EventType, NewEvent
from server.domain.lifecycle import LEASED, TaskStatus
from server.domain.task import Lease
from server.domain.types import WorkerId

FREED = {"worker_id": None, "lease_token": None, "lease_until": None}
"""What a row holds while its status needs no worker."""

# Not by `lease_until`, which no index may hold: a heartbeat then changes none, and PostgreSQL keeps it within the page.
IS_LEASED: Final = TASKS.c.lease_token.is_not(None)
"""The condition that a worker holds the task."""

_WRITING: Final = insert(TASK_EVENTS)


def granted(worker_id: WorkerId, seconds: float, token: str | None = None) -> Mapping[str, Any]:
    """Return what a row holds under a fresh lease, whose token nobody can guess; by default the database makes it."""
    made = FreshToken() if token is None else literal(token)
    return {"worker_id": worker_id, "lease_token": made, "lease_until": Now() + literal(float(seconds))}


def held_under(lease: Lease, sources: Collection[TaskStatus]) -> ColumnElement[bool]:
    """Return the condition that the row still carries the lease, in one of these statuses.

    All three fields count: an attempt given back is drawn again under the same number, and a task that was taken over
    keeps its attempt.
    """
    return and_(
        TASKS.c.id == lease.task_id,
        TASKS.c.attempt == lease.attempt,
        TASKS.c.lease_token == lease.token,
        is_one_of(TASKS.c.status, sources),
    )


def any_held(leases: Collection[Lease]) -> ColumnElement[bool]:
    """Return the condition that a row carries one of these leases."""
    keys = [(lease.task_id, lease.attempt, lease.token) for lease in leases]
    return and_(
        TASKS.c.id.in_([lease.task_id for lease in leases]),  # for SQLite, which finds no index for the triple
        tuple_(TASKS.c.id, TASKS.c.attempt, TASKS.c.lease_token).in_(keys),
    )


def entering(to: TaskStatus, events: int = 1) -> Update:
    """Return an UPDATE that makes `to` the status and takes the numbers of `events` events; it lacks its guard.

    Status, time and seq come from the same row lock, so the log is without gaps and never disagrees with the status.
    """
    values: dict[str, Any] = {"status": to.value, "last_seq": TASKS.c.last_seq + events}
    if to is not TaskStatus.QUEUE:  # that one's time is the submission's
        values[time_column(to)] = Now()
    if to not in LEASED:
        values |= FREED
    return update(TASKS).values(values)


def fenced(
    connection: Connection,
    change: Update,
    lease: Lease,
    sources: Collection[TaskStatus],
    at: ColumnElement[Any] | None = None,
) -> Row:
    """Run the UPDATE of a held task and return what `log` and the outbox need. Raises LeaseLost when no row fits.

    The events' time is the database's now, or the column `at`.
    """
    time = Now() if at is None else at
    columns = (TASKS.c.id, TASKS.c.attempt, TASKS.c.last_seq, TASKS.c.callback_url, time.label("at"))
    row = connection.execute(change.where(held_under(lease, sources)).returning(*columns)).mappings().one_or_none()
    if row is None:
        raise LeaseLost
    return row


def hold(connection: Connection, lease: Lease, sources: Collection[TaskStatus]) -> None:
    """Lock a held task's row without changing it, so nobody takes it before this transaction has ended."""
    query = select(TASKS.c.id).where(held_under(lease, sources)).with_for_update(key_share=True)
    if connection.execute(query).first() is None:
        raise LeaseLost


def log(connection: Connection, row: Row, events: Sequence[NewEvent]) -> None:
    """Write the events whose numbers the row's UPDATE has taken: the last ones up to `last_seq`."""
    first = row["last_seq"] - len(events) + 1
    lines = [
        {
            "task_id": row["id"],
            "seq": seq,
            "attempt": row["attempt"],
            "type": event.type.value,
            "message": event.message,
            "at": row["at"],
        }
        for seq, event in enumerate(events, start=first)
    ]
    if lines:
        connection.execute(_WRITING, lines)


def log_status(connection: Connection, row: Row) -> None:
    """Write the event of the status that the row's UPDATE or INSERT has just given it; the row is a whole one."""
    status = TaskStatus(row["status"])
    log(connection, {**row, "at": row[time_column(status)]}, [NewEvent(EventType.of(status))])
