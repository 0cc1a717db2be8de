"""The queue in SQL."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields
from secrets import token_hex
from typing import Any, Final
from uuid import uuid4

from sqlalchemy import Connection, Select, and_, bindparam, delete, func, insert, literal, or_, select, update

from server.adapters.sql.admission import Admission, Check
from server.adapters.sql.claims import Claims
from server.adapters.sql.doubts import Doubts
from server.adapters.sql.engines import Database
from server.adapters.sql.expressions import Now, is_one_of
from server.adapters.sql.fence import any_held, entering, fenced, hold, log, log_status
from server.adapters.sql.kills import write_kill
from server.adapters.sql.previews import clear_preview, forget_previews
from server.adapters.sql.queue import NO_QUOTA, claiming, hold_project, insert_task, next_turn, taking_over
from server.adapters.sql.receipt_table import TASK_RECEIPTS
from server.adapters.sql.removals import drop_outputs
from server.adapters.sql.rows import FILE_COLUMNS, TASK_COLUMNS, Row, claimed_of, files_of, output_of, task_of, tasks_of
from server.adapters.sql.run_keys import forgetting, recall, remember
from server.adapters.sql.tables import FILES, TASK_PROGRESS, TASKS, time_column
from server.adapters.sql.uploads import insert_uploads, link_inputs
from server.adapters.sql.webhooks import owe
from server.domain.events import EventType, NewEvent
from server.domain.files import ROOT
from server.domain.kill import Killed
from server.domain.lifecycle import LEASED, RUNNING, TaskStatus, sources_of
from server.domain.quota import Quota
from server.domain.task import Claimed, Ending, Lease, NewTask, Output, StoredFile, Task
from server.domain.types import JsonObject, ProjectId, TaskId, WorkerId
from server.domain.webhook import is_owed
from server.ports import Page, PageQuery

_FILE_FIELDS: Final = tuple(field.name for field in fields(StoredFile))

# Made once: clients ask for their tasks all the time, and to make a statement takes longer than to run it.
_TASK: Final = select(*TASK_COLUMNS)
_BY_ID: Final = _TASK.where(TASKS.c.id == bindparam("id"), TASKS.c.project_id == bindparam("project_id"))
_BY_TOKEN: Final = _TASK.where(TASKS.c.token == bindparam("token"))


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

        def work(connection: Connection, check: Check) -> Task:
            turn = next_turn(connection, new.project_id)
            earlier = recall(connection, new)
            if earlier is not None:
                return tasks_of(connection, [earlier])[0]
            check(connection, new.project_id)
            row = insert_task(connection, new, turn)
            log_status(connection, row)
            insert_uploads(connection, new.project_id, ROOT, new.uploads)
            link_inputs(connection, row["id"], new.inputs)
            remember(connection, new, row["id"])
            return task_of(row)

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
        guard = and_(TASKS.c.id == task_id, is_one_of(TASKS.c.status, allowed))
        change = entering(TaskStatus.CANCEL).where(guard).returning(*TASK_COLUMNS)

        def work(connection: Connection) -> Task | None:
            row = connection.execute(change).mappings().one_or_none()
            if row is None:
                return None
            log_status(connection, row)
            forget_previews(connection, task_id)
            cancelled = tasks_of(connection, [row])[0]
            if is_owed(cancelled):
                owe(connection, cancelled.id, cancelled.callback_url)
            return cancelled

        def look(connection: Connection) -> tuple[Task] | None:
            locked = _TASK.where(TASKS.c.id == task_id, is_one_of(TASKS.c.status, [TaskStatus.CANCEL]))
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

        token = token_hex(16)
        change = claiming(worker_id, models, seconds, self._quota, token, waited=waited, not_of=not_of)

        def work(connection: Connection) -> Claimed | None:
            row = connection.execute(change).mappings().one_or_none()
            if row is None:
                return None
            log_status(connection, row)
            return claimed_of(row)  # no files: the last attempt's were forgotten when it was requeued

        return self._claims.claim(work, token)

    def move(
        self, lease: Lease, to: TaskStatus, *, before: Sequence[NewEvent] = (), ending: Ending | None = None
    ) -> None:
        """See `TaskStore.move`. The way back to the queue is `requeue`."""
        if to is TaskStatus.QUEUE:
            raise ValueError("requeue() moves a task back to the queue")
        if ending is not None and to is not TaskStatus.END:
            raise ValueError("an ending is written with END")
        events = [*before, NewEvent(EventType.of(to))]
        change = entering(to, len(events))
        if ending is not None:
            change = change.values(pexit=ending.pexit, message=ending.message)

        def work(connection: Connection) -> Row:
            row = fenced(connection, change, lease, sources_of(to), at=TASKS.c[time_column(to)])
            log(connection, row, events)
            if to is TaskStatus.END:
                forget_previews(connection, lease.task_id)
            if to is TaskStatus.POSTPROCESS_END and row["callback_url"]:
                owe(connection, lease.task_id, row["callback_url"])
            return row

        self._doubts.write(lease, events, work)

    def append(self, lease: Lease, events: Sequence[NewEvent]) -> None:
        """See `TaskStore.append`."""
        change = update(TASKS).values(last_seq=TASKS.c.last_seq + len(events))

        def work(connection: Connection) -> Row:
            row = fenced(connection, change, lease, LEASED)
            log(connection, row, events)
            return row

        self._doubts.write(lease, events, work)

    def report(self, lease: Lease, payload: JsonObject) -> None:
        """See `TaskStore.report`."""
        values = {"attempt": lease.attempt, "payload": payload}
        change = update(TASK_PROGRESS).where(TASK_PROGRESS.c.task_id == lease.task_id)

        def work(connection: Connection) -> None:
            # Locked, not only looked at: a requeue clears the progress, and this must not write it back.
            hold(connection, lease, LEASED)
            changed = connection.execute(change.values(**values, version=TASK_PROGRESS.c.version + 1))
            if changed.rowcount == 0:
                connection.execute(insert(TASK_PROGRESS).values(**values, task_id=lease.task_id, version=1))

        self._database.write(work)

    def write_receipt(self, lease: Lease, body: JsonObject) -> None:
        """See `TaskStore.write_receipt`."""
        values = {"attempt": lease.attempt, "body": body}
        change = update(TASK_RECEIPTS).where(TASK_RECEIPTS.c.task_id == lease.task_id).values(values)

        def work(connection: Connection) -> None:
            hold(connection, lease, LEASED)
            if connection.execute(change).rowcount == 0:
                connection.execute(insert(TASK_RECEIPTS).values(**values, task_id=lease.task_id))

        self._database.write(work)

    def write_kill(self, killed: Killed, ago: float) -> float | None:
        """See `TaskStore.write_kill`."""
        return self._database.write(lambda connection: write_kill(connection, killed, ago))

    def add_file(self, lease: Lease, file: StoredFile) -> None:
        """See `TaskStore.add_file`. The same sample recorded again takes the first one's place."""
        values: dict[str, Any] = {name: getattr(file, name) for name in _FILE_FIELDS}
        values |= {"task_id": lease.task_id, "attempt": lease.attempt, "uuid": str(uuid4()), "created_at": Now()}

        def work(connection: Connection) -> None:
            hold(connection, lease, RUNNING)
            connection.execute(delete(FILES).where(FILES.c.task_id == lease.task_id, FILES.c.sample == file.sample))
            connection.execute(insert(FILES).values(values))

        self._database.write(work)

    def requeue(self, lease: Lease, *, crashed: bool = False, refund: bool = False) -> None:
        """See `TaskStore.requeue`."""
        forgotten = {time_column(status): None for status in TaskStatus if status is not TaskStatus.QUEUE}
        change = entering(TaskStatus.QUEUE).values(
            attempt=TASKS.c.attempt - int(refund), crashes=TASKS.c.crashes + int(crashed), **forgotten
        )
        clear = update(TASK_PROGRESS).where(TASK_PROGRESS.c.task_id == lease.task_id).values(payload=None)
        events = [NewEvent(EventType.QUEUE)]

        def work(connection: Connection) -> Row:
            row = fenced(connection, change, lease, sources_of(TaskStatus.QUEUE))
            log(connection, row, events)
            connection.execute(clear)
            clear_preview(connection, lease.task_id)
            drop_outputs(connection, lease.task_id)
            connection.execute(delete(TASK_RECEIPTS).where(TASK_RECEIPTS.c.task_id == lease.task_id))
            return row

        self._doubts.write(lease, events, work)

    def renew(self, leases: Collection[Lease], seconds: float) -> frozenset[TaskId]:
        """See `TaskStore.renew`."""
        if not leases:
            return frozenset()
        until = Now() + literal(float(seconds))
        change = update(TASKS).where(any_held(leases)).values(lease_until=until).returning(TASKS.c.id)
        return self._database.write(lambda connection: frozenset(connection.execute(change).scalars()))

    def held(self, leases: Collection[Lease]) -> frozenset[TaskId]:
        """See `TaskStore.held`."""
        if not leases:
            return frozenset()
        query = select(TASKS.c.id).where(any_held(leases))
        return self._database.read(lambda connection: frozenset(connection.execute(query).scalars()))

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
