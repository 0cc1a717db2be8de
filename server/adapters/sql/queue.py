"""The statements that take tasks: submit's place in the queue, the claim, the taking over. Each is one round trip."""

from collections.abc import Collection
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Update, bindparam, insert, select, update

from server.adapters.sql.admission import open_to_claims
from server.adapters.sql.expressions import Now, is_one_of
from server.adapters.sql.fence import IS_LEASED, entering, granted
from server.adapters.sql.rows import TASK_COLUMNS, Row
from server.adapters.sql.tables import PROJECTS, TASKS, time_column
from server.domain.errors import NotAuthorized
from server.domain.lifecycle import LEASED, TaskStatus, sources_of
from server.domain.quota import Quota
from server.domain.task import NewTask
from server.domain.types import ProjectId, WorkerId

NO_QUOTA: Final = Quota()
_QUEUED = is_one_of(TASKS.c.status, [TaskStatus.QUEUE])

# Made once: every Run needs them, and to make them takes longer than to run them.
_PROJECT: Final = bindparam("project_id", type_=PROJECTS.c.id.type)
_HOLDING: Final = select(PROJECTS.c.id).where(PROJECTS.c.id == _PROJECT).with_for_update(key_share=True)
_INSERTING: Final = insert(TASKS).values({time_column(TaskStatus.QUEUE): Now()}).returning(*TASK_COLUMNS)


def hold_project(connection: Connection, project_id: ProjectId) -> None:
    """Lock the project's row against other submits. Raises NotAuthorized when there is no such project."""
    if connection.execute(_HOLDING, {_PROJECT.key: project_id}).first() is None:
        raise NotAuthorized


def insert_task(connection: Connection, new: NewTask, turn: int) -> Row:
    """Write a task into the queue, its first event counted; return its row."""
    values: dict[str, Any] = {
        "uuid": new.uuid,
        "project_id": new.project_id,
        "token": new.token,
        "model": new.model,
        "parameters": new.parameters,
        "values": new.values,
        "callback_url": new.callback_url,
        "base_url": new.base_url,
        "cps": new.cps,
        "status": TaskStatus.QUEUE.value,
        "turn": turn,
        "attempt": 0,
        "crashes": 0,
        "last_seq": 1,
        "pexit": "",
        "message": "",
    }
    return connection.execute(_INSERTING, values).mappings().one()


def claiming(
    worker_id: WorkerId,
    models: Collection[str],
    seconds: float,
    quota: Quota = NO_QUOTA,
    token: str | None = None,
    *,
    waited: float = 0.0,
    not_of: Collection[ProjectId] = (),
) -> Update:
    """Return the claim: the first of the queue, of a project that may run one more, that nobody else is taking now.

    `token` is the lease token; by default the database makes one.
    """
    narrowed: list[ColumnElement[bool]] = []
    if waited:
        narrowed.append(TASKS.c[time_column(TaskStatus.QUEUE)] <= Now() - waited)
    if not_of:
        narrowed.append(TASKS.c.project_id.not_in(not_of))
    first = (
        select(TASKS.c.id)
        .where(_QUEUED, TASKS.c.model.in_(models), open_to_claims(quota), *narrowed)
        .order_by(TASKS.c.turn, TASKS.c.id)
        .limit(1)
        .with_for_update(skip_locked=True)
        .correlate(None)
        .scalar_subquery()
    )
    return (
        entering([TaskStatus.ACCEPT])
        .values(attempt=TASKS.c.attempt + 1, **granted(worker_id, seconds, token))
        .where(TASKS.c.id == first, is_one_of(TASKS.c.status, sources_of(TaskStatus.ACCEPT)))
        .returning(*TASK_COLUMNS)
    )


def taking_over(worker_id: WorkerId, seconds: float, limit: int) -> Update:
    """Return the UPDATE that lends tasks whose lease ran out to another worker; their attempt stays."""
    # MATERIALIZED: as a plain IN the planner may run the subquery again per row, and then it takes more than `limit`.
    expired = (
        select(TASKS.c.id)
        .where(IS_LEASED, TASKS.c.lease_until <= Now(), is_one_of(TASKS.c.status, LEASED))
        .order_by(TASKS.c.lease_until, TASKS.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .cte("expired")
        .prefix_with("MATERIALIZED")
    )
    return (
        update(TASKS)
        .values(**granted(worker_id, seconds))
        .where(TASKS.c.id.in_(select(expired.c.id)))
        .returning(*TASK_COLUMNS)
    )
