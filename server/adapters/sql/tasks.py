"""The queue in SQL."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields
from functools import lru_cache
from secrets import token_hex
from typing import Any, Final

from sqlalchemy import Connection, Select, Update, and_, bindparam, func, or_, select, update

from server.adapters.sql.admission import Admission, PlaceOf
from server.adapters.sql.claims import Claims
from server.adapters.sql.doubts import Doubts
from server.adapters.sql.engines import Database
from server.adapters.sql.expressions import Now, is_one_of, is_still_one_of
from server.adapters.sql.fence import ANY_HELD, entering, holders
from server.adapters.sql.kills import write_kill
from server.adapters.sql.logged import at_of, change_and_announce
from server.adapters.sql.previews import forget_previews
from server.adapters.sql.queue import NO_QUOTA, Claim, hold_project, insert_task, taking_over
from server.adapters.sql.rows import FILE_COLUMNS, TASK_COLUMNS, claimed_of, files_of, output_of, tasks_of
from server.adapters.sql.run_keys import forgetting, recall, remember
from server.adapters.sql.story import write_story
from server.adapters.sql.tables import FILES, TASKS
from server.adapters.sql.traces import owe_trace
from server.adapters.sql.uploads import insert_uploads, link_inputs
from server.adapters.sql.webhooks import owe
from server.domain.errors import QueueFull
from server.domain.files import ROOT
from server.domain.kill import Killed
from server.domain.lifecycle import TaskStatus, sources_of
from server.domain.quota import Quota
from server.domain.task import SUCCESS, Claimed, Lease, NewTask, Output, StoredFile, Task
from server.domain.types import ProjectId, TaskId, WorkerId
from server.domain.webhook import is_owed
from server.domain.writes import Write
from server.ports import Page, PageQuery

_FILE_FIELDS: Final = tuple(field.name for field in fields(StoredFile))

# Made once: clients ask for their tasks all the time, and to make a statement takes longer than to run it.
_TASK: Final = select(*TASK_COLUMNS)
_BY_ID: Final = _TASK.where(TASKS.c.id == bindparam("id"), TASKS.c.project_id == bindparam("project_id"))
_BY_TOKEN: Final = _TASK.where(TASKS.c.token == bindparam("token"))
_HELD: Final = select(TASKS.c.id).where(ANY_HELD)
_UNTIL: Final = Now() + bindparam("seconds", type_=TASKS.c.lease_until.type)
_RENEWING: Final = update(TASKS).where(ANY_HELD).values(lease_until=_UNTIL).returning(TASKS.c.id)


class SqlTaskStore:
    """`TaskStore` over a `Database`. Every verb is one short transaction."""

    def __init__(self, database: Database, quota: Quota = NO_QUOTA) -> None:
        self._database = database
        self._quota = quota
        self._admission = Admission(database, quota)
        self._doubts = Doubts(database)
        self._claims = Claims(database, quota)

    def submit(self, new: NewTask) -> Task:
        """See `TaskStore.submit`. Raises NotAuthorized when there is no such project."""

        def work(connection: Connection, place_of: PlaceOf) -> Task:
            place = place_of(connection, new.project_id)
            earlier = recall(connection, new)
            if earlier is not None:
                return tasks_of(connection, [earlier])[0]
            if place.refused is not None:
                raise QueueFull(place.refused)
            task = insert_task(connection, new, place.turn)
            insert_uploads(connection, new.project_id, ROOT, new.uploads)
            link_inputs(connection, task.id, new.inputs)
            remember(connection, new, task.id)
            owe_trace(connection, new, task.id)
            return task

        def look(connection: Connection) -> tuple[Task] | None:
            hold_project(connection, new.project_id)
            rows = connection.execute(_BY_TOKEN, {"token": new.token}).mappings().all()
            return (tasks_of(connection, rows)[0],) if rows else None

        return self._admission.submit(work, look)

    def find(self, project_id: ProjectId, task_id: TaskId) -> Task | None:
        """See `TaskStore.find`."""
        return self._find(_BY_ID, {"id": task_id, "project_id": project_id})

    def find_by_token(self, token: str) -> Task | None:
        """See `TaskStore.find_by_token`."""
        return self._find(_BY_TOKEN, {"token": token})

    def find_file(self, access_key: str) -> Output | None:
        """See `TaskStore.find_file`."""

        def work(connection: Connection) -> Output | None:
            query = select(*FILE_COLUMNS).where(FILES.c.access_key == access_key)
            row = connection.execute(query).mappings().one_or_none()
            return None if row is None else output_of(row)

        return self._database.read(work)

    def page(self, project_id: ProjectId, query: PageQuery) -> Page:
        """See `TaskStore.page`. Upper and lower case don't matter to `model`."""
        wanted = TASKS.c.project_id == project_id
        if query.model:
            named = TASKS.c.model.icontains(query.model, autoescape=True)
            wanted = and_(wanted, or_(named, TASKS.c.model.in_(query.or_models)))
        if query.statuses:
            wanted = and_(wanted, is_one_of(TASKS.c.status, query.statuses))
        if query.succeeded is not None:
            well = TASKS.c.pexit == SUCCESS if query.succeeded else TASKS.c.pexit != SUCCESS
            wanted = and_(wanted, is_one_of(TASKS.c.status, [TaskStatus.POSTPROCESS_END]), well)
        order = TASKS.c.id.asc() if query.ascending else TASKS.c.id.desc()
        rows = select(*TASK_COLUMNS).where(wanted).order_by(order).offset(query.start).limit(query.limit)

        def work(connection: Connection) -> Page:
            total = connection.execute(select(func.count()).select_from(TASKS).where(wanted)).scalar_one()
            return Page(total, tasks_of(connection, connection.execute(rows).mappings().all()))

        return self._database.read(work)

    def cancel(self, task_id: TaskId, sources: Collection[TaskStatus]) -> Task | None:
        """See `TaskStore.cancel`."""
        allowed = sources_of(TaskStatus.CANCEL).intersection(sources)
        if not allowed:
            return None
        change = _cancelling(frozenset(allowed))

        def work(connection: Connection) -> Task | None:
            row = change_and_announce(connection, change, {"this": task_id}, TaskStatus.CANCEL)
            if row is None:
                return None
            forget_previews(connection, task_id)
            cancelled = tasks_of(connection, [row])[0]
            if is_owed(cancelled):
                owe(connection, cancelled.id, cancelled.callback_url)
            return cancelled

        def look(connection: Connection) -> tuple[Task] | None:
            locked = _TASK.where(TASKS.c.id == task_id, is_still_one_of(TASKS.c.status, [TaskStatus.CANCEL]))
            rows = connection.execute(locked.with_for_update(key_share=True)).mappings().all()
            return (tasks_of(connection, rows)[0],) if rows else None

        return self._database.write(work, look)

    def claim(
        self,
        worker_id: WorkerId,
        models: Collection[str],
        seconds: float,
        *,
        waited: float = 0.0,
        not_of: Collection[ProjectId] = (),
    ) -> Claimed | None:
        """See `TaskStore.claim`."""
        if not models:
            return None

        claim = Claim(
            worker_id=worker_id,
            models=list(models),
            seconds=float(seconds),
            token=token_hex(16),
            waited=float(waited) if waited else None,
            not_of=list(not_of) or None,
        )
        return self._claims.claim(claim)

    def write(self, lease: Lease, writes: Sequence[Write]) -> None:
        """See `TaskStore.write`."""
        self._doubts.write(lease, tuple(writes), lambda connection: write_story(connection, lease, writes))

    def write_kill(self, killed: Killed, ago: float) -> float | None:
        """See `TaskStore.write_kill`."""
        return self._database.write(lambda connection: write_kill(connection, killed, ago))

    def renew(self, leases: Collection[Lease], seconds: float) -> frozenset[TaskId]:
        """See `TaskStore.renew`."""
        if not leases:
            return frozenset()
        given = {**holders(leases), "seconds": float(seconds)}

        def work(connection: Connection) -> frozenset[TaskId]:
            return frozenset(connection.execute(_RENEWING, given).scalars())

        return self._database.write_one(work, lambda _connection: None)  # done twice, it is the same

    def held(self, leases: Collection[Lease]) -> frozenset[TaskId]:
        """See `TaskStore.held`."""
        if not leases:
            return frozenset()
        given = holders(leases)
        return self._database.read(lambda connection: frozenset(connection.execute(_HELD, given).scalars()))

    def take_over(self, worker_id: WorkerId, seconds: float, limit: int = 20) -> Sequence[Claimed]:
        """See `TaskStore.take_over`."""

        def work(connection: Connection) -> Sequence[Claimed]:
            rows = connection.execute(taking_over(worker_id, seconds, limit)).mappings().all()
            files = files_of(connection, [row["id"] for row in rows])
            return [claimed_of(row, files.get(row["id"], ())) for row in sorted(rows, key=lambda row: row["id"])]

        return self._database.write(work)

    def forget_run_keys(self, older_than: float) -> int:
        """See `TaskStore.forget_run_keys`."""
        return self._database.write(lambda connection: connection.execute(forgetting(older_than)).rowcount)

    def _find(self, query: Select[Any], asked: Mapping[str, object]) -> Task | None:
        def work(connection: Connection) -> Task | None:
            rows = connection.execute(query, asked).mappings().all()
            return next(iter(tasks_of(connection, rows)), None)

        return self._database.read(work)


@lru_cache(maxsize=16)
def _cancelling(sources: frozenset[TaskStatus]) -> Update:
    guard = and_(TASKS.c.id == bindparam("this"), is_still_one_of(TASKS.c.status, sources))
    return entering([TaskStatus.CANCEL]).where(guard).returning(*TASK_COLUMNS, at_of(TaskStatus.CANCEL))
