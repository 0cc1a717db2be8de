"""The statements that take tasks: submit's place in the queue, the claim, the taking over. Each is one round trip."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import (
    Connection,
    Select,
    String,
    Update,
    bindparam,
    insert,
    select,
    update,
)

from server.adapters.sql.admission import open_to_claims
from server.adapters.sql.expressions import Now, is_one_of, is_still_one_of
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
_CLAIM_WORKER: Final = bindparam("claim_worker", type_=String())
_CLAIM_MODELS: Final = bindparam("claim_models", type_=String(), expanding=True)
_CLAIM_SECONDS: Final = bindparam("claim_seconds", type_=TASKS.c.lease_until.type)
_CLAIM_TOKEN: Final = bindparam("claim_token", type_=String())
_CLAIM_WAITED: Final = bindparam("claim_waited", type_=TASKS.c.lease_until.type)
_CLAIM_NOT_OF: Final = bindparam("claim_not_of", type_=TASKS.c.project_id.type, expanding=True)
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Who claims what, under which lease `token`; `waited` and `not_of` narrow it where they are given."""

    worker_id: WorkerId
    models: Sequence[str]
    seconds: float
    token: str
    waited: float | None = None
    not_of: Sequence[ProjectId] | None = None


@dataclass(frozen=True, slots=True)
class ClaimStatements:
    """What a claim looks for, and the claim itself: the first of the queue that nobody else is taking now."""

    looking: Select[int]
    claiming: Update


def claim_statements(quota: Quota, claim: Claim, *, limited: bool = True) -> ClaimStatements:
    """Return the statements that `claim_values` belong to. The task is of a project that may run one more.

    Where it is known that no project's running is `limited`, the statements leave that out.
    """
    waits, passes = claim.waited is not None, claim.not_of is not None
    return _claim_statements(quota if limited else None, waits=waits, passes=passes)


@lru_cache(maxsize=64)
def _claim_statements(quota: Quota | None, *, waits: bool, passes: bool) -> ClaimStatements:
    # To make them takes several times as long as to run them, and a busy worker asks hundreds of times a second.
    looking = select(TASKS.c.id).where(_QUEUED, TASKS.c.model.in_(_CLAIM_MODELS))
    if quota is not None:
        looking = looking.where(open_to_claims(quota))
    if waits:
        looking = looking.where(TASKS.c[time_column(TaskStatus.QUEUE)] <= Now() - _CLAIM_WAITED)
    if passes:
        looking = looking.where(TASKS.c.project_id.not_in(_CLAIM_NOT_OF))
    looking = looking.order_by(TASKS.c.turn, TASKS.c.id).limit(1)
    first = looking.with_for_update(skip_locked=True).correlate(None).scalar_subquery()
    lease = granted(_CLAIM_WORKER, _CLAIM_SECONDS, _CLAIM_TOKEN)
    claiming = (
        entering([TaskStatus.ACCEPT])
        .values(attempt=TASKS.c.attempt + 1, **lease)
        .where(TASKS.c.id == first, is_still_one_of(TASKS.c.status, sources_of(TaskStatus.ACCEPT)))
        .returning(*TASK_COLUMNS)
    )
    return ClaimStatements(looking, claiming)


def claim_values(claim: Claim) -> Mapping[str, Any]:
    """Return the parameters of `claim_statements`."""
    values = {
        _CLAIM_WORKER: claim.worker_id,
        _CLAIM_MODELS: claim.models,
        _CLAIM_SECONDS: claim.seconds,
        _CLAIM_TOKEN: claim.token,
        _CLAIM_WAITED: claim.waited,
        _CLAIM_NOT_OF: claim.not_of,
    }
    return {parameter.key: value for parameter, value in values.items() if value is not None}


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
