"""Who may enter the queue, and whose tasks may leave it: limits that hold however many submit or claim at once.

On SQLite one writer comes after the other. On PostgreSQL, submits of one project queue at its row; what counts across
projects needs advisory locks: see docs/decisions/0010-limits-at-submit-and-claim.md.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, TypeVar

from sqlalchemy import (
    CTE,
    ColumnElement,
    Connection,
    Integer,
    ScalarSelect,
    Select,
    bindparam,
    case,
    cast,
    func,
    literal,
    select,
)

from server.adapters.sql.engines import Database
from server.adapters.sql.expressions import is_one_of
from server.adapters.sql.fence import is_leased
from server.adapters.sql.queue_turns import LOWEST_TURN, OWN_TURN, after
from server.adapters.sql.tables import PROJECTS, TASKS
from server.domain.errors import NotAuthorized
from server.domain.lifecycle import TaskStatus
from server.domain.quota import Quota, refusal
from server.domain.types import ProjectId

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Place:
    """Where one more task would stand: its turn, and why it must not, if so."""

    turn: int
    refused: str | None


PlaceOf: TypeAlias = Callable[[Connection, ProjectId], Place]
"""Locks the project's row until commit and returns its next place. Raises NotAuthorized: there is no such project.

Without the lock a flood over many connections would take many turns at once, and count none of the others.
"""

_SUBMIT_KEY: Final = 0x6561_7375
_CLAIM_KEY: Final = 0x6561_636C
_QUEUED: Final = is_one_of(TASKS.c.status, [TaskStatus.QUEUE])
_PROJECT: Final = bindparam("project_id", type_=PROJECTS.c.id.type)


def _holding(*beside: ColumnElement[Any]) -> Select[Any]:
    """Return the statement that locks the project's row against other submits; `others` may be submitting too."""
    return select(PROJECTS.c.id, *beside).where(PROJECTS.c.id == _PROJECT).with_for_update(key_share=True)


_NOBODY: Final = literal(0).label("others")
_EVERYBODY: Final = cast(func.current_setting("max_connections"), Integer).label("others")
_HOLDING: Final = _holding(_NOBODY)
_HOLDING_WITH_OTHERS: Final = _holding(_EVERYBODY, func.pg_advisory_xact_lock_shared(_SUBMIT_KEY))
_HOLDING_ALONE: Final = _holding(_NOBODY, func.pg_advisory_xact_lock(_SUBMIT_KEY))


class _NearTheLimit(Exception):
    """Counting beside others is not exact enough any more."""


class Admission:
    """The limits, enforced in the transactions of `SqlTaskStore`."""

    def __init__(self, database: Database, quota: Quota) -> None:
        self._database = database
        self._quota = quota
        self._placing = placing(quota)

    def submit(self, work: Callable[[Connection, PlaceOf], _T], look: Callable[[Connection], tuple[_T] | None]) -> _T:
        """Run a transaction that queues one task, in the place it is to ask for first; `look` as in `Database.write`.

        Submits share a lock until they commit, and count. Only when so many tasks wait that everybody who is counting
        now could fill the queue, they do it one at a time.
        """
        write = self._database.write
        if self._database.is_sqlite:  # BEGIN IMMEDIATE has locked everything
            return write(lambda connection: work(connection, self._place), look)
        if self._quota.total is None:
            return write(lambda connection: work(connection, self._held(_HOLDING)), look)
        try:
            return write(lambda connection: work(connection, self._held(_HOLDING_WITH_OTHERS)), look)
        except _NearTheLimit:
            return write(lambda connection: work(connection, self._held(_HOLDING_ALONE)), look)

    def _held(self, holding: Select[Any]) -> PlaceOf:
        def place(connection: Connection, project_id: ProjectId) -> Place:
            # In a statement of its own: the next one sees what was committed before the lock was granted.
            row = connection.execute(holding, {_PROJECT.key: project_id}).first()
            if row is None:
                raise NotAuthorized
            return self._place(connection, project_id, others=row.others)

        return place

    def _place(self, connection: Connection, project_id: ProjectId, others: int = 0) -> Place:
        row = connection.execute(self._placing, {_PROJECT.key: project_id}).one_or_none()
        if row is None:
            raise NotAuthorized
        own, lowest, limit, queued, total = row
        # Each of the others is a connection that adds one task at most.
        if others and self._quota.total is not None and total + others >= self._quota.total:
            raise _NearTheLimit
        refused = refusal(queued, self._quota.queued_of(limit), total, self._quota.total)
        return Place(after(own, lowest), refused)


def something_queued() -> ColumnElement[bool]:
    """Return the condition that a task waits in the queue: a look at the first entry of an index."""
    # Not EXISTS: a planner that knows of many queued tasks looks for one in the table, behind all finished ones.
    return select(func.min(TASKS.c.turn)).where(_QUEUED).scalar_subquery().is_not(None)


WAIT_TO_CLAIM: Final = select(func.pg_advisory_xact_lock(_CLAIM_KEY)).where(something_queued())
"""PostgreSQL's first statement of a claim where running is limited: such claims go one at a time until they commit.

No row where nothing is queued, and then there is no second statement."""


def placing(quota: Quota) -> Select[int | None, int | None, int | None, int, int]:
    """Return the project's last turn and the queue's first, its own limit, its queued tasks, and everybody's.

    What is queued is counted only where a limit needs it.
    """
    own = select(func.count()).select_from(TASKS).where(_QUEUED, TASKS.c.project_id == _PROJECT).scalar_subquery()
    limited = PROJECTS.c.queued_limit.is_not(None) if quota.queued is None else literal(value=True)
    # In order, though it does not matter: it is the index that is read then, whatever a planner thinks of the table.
    first = select(TASKS.c.id).where(_QUEUED).order_by(TASKS.c.turn, TASKS.c.id).limit(quota.total).subquery()
    total = literal(0) if quota.total is None else select(func.count()).select_from(first).scalar_subquery()
    queued = case((limited, own), else_=0)
    return select(OWN_TURN, LOWEST_TURN, PROJECTS.c.queued_limit, queued, total).where(PROJECTS.c.id == _PROJECT)


def open_to_claims(quota: Quota) -> ColumnElement[bool]:
    """Return the condition that a queued task's project may run one more task.

    The second half changes nothing about which task is first: it lets the index scan begin there. Else a project at
    its limit, with a hundred thousand tasks in the queue, would have them all read at every claim.
    """
    full = _at_their_limit(quota)
    return TASKS.c.project_id.not_in(select(full.c.project_id)) & (TASKS.c.turn >= _first_turn(full))


def _at_their_limit(quota: Quota) -> CTE:
    running = TASKS.alias("running")
    limit = (
        PROJECTS.c.running_limit if quota.running is None else func.coalesce(PROJECTS.c.running_limit, quota.running)
    )
    return (
        select(running.c.project_id)
        .join(PROJECTS, PROJECTS.c.id == running.c.project_id)
        .where(is_leased(running))
        .group_by(running.c.project_id, PROJECTS.c.running_limit)
        .having(func.count() >= limit)
        .cte("at_their_limit")
    )


def _first_turn(full: CTE) -> ScalarSelect[int] | ColumnElement[int]:
    """Return the lowest turn of the projects that may run one more; 0 when all may, NULL when none has a task."""
    theirs = TASKS.alias("theirs")
    queued = is_one_of(theirs.c.status, [TaskStatus.QUEUE])
    head = select(func.min(theirs.c.turn)).where(queued, theirs.c.project_id == PROJECTS.c.id)
    heads = (
        select(head.correlate(PROJECTS).scalar_subquery().label("turn"))
        .where(PROJECTS.c.id.not_in(select(full.c.project_id)))
        .subquery("heads")
    )
    lowest = select(func.min(heads.c.turn)).scalar_subquery()
    return case((select(full.c.project_id).exists(), lowest), else_=0)
