"""The outbox in SQL."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final
from uuid import uuid4

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    Select,
    and_,
    bindparam,
    func,
    insert,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from server.adapters.sql.engines import Database
from server.adapters.sql.expressions import FreshToken, Now
from server.adapters.sql.rows import TASK_COLUMNS, Row, tasks_of
from server.adapters.sql.tables import TASKS
from server.adapters.sql.webhook_tables import WEBHOOK_ATTEMPTS, WEBHOOK_SECRETS, WEBHOOKS
from server.domain.errors import LeaseLost
from server.domain.types import ProjectId, TaskId
from server.domain.webhook import (
    Attempt,
    Backlog,
    Due,
    Verdict,
    Webhook,
    WebhookId,
    WebhookLease,
    WebhookState,
    endpoint_of,
)

_FREE = or_(WEBHOOKS.c.lease_until.is_(None), WEBHOOKS.c.lease_until <= Now())
_OUT = WEBHOOKS.c.lease_until > Now()
_DUE = and_(WEBHOOKS.c.next_at.is_not(None), WEBHOOKS.c.next_at <= Now(), _FREE)
_LET_GO = {"lease_token": None, "lease_until": None}

# Made once: they are needed for each webhook, and to make them takes longer than to run them.
_IDS: Final[BindParameter[Any]] = bindparam("ids", expanding=True)
_OWING: Final = insert(WEBHOOKS).values(created_at=Now(), next_at=Now())
_TAKING: Final = (
    # Whoever took one of them between the look and this has moved its lease: the condition no longer holds.
    update(WEBHOOKS)
    .where(WEBHOOKS.c.id.in_(_IDS), _DUE)
    .values(lease_token=FreshToken(), lease_until=Now() + bindparam("seconds", type_=WEBHOOKS.c.lease_until.type))
    .returning(*WEBHOOKS.c, Now().label("now"))
)
_TASKS: Final = select(*TASK_COLUMNS).where(TASKS.c.id.in_(_IDS))
_RECORDING: Final = (
    update(WEBHOOKS)
    .where(WEBHOOKS.c.id == bindparam("this"), WEBHOOKS.c.lease_token == bindparam("token"))
    .values(
        state=bindparam("verdict", type_=WEBHOOKS.c.state.type),
        tries=WEBHOOKS.c.tries + 1,
        attempts=WEBHOOKS.c.attempts + 1,
        next_at=Now() + bindparam("pause", type_=WEBHOOKS.c.next_at.type),  # NULL is never
        **_LET_GO,
    )
    .returning(WEBHOOKS.c.attempts)
)
_NOTING: Final = insert(WEBHOOK_ATTEMPTS).values(at=Now())
_ATTEMPTS: Final = (
    select(WEBHOOK_ATTEMPTS).where(WEBHOOK_ATTEMPTS.c.webhook_id.in_(_IDS)).order_by(WEBHOOK_ATTEMPTS.c.number)
)


def owe(connection: Connection, task_id: TaskId, url: str) -> None:
    """Write a task's webhook. Called in the transaction of the task's last move."""
    values = {
        "uuid": f"msg_{uuid4().hex}",
        "task_id": task_id,
        "url": url,
        "endpoint": endpoint_of(url),
        "state": WebhookState.PENDING.value,
        "tries": 0,
        "attempts": 0,
    }
    connection.execute(_OWING, values)


BACKLOG: Final = select(func.count(), Now() - func.min(WEBHOOKS.c.next_at)).where(WEBHOOKS.c.next_at.is_not(None))
GIVEN_UP: Final = select(func.count()).where(WEBHOOKS.c.state == WebhookState.FAILED.value)


class SqlWebhookStore:
    """`WebhookStore` over a `Database`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def take(
        self,
        limit: int,
        seconds: float,
        *,
        each: int = 2,
        only: Collection[str] | None = None,
        avoid: Collection[str] = (),
    ) -> Sequence[Due]:
        """See `WebhookStore.take`. Looks first, so that an idle deliverer never takes the writer's turn."""
        ready = _ready(limit, each, None if only is None else frozenset(only), frozenset(avoid))
        ids = self._database.read(lambda connection: connection.execute(ready).scalars().all())
        if not ids:
            return []

        def work(connection: Connection) -> Sequence[Due]:
            taken = connection.execute(_TAKING, {_IDS.key: ids, "seconds": float(seconds)}).mappings().all()
            rows = sorted(taken, key=lambda row: (row["next_at"], row["id"]))
            attempts = _attempts(connection, [row["id"] for row in rows])
            theirs = connection.execute(_TASKS, {_IDS.key: [row["task_id"] for row in rows]})
            tasks = {task.id: task for task in tasks_of(connection, theirs.mappings().all())}
            return [
                Due(
                    webhook=_webhook(row, attempts),
                    lease=WebhookLease(row["id"], row["lease_token"]),
                    task=tasks[row["task_id"]],
                    at=row["now"],
                )
                for row in rows
            ]

        return self._database.write(work)

    def record(self, lease: WebhookLease, verdict: Verdict) -> None:
        """See `WebhookStore.record`."""
        said = {"this": lease.webhook_id, "token": lease.token, "verdict": verdict.state.value}
        said |= {"pause": None if verdict.pause is None else float(verdict.pause)}

        def work(connection: Connection) -> None:
            number = connection.execute(_RECORDING, said).scalar_one_or_none()
            if number is None:
                raise LeaseLost
            line = {"webhook_id": lease.webhook_id, "number": number, "status": verdict.status}
            connection.execute(_NOTING, {**line, "reason": verdict.reason})

        self._database.write(work)

    def of_tasks(self, task_ids: Collection[TaskId]) -> Mapping[TaskId, Sequence[Webhook]]:
        """See `WebhookStore.of_tasks`."""
        if not task_ids:
            return {}
        found: dict[TaskId, list[Webhook]] = defaultdict(list)
        for webhook in self._read(select(WEBHOOKS).where(WEBHOOKS.c.task_id.in_(task_ids)).order_by(WEBHOOKS.c.id)):
            found[webhook.task_id].append(webhook)
        return found

    def recent(self, limit: int, *, failed: bool = False) -> Sequence[Webhook]:
        """See `WebhookStore.recent`."""
        query = select(WEBHOOKS).order_by(WEBHOOKS.c.id.desc()).limit(limit)
        return self._read(query.where(WEBHOOKS.c.state == WebhookState.FAILED.value) if failed else query)

    def backlog(self) -> Backlog:
        """See `WebhookStore.backlog`."""

        def work(connection: Connection) -> Backlog:
            waiting, overdue = connection.execute(BACKLOG).one()
            given_up: int = connection.execute(GIVEN_UP).scalar_one()
            return Backlog(waiting=waiting, overdue=max(0.0, overdue or 0.0), given_up=given_up)

        return self._database.read(work)

    def redeliver(self, webhook_id: WebhookId) -> bool:
        """See `WebhookStore.redeliver`."""
        values = {"state": WebhookState.PENDING.value, "tries": 0, "next_at": Now(), **_LET_GO}
        change = update(WEBHOOKS).where(WEBHOOKS.c.id == webhook_id, _FREE).values(values)
        return self._database.write(lambda connection: connection.execute(change).rowcount > 0)

    def secrets(self, project_id: ProjectId) -> Sequence[bytes]:
        """See `WebhookStore.secrets`."""
        good = or_(WEBHOOK_SECRETS.c.expires_at.is_(None), WEBHOOK_SECRETS.c.expires_at > Now())
        query = select(WEBHOOK_SECRETS.c.secret_encrypted).where(WEBHOOK_SECRETS.c.project_id == project_id, good)
        newest = query.order_by(WEBHOOK_SECRETS.c.number.desc())
        return self._database.read(lambda connection: connection.execute(newest).scalars().all())

    def add_secret(self, project_id: ProjectId, sealed: bytes, *, replaces: int, overlap: float) -> bool:
        """See `WebhookStore.add_secret`. The unique number decides who adds."""
        values = {"project_id": project_id, "number": replaces + 1, "secret_encrypted": sealed, "created_at": Now()}
        older = update(WEBHOOK_SECRETS).where(
            WEBHOOK_SECRETS.c.project_id == project_id,
            WEBHOOK_SECRETS.c.number <= replaces,
            WEBHOOK_SECRETS.c.expires_at.is_(None),
        )

        def work(connection: Connection) -> None:
            connection.execute(insert(WEBHOOK_SECRETS).values(values))
            connection.execute(older.values(expires_at=Now() + literal(float(overlap))))

        try:
            self._database.write(work)
        except IntegrityError:
            if self.count_secrets(project_id) > replaces:
                return False
            raise
        return True

    def count_secrets(self, project_id: ProjectId | None = None) -> int:
        """See `WebhookStore.count_secrets`."""
        query = select(func.count()).select_from(WEBHOOK_SECRETS)
        if project_id is not None:
            query = query.where(WEBHOOK_SECRETS.c.project_id == project_id)
        return self._database.read(lambda connection: connection.execute(query).scalar_one())

    def _read(self, query: Select[Any]) -> Sequence[Webhook]:
        def work(connection: Connection) -> Sequence[Webhook]:
            rows = connection.execute(query).mappings().all()
            attempts = _attempts(connection, [row["id"] for row in rows])
            return [_webhook(row, attempts) for row in rows]

        return self._database.read(work)


# Asked twice a second, mostly for the same: to make it takes longer than to run it.
@lru_cache(maxsize=16)
def _ready(limit: int, each: int, only: frozenset[str] | None, avoid: frozenset[str]) -> Select[tuple[int]]:
    """Return the query for the ids to take: of each endpoint no more than may be out together with those that are."""
    wanted: list[ColumnElement[bool]] = [_DUE]
    if only is not None:
        wanted.append(WEBHOOKS.c.endpoint.in_(only))
    if avoid:
        wanted.append(WEBHOOKS.c.endpoint.not_in(avoid))
    out = select(WEBHOOKS.c.endpoint, func.count().label("count")).where(WEBHOOKS.c.next_at.is_not(None), _OUT)
    out = out.group_by(WEBHOOKS.c.endpoint).cte("out")
    order = (WEBHOOKS.c.next_at, WEBHOOKS.c.id)
    place = func.row_number().over(partition_by=WEBHOOKS.c.endpoint, order_by=order)
    due = select(WEBHOOKS.c.id, WEBHOOKS.c.endpoint, WEBHOOKS.c.next_at, place.label("place")).where(*wanted).cte("due")
    joined = due.outerjoin(out, due.c.endpoint == out.c.endpoint)
    fits = due.c.place + func.coalesce(out.c.count, 0) <= each
    return select(due.c.id).select_from(joined).where(fits).order_by(due.c.next_at, due.c.id).limit(limit)


def _attempts(connection: Connection, ids: Collection[int]) -> Mapping[int, Sequence[Attempt]]:
    found: dict[int, list[Attempt]] = defaultdict(list)
    for row in connection.execute(_ATTEMPTS, {_IDS.key: list(ids)}):
        found[row.webhook_id].append(Attempt(number=row.number, at=row.at, status=row.status, reason=row.reason))
    return found


def _webhook(row: Row, attempts: Mapping[int, Sequence[Attempt]]) -> Webhook:
    names = ("id", "uuid", "task_id", "url", "endpoint", "tries", "created_at", "next_at")
    same = {name: row[name] for name in names}
    return Webhook(**same, state=WebhookState(row["state"]), attempts=tuple(attempts.get(row["id"], ())))
