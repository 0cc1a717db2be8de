"""The stores of `server.ports` over plain dictionaries."""

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from copy import copy
from dataclasses import fields, replace
from itertools import count
from threading import Lock
from typing import Final, TypeVar
from uuid import uuid4

from server.adapters.memory.files import MemoryFiles
from server.adapters.memory.overview import MemoryOverview
from server.adapters.memory.previews import MemoryPreviewBoard
from server.adapters.memory.row import MemoryRow, plain
from server.adapters.memory.runs import count_runs
from server.adapters.memory.traces import MemoryTraceStore
from server.adapters.memory.webhooks import MemoryWebhooks
from server.adapters.memory.workers import MemoryWorkers
from server.domain.errors import LeaseLost, NotAuthorized
from server.domain.kill import Killed
from server.domain.lifecycle import LEASED, RUNNING, TaskStatus, sources_of
from server.domain.quota import Quota
from server.domain.runs import RunCount
from server.domain.task import SUCCESS, Claimed, Head, Lease, NewTask, Output, StoredFile, Task
from server.domain.types import FileId, ProjectId, TaskId, WorkerId
from server.domain.writes import AddFile, Append, Move, Report, Requeue, Write, WriteReceipt
from server.ports import Page, PageQuery, Story

_T = TypeVar("_T")

_NO_QUOTA: Final = Quota()


class MemoryStores(MemoryFiles, MemoryWorkers):
    """Every store of the ports in one object. Any thread may call: one lock makes a verb atomic."""

    def __init__(self, now: Callable[[], float] = time.time, quota: Quota = _NO_QUOTA) -> None:
        MemoryFiles.__init__(self, now, Lock(), quota)
        MemoryWorkers.__init__(self, now, self._lock)
        self._task_ids, self._file_ids = count(1), count(1)
        self.previews = MemoryPreviewBoard(self._rows, self._lock, now)
        self.overview = MemoryOverview(self._rows, self._lock, now)
        self.traces = MemoryTraceStore(self._rows, self._lock, now)
        self.webhooks = MemoryWebhooks(self._lock, now, lambda task_id: self._rows[task_id].task)

    # ── Reads ────────────────────────────────────────────────────────────────────────────────────────────────────────
    def at_once(self, work: Callable[[], _T]) -> _T:
        """See `Reads.at_once`. Here each verb is its own moment."""
        return work()

    # ── TaskStore ────────────────────────────────────────────────────────────────────────────────────────────────────
    def submit(self, new: NewTask) -> Task:
        """See `TaskStore.submit`. Raises NotAuthorized when there is no such project."""
        with self._lock:
            if new.project_id not in self._projects:
                raise NotAuthorized
            earlier = self._recall(new)
            if earlier is not None:
                return earlier
            queued = [row.task for row in self._rows.values() if row.task.status is TaskStatus.QUEUE]
            self._check_room(new.project_id, queued)
            task = Task(
                id=TaskId(next(self._task_ids)),
                uuid=new.uuid,
                project_id=new.project_id,
                token=new.token,
                model=new.model,
                parameters=plain(new.parameters),
                values=plain(new.values),
                callback_url=new.callback_url,
                base_url=new.base_url,
                cps=new.cps,
                status=TaskStatus.QUEUE,
                turn=self._next_turn(new.project_id),
                attempt=0,
                crashes=0,
                last_seq=0,
                pexit="",
                message="",
                times={},
            )
            self._attach(task, new)
            row = self._rows[task.id] = MemoryRow(task=task)
            self._remember(new, task.id)
            if new.traceparent is not None:
                self.traces.owe(task.id, new.traceparent)
            return row.enter(TaskStatus.QUEUE, self._now())

    def find(self, project_id: ProjectId, task_id: TaskId) -> Task | None:
        """See `TaskStore.find`."""
        with self._lock:
            row = self._rows.get(task_id)
            return row.task if row is not None and row.task.project_id == project_id else None

    def find_by_token(self, token: str) -> Task | None:
        """See `TaskStore.find_by_token`."""
        with self._lock:
            return next((row.task for row in self._rows.values() if row.task.token == token), None)

    def find_file(self, access_key: str) -> Output | None:
        """See `TaskStore.find_file`."""
        with self._lock:
            files = (file for row in self._rows.values() for file in row.task.files)
            return next((file for file in files if file.access_key == access_key), None)

    def page(self, project_id: ProjectId, query: PageQuery) -> Page:
        """See `TaskStore.page`."""
        with self._lock:
            wanted = query.model.lower()
            found = [
                row.task
                for row in self._rows.values()
                if row.task.project_id == project_id
                and (wanted in row.task.model.lower() or row.task.model in query.or_models)
                and (not query.statuses or row.task.status in query.statuses)
                and (query.succeeded is None or _ended(row.task, well=query.succeeded))
            ]
        found.sort(key=lambda task: task.id, reverse=not query.ascending)
        return Page(len(found), found[query.start : query.start + query.limit])

    def cancel(self, task_id: TaskId, sources: Collection[TaskStatus]) -> Task | None:
        """See `TaskStore.cancel`."""
        with self._lock:
            row = self._rows.get(task_id)
            if row is None or row.task.status not in sources_of(TaskStatus.CANCEL).intersection(sources):
                return None
            cancelled = row.enter(TaskStatus.CANCEL, self._now())
            self.webhooks.owe(cancelled)
            return cancelled

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
        with self._lock:
            now = self._now()
            queued = (row for row in self._rows.values() if row.task.status is TaskStatus.QUEUE)
            old = [row for row in queued if not waited or row.task.times[TaskStatus.QUEUE] <= now - waited]
            wanted = (row for row in old if row.task.model in models and row.task.project_id not in not_of)
            ready = [row for row in wanted if not self._full(row.task.project_id)]
            if not ready:
                return None
            row = min(ready, key=lambda row: (row.task.turn, row.task.id))
            row.task = replace(row.task, attempt=row.task.attempt + 1)
            row.enter(TaskStatus.ACCEPT, now)
            return row.grant(worker_id, now + seconds)

    def write(self, lease: Lease, writes: Sequence[Write]) -> None:
        """See `TaskStore.write`."""
        with self._lock:
            row = self._rows.get(lease.task_id)
            before = None if row is None else copy(row)
            try:
                for write in writes:
                    self._write(lease, write)
            except LeaseLost:
                if before is not None:
                    self._rows[lease.task_id] = before
                raise

    def write_kill(self, killed: Killed, ago: float) -> float | None:
        """See `TaskStore.write_kill`."""
        with self._lock:
            row = self._rows.get(killed.task_id)
            return None if row is None else row.write_kill(killed, self._now() - ago)

    def renew(self, leases: Collection[Lease], seconds: float) -> frozenset[TaskId]:
        """See `TaskStore.renew`."""
        with self._lock:
            rows = self._all_held(leases)
            for row in rows:
                row.until = self._now() + seconds
            return frozenset(row.task.id for row in rows)

    def held(self, leases: Collection[Lease]) -> frozenset[TaskId]:
        """See `TaskStore.held`."""
        with self._lock:
            return frozenset(row.task.id for row in self._all_held(leases))

    def take_over(self, worker_id: WorkerId, seconds: float, limit: int = 20) -> Sequence[Claimed]:
        """See `TaskStore.take_over`."""
        with self._lock:
            now = self._now()
            expired = [row for row in self._rows.values() if row.token is not None and row.until <= now]
            expired.sort(key=lambda row: (row.until, row.task.id))
            return [row.grant(worker_id, now + seconds) for row in expired[:limit]]

    # ── EventLog ─────────────────────────────────────────────────────────────────────────────────────────────────────
    def heads(self, task_ids: Collection[TaskId]) -> Mapping[TaskId, Head]:
        """See `EventLog.heads`."""
        with self._lock:
            rows = {task_id: self._rows[task_id] for task_id in task_ids if task_id in self._rows}
            return {
                task_id: Head(last_seq=row.task.last_seq, progress_version=row.version) for task_id, row in rows.items()
            }

    def story(self, task_id: TaskId, after: int = 0) -> Story | None:
        """See `EventLog.story`."""
        with self._lock:
            row = self._rows.get(task_id)
            if row is None:
                return None
            return Story(row.task, tuple(event for event in row.events if event.seq > after), row.progress)

    # ── RunCounter ───────────────────────────────────────────────────────────────────────────────────────────────────
    def count_runs(self, after: TaskId) -> RunCount:
        """See `RunCounter.count_runs`."""
        with self._lock:
            return count_runs([row.task for row in self._rows.values()], after, self._now())

    # ── Health ───────────────────────────────────────────────────────────────────────────────────────────────────────
    def trouble(self) -> str | None:
        """See `Health.trouble`."""
        return None

    # ── under the lock ───────────────────────────────────────────────────────────────────────────────────────────────
    def _write(self, lease: Lease, write: Write) -> None:
        match write:
            case Move(to, before, ending):
                row = self._held(lease, sources_of(to))
                if ending is not None:
                    row.task = replace(row.task, pexit=ending.pexit, message=ending.message)
                self.webhooks.owe(row.enter(to, self._now(), before))
            case Append(events):
                self._held(lease, LEASED).log(events, self._now())
            case Report(payload):
                row = self._held(lease, LEASED)
                row.version += 1
                row.payload = plain(payload)
            case WriteReceipt(body):
                row = self._held(lease, LEASED)
                row.task = replace(row.task, receipt=plain(body))
            case AddFile(file):
                self._add_file(self._held(lease, RUNNING), lease, file)
            case Requeue(crashed, refund):
                self._requeue(self._held(lease, sources_of(TaskStatus.QUEUE)), crashed=crashed, refund=refund)

    def _add_file(self, row: MemoryRow, lease: Lease, file: StoredFile) -> None:
        output = Output(
            id=FileId(next(self._file_ids)),
            uuid=str(uuid4()),
            attempt=lease.attempt,
            created_at=self._now(),
            **{it.name: getattr(file, it.name) for it in fields(StoredFile)},
        )
        others = [it for it in row.task.files if it.sample != file.sample]
        row.task = replace(row.task, files=tuple(sorted([*others, output], key=lambda it: it.sample)))

    def _requeue(self, row: MemoryRow, *, crashed: bool, refund: bool) -> None:
        row.payload = None
        self._drop(*(file.key for file in row.task.files))
        row.task = replace(
            row.task,
            attempt=row.task.attempt - refund,
            crashes=row.task.crashes + crashed,
            times={TaskStatus.QUEUE: row.task.times[TaskStatus.QUEUE]},
            files=(),
            receipt={},
        )
        row.enter(TaskStatus.QUEUE, self._now())

    def _held(self, lease: Lease, sources: Collection[TaskStatus]) -> MemoryRow:
        row = self._rows.get(lease.task_id)
        if row is None or not row.fits(lease) or row.task.status not in sources:
            raise LeaseLost
        return row

    def _all_held(self, leases: Iterable[Lease]) -> list[MemoryRow]:
        rows = ((self._rows.get(lease.task_id), lease) for lease in leases)
        return [row for row, lease in rows if row is not None and row.fits(lease)]


def _ended(task: Task, *, well: bool) -> bool:
    return task.status is TaskStatus.POSTPROCESS_END and (task.pexit == SUCCESS) is well
