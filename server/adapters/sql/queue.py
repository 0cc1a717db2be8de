"""The statements that take tasks: submit's place in the queue, the claim, the taking over. Each is one round trip."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import (
    Connection,
    Integer,
    Select,
    String,
    Update,
    bindparam,
    insert,
    literal_column,
    select,
    true,
    update,
)

from server.adapters.sql.admission import open_to_claims, something_queued
from server.adapters.sql.expressions import Now, is_one_of, is_still_one_of
from server.adapters.sql.fence import IS_LEASED, entering, granted
from server.adapters.sql.logged import announcing, at_of, change_and_announce
from server.adapters.sql.rows import CLAIM_COLUMNS, TASK_COLUMNS
from server.adapters.sql.tables import PROJECTS, TASKS, time_column
from server.domain.errors import NotAuthorized
from server.domain.lifecycle import LEASED, TaskStatus, sources_of
from server.domain.quota import Quota
from server.domain.task import NewTask, Task
from server.domain.types import ProjectId, WorkerId

NO_QUOTA: Final = Quota()
_QUEUED = is_one_of(TASKS.c.status, [TaskStatus.QUEUE])

_ONE: Final = literal_column("1", Integer())  # a constant for the planner, and nothing to send

# Made once: every Run needs them, and to make them takes longer than to run them.
_PROJECT: Final = bindparam("project_id", type_=PROJECTS.c.id.type)
_HOLDING: Final = select(PROJECTS.c.id).where(PROJECTS.c.id == _PROJECT).with_for_update(key_share=True)
_CLAIM_WORKER: Final = bindparam("claim_worker", type_=String())
_CLAIM_SECONDS: Final = bindparam("claim_seconds", type_=TASKS.c.lease_until.type)
_CLAIM_TOKEN: Final = bindparam("claim_token", type_=String())
_CLAIM_WAITED: Final = bindparam("claim_waited", type_=TASKS.c.lease_until.type)
_CLAIM_NOT_OF: Final = bindparam("claim_not_of", type_=TASKS.c.project_id.type, expanding=True)
_FIRST: Final = {"status": f"'{TaskStatus.QUEUE}'", "attempt": "0", "crashes": "0", "last_seq": "1"}
_EMPTY: Final = dict.fromkeys(("pexit", "message"), "''")
_GIVEN: Final = ("uuid", "project_id", "token", "model", "parameters", "values", "callback_url", "base_url", "cps")
_INSERTING: Final = (
    insert(TASKS)
    .values(
        {
            "turn": bindparam("new_turn", type_=TASKS.c.turn.type),
            **{name: literal_column(text, TASKS.c[name].type) for name, text in (_FIRST | _EMPTY).items()},
            time_column(TaskStatus.QUEUE): Now(),
            **{name: bindparam(f"new_{name}", type_=TASKS.c[name].type) for name in _GIVEN},
        }
    )
    .returning(TASKS.c.id, TASKS.c.attempt, TASKS.c.last_seq, at_of(TaskStatus.QUEUE))
)


def hold_project(connection: Connection, project_id: ProjectId) -> None:
    """Lock the project's row against other submits. Raises NotAuthorized when there is no such project."""
    if connection.execute(_HOLDING, {_PROJECT.key: project_id}).first() is None:
        raise NotAuthorized


def insert_task(connection: Connection, new: NewTask, turn: int) -> Task:
    """Write a task into the queue, and its first event; return it."""
    fields: dict[str, Any] = {name: getattr(new, name) for name in _GIVEN}
    given = {f"new_{name}": value for name, value in fields.items()}
    row = change_and_announce(connection, _INSERTING, {**given, "new_turn": turn}, TaskStatus.QUEUE)
    assert row is not None
    return Task(
        **fields,
        id=row["id"],
        status=TaskStatus.QUEUE,
        turn=turn,
        attempt=row["attempt"],
        crashes=0,
        last_seq=row["last_seq"],
        pexit="",
        message="",
        times={TaskStatus.QUEUE: row["at"]},
    )


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


def claim_statements(quota: Quota, claim: Claim) -> ClaimStatements:
    """Return the statements that `claim_values` belong to. The task is of a project that may run one more."""
    return _claim_statements(quota, len(claim.models), waits=claim.waited is not None, passes=claim.not_of is not None)


@lru_cache(maxsize=64)
def _claim_statements(quota: Quota | None, models: int, *, waits: bool, passes: bool) -> ClaimStatements:
    # To make them takes several times as long as to run them, and a busy worker asks hundreds of times a second.
    names = [bindparam(_claim_model(number), type_=String()) for number in range(models)]
    looking = select(TASKS.c.id).where(_QUEUED, TASKS.c.model.in_(names))
    if quota is not None:
        looking = looking.where(open_to_claims(quota))
    if waits:
        looking = looking.where(TASKS.c[time_column(TaskStatus.QUEUE)] <= Now() - _CLAIM_WAITED)
    if passes:
        looking = looking.where(TASKS.c.project_id.not_in(_CLAIM_NOT_OF))
    looking = looking.order_by(TASKS.c.turn, TASKS.c.id).limit(_ONE)
    first = looking.with_for_update(skip_locked=True).correlate(None).scalar_subquery()
    lease = granted(_CLAIM_WORKER, _CLAIM_SECONDS, _CLAIM_TOKEN)
    claiming = (
        entering([TaskStatus.ACCEPT])
        .values(attempt=TASKS.c.attempt + _ONE, **lease)
        .where(TASKS.c.id == first, is_still_one_of(TASKS.c.status, sources_of(TaskStatus.ACCEPT)))
        .returning(*CLAIM_COLUMNS, at_of(TaskStatus.ACCEPT))
    )
    return ClaimStatements(looking, claiming)


def claim_where_nothing_is_limited(claim: Claim) -> Select[Any]:
    """Return PostgreSQL's claim in one statement, its event included, that `claim_values` belong to.

    It returns one row. `limited`: something is queued, but running is limited, and so nothing was claimed; else `id` is
    NULL where there was nothing to claim.
    """
    return _claim_where_nothing_is_limited(
        len(claim.models), waits=claim.waited is not None, passes=claim.not_of is not None
    )


@lru_cache(maxsize=64)
def _claim_where_nothing_is_limited(models: int, *, waits: bool, passes: bool) -> Select[Any]:
    limited = select(PROJECTS.c.id).where(PROJECTS.c.running_limit.is_not(None)).exists()
    claiming = _claim_statements(None, models, waits=waits, passes=passes).claiming.where(~limited)
    claimed, logged = announcing(claiming, TaskStatus.ACCEPT)
    asked = select((limited & something_queued()).label("limited")).subquery("asked")
    return select(asked.c.limited, claimed).select_from(asked.outerjoin(claimed, true())).add_cte(logged)


def claim_values(claim: Claim) -> Mapping[str, Any]:
    """Return the parameters of `claim_statements`."""
    values = {
        _CLAIM_WORKER: claim.worker_id,
        _CLAIM_SECONDS: claim.seconds,
        _CLAIM_TOKEN: claim.token,
        _CLAIM_WAITED: claim.waited,
        _CLAIM_NOT_OF: claim.not_of,
    }
    models = {_claim_model(number): model for number, model in enumerate(claim.models)}
    return models | {parameter.key: value for parameter, value in values.items() if value is not None}


def _claim_model(number: int) -> str:
    return f"claim_model_{number}"


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
