"""The fence: every write to a task passes one of these guarded statements, in the transaction of its events."""

from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    FromClause,
    Select,
    String,
    Update,
    and_,
    bindparam,
    literal_column,
    select,
    tuple_,
    update,
)

from server.adapters.sql.expressions import FreshToken, Now, is_one_of
from server.adapters.sql.tables import TASKS, time_column
from server.domain.errors import LeaseLost
from server.domain.lifecycle import LEASED, TaskStatus
from server.domain.task import Lease
from server.domain.types import WorkerId

FREED = {"worker_id": None, "lease_token": None, "lease_until": None}
"""What a row holds while its status needs no worker."""

_FIRST_PROJECT: Final = literal_column("0", TASKS.c.project_id.type)
_LAST_PROJECT: Final = literal_column(str(2**63 - 1), TASKS.c.project_id.type)


def is_leased(tasks: FromClause) -> ColumnElement[bool]:
    """Return the condition that a worker holds the task."""
    # Not by `lease_until`, which no index may hold: a heartbeat changes none then, and PostgreSQL keeps it in the page.
    # The range is of every project: without statistics PostgreSQL takes most tasks for leased and would read them all,
    # but few for within a range.
    return and_(tasks.c.lease_token.is_not(None), tasks.c.project_id.between(_FIRST_PROJECT, _LAST_PROJECT))


_ONE: Final = literal_column("1", TASKS.c.last_seq.type)

IS_LEASED: Final = is_leased(TASKS)
"""The same of `TASKS` itself."""


def granted(
    worker_id: WorkerId | BindParameter[str],
    seconds: float | BindParameter[float],
    token: str | BindParameter[str] | None = None,
) -> Mapping[str, Any]:
    """Return what a row holds under a fresh lease, whose token nobody can guess; by default the database makes it."""
    made = FreshToken() if token is None else token
    return {"worker_id": worker_id, "lease_token": made, "lease_until": Now() + seconds}


def held_by(sources: Collection[TaskStatus]) -> ColumnElement[bool]:
    """Return the condition that a row still carries the lease, in one of these statuses.

    The lease comes in the parameters `held_task`, `held_attempt` and `held_token`. All three count: an attempt given
    back is drawn again under the same number, and a task that was taken over keeps its attempt.
    """
    return and_(
        TASKS.c.id == bindparam("held_task"),
        TASKS.c.attempt == bindparam("held_attempt"),
        TASKS.c.lease_token == bindparam("held_token"),
        is_one_of(TASKS.c.status, sources),
    )


def holder(lease: Lease) -> Mapping[str, Any]:
    """Return the parameters of `held_by`."""
    return {"held_task": lease.task_id, "held_attempt": lease.attempt, "held_token": lease.token}


_HELD_IDS: Final[BindParameter[Any]] = bindparam("held_ids", expanding=True)
_HELD_KEYS: Final[BindParameter[Any]] = bindparam("held_keys", expanding=True)
ANY_HELD: Final = and_(
    TASKS.c.id.in_(_HELD_IDS),  # for SQLite, which finds no index for the triple
    tuple_(TASKS.c.id, TASKS.c.attempt, TASKS.c.lease_token).in_(_HELD_KEYS),
)
"""The condition that a row carries one of the leases in the parameters of `holders`."""


def holders(leases: Collection[Lease]) -> Mapping[str, Any]:
    """Return the parameters of `ANY_HELD`."""
    return {
        _HELD_IDS.key: [lease.task_id for lease in leases],
        _HELD_KEYS.key: [(lease.task_id, lease.attempt, lease.token) for lease in leases],
    }


def entering(path: Sequence[TaskStatus], events: ColumnElement[int] = _ONE) -> Update:
    """Return an UPDATE that leads along `path` and takes the numbers of `events` events; it lacks its guard.

    Status, time and seq come from the same row lock, so the log is without gaps and never disagrees with the status.
    """
    values: dict[str, Any] = {"last_seq": TASKS.c.last_seq + events}
    # That of QUEUE is the submission's.
    values |= {time_column(status): Now() for status in path if status is not TaskStatus.QUEUE}
    if path:
        values["status"] = literal_column(f"'{path[-1].value}'", String())
        values |= {} if path[-1] in LEASED else FREED
    return update(TASKS).values(values)


def hold(connection: Connection, lease: Lease, sources: Collection[TaskStatus]) -> None:
    """Lock a held task's row without changing it, so nobody takes it before this transaction has ended.

    Raises LeaseLost when it is not held, or in none of these statuses.
    """
    if connection.execute(_holding(frozenset(sources)), holder(lease)).first() is None:
        raise LeaseLost


@lru_cache(maxsize=16)
def _holding(sources: frozenset[TaskStatus]) -> Select[Any]:
    return select(TASKS.c.id).where(held_by(sources)).with_for_update(key_share=True)
