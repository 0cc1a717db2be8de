"""The stores under test, with short words for bringing them into a state."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

from sqlalchemy import Engine

from server.adapters.memory import MemoryStores
from server.adapters.memory.refusals import MemoryRefusalLog
from server.adapters.sql import schema
from server.adapters.sql.engines import Database, open_database
from server.adapters.sql.event_log import SqlEventLog
from server.adapters.sql.overview import SqlOverview
from server.adapters.sql.previews import SqlPreviewBoard
from server.adapters.sql.project_log import SqlProjectLog
from server.adapters.sql.projects import SqlProjectStore
from server.adapters.sql.queue import NO_QUOTA
from server.adapters.sql.queue_view import SqlQueueView
from server.adapters.sql.refusals import SqlRefusalLog
from server.adapters.sql.removals import SqlFileKeeper
from server.adapters.sql.runs import SqlRunCounter
from server.adapters.sql.tasks import SqlTaskStore
from server.adapters.sql.traces import SqlTraceStore
from server.adapters.sql.uploads import SqlUploadStore
from server.adapters.sql.webhooks import SqlWebhookStore
from server.adapters.sql.workers import SqlWorkerRegistry
from server.domain.lifecycle import RUNNING, TaskStatus
from server.domain.project import AuthMethod, NewProject, Project
from server.domain.quota import Quota
from server.domain.task import Claimed, Ending, Lease, NewTask, StoredFile, Task
from server.domain.types import JsonObject, ProjectId, TaskId, WorkerId
from server.domain.writes import Move
from server.ports import EventLog, ProjectStore, Story, TaskStore, WorkerRegistry
from server.ports.files import FileKeeper, UploadStore
from server.ports.overview import Overview, ProjectLog
from server.ports.previews import PreviewBoard
from server.ports.refusals import RefusalLog
from server.ports.runs import RunCounter
from server.ports.traces import TraceStore
from server.ports.views import QueueView
from server.ports.webhooks import WebhookStore

_NUMBERS = count(1)

WORKER = WorkerId("worker-1")
MODEL = "easel/sdxl"
SUCCESS = Ending("0")
PATH = (
    TaskStatus.QUEUE,
    TaskStatus.ACCEPT,
    TaskStatus.PREPROCESS_START,
    TaskStatus.PREPROCESS_END,
    TaskStatus.ASSIGN,
    TaskStatus.START,
    TaskStatus.END,
    TaskStatus.POSTPROCESS_START,
    TaskStatus.POSTPROCESS_END,
)
"""The way of a task that all goes well with."""


@dataclass(frozen=True)
class Stores:
    """One storage room."""

    tasks: TaskStore
    log: EventLog
    projects: ProjectStore
    workers: WorkerRegistry
    uploads: UploadStore
    keeper: FileKeeper
    counter: RunCounter
    queue: QueueView
    webhooks: WebhookStore
    refusals: RefusalLog
    previews: PreviewBoard
    overview: Overview
    project_log: ProjectLog
    traces: TraceStore
    database: Database | None = None

    def with_quota(self, **limits: int) -> "Stores":
        """Empty stores of the same kind, with these limits."""
        quota = Quota(**limits)
        return memory_stores(quota) if self.database is None else sql_stores(self.database, quota)

    def project(self, name: str = "") -> Project:
        return self.projects.create(new_project(name or f"project-{next(_NUMBERS)}"))

    def submit(self, project: Project | None = None, *, model: str = MODEL) -> Task:
        return self.tasks.submit(new_task((project or self.project()).id, model=model))

    def claim(self, *, seconds: float = 60, model: str = MODEL) -> Claimed:
        claimed = self.tasks.claim(WORKER, [model], seconds)
        assert claimed is not None
        return claimed

    def claimed(self, *, seconds: float = 60) -> Claimed:
        """A new task, claimed. It must be the only one in the queue."""
        task = self.submit()
        claimed = self.claim(seconds=seconds)
        assert claimed.task.id == task.id
        return claimed

    def task_in(self, status: TaskStatus) -> tuple[TaskId, Lease | None]:
        """A new task brought to `status`, and the lease it was brought there with."""
        if status is TaskStatus.QUEUE:
            return self.submit().id, None
        lease = self.claimed().lease
        if status is TaskStatus.CANCEL:
            assert self.tasks.cancel(lease.task_id, RUNNING)
        else:
            self.drive(lease, status)
        return lease.task_id, lease

    def drive(self, lease: Lease, to: TaskStatus) -> None:
        """Move a task that was just claimed along the path."""
        for status in PATH[2 : PATH.index(to) + 1]:
            self.tasks.write(lease, [Move(status, ending=SUCCESS if status is TaskStatus.END else None)])

    def story(self, task_id: TaskId, after: int = 0) -> Story:
        story = self.log.story(task_id, after)
        assert story is not None
        return story

    def task(self, task_id: TaskId) -> Task:
        return self.story(task_id).task


def memory_stores(quota: Quota = NO_QUOTA) -> Stores:
    return over(MemoryStores(quota=quota))


def over(memory: MemoryStores) -> Stores:
    """All ports over one object."""
    overview = memory.overview
    return Stores(
        *(memory,) * 8, memory.webhooks, MemoryRefusalLog(), memory.previews, overview, overview, memory.traces
    )


def sql_stores(database: Database, quota: Quota = NO_QUOTA) -> Stores:
    return Stores(
        SqlTaskStore(database, quota),
        SqlEventLog(database),
        SqlProjectStore(database),
        SqlWorkerRegistry(database),
        SqlUploadStore(database),
        SqlFileKeeper(database),
        SqlRunCounter(database),
        SqlQueueView(database, quota),
        SqlWebhookStore(database),
        SqlRefusalLog(database),
        SqlPreviewBoard(database),
        SqlOverview(database),
        SqlProjectLog(database),
        SqlTraceStore(database),
        database,
    )


@contextmanager
def open_sql_stores(url: str, *, upgrade: bool = False) -> Iterator[Stores]:
    database = open_database(url)
    try:
        if upgrade:
            schema.upgrade(database)
        yield sql_stores(database)
    finally:
        database.close()


def engines_of(database: Database) -> list[Engine]:
    """Return what to listen to; connections that are there already would not tell everything."""
    database._reads.drop()
    database._writes.drop()
    database._single.drop()
    return list({id(one): one for one in (database._writes.engine, database._reads.engine.engine)}.values())


def sqlite_url(folder: Path) -> str:
    return f"sqlite:///{folder / 'easel.db'}"


def new_project(name: str) -> NewProject:
    return NewProject(
        name=name,
        auth=AuthMethod.SIGNATURE,
        key_hash=f"hash-of-{name}",
        key_prefix=name[:4],
        secret_encrypted=b"\0\xff",
    )


def new_task(
    project_id: ProjectId,
    *,
    model: str = MODEL,
    parameters: JsonObject | None = None,
    callback_url: str = "https://example.org/done",
) -> NewTask:
    number = next(_NUMBERS)
    return NewTask(
        project_id=project_id,
        token=f"token-{number}",
        uuid=f"uuid-{number}",
        model=model,
        parameters=parameters or {"prompt": "a fox", "steps": "20"},
        values={"prompt": "a fox", "steps": 20},
        callback_url=callback_url,
        base_url="http://127.0.0.1:8000",
    )


def picture(sample: int = 0) -> StoredFile:
    number = next(_NUMBERS)
    return StoredFile(
        sample=sample,
        name=f"{sample}.png",
        content_type="image/png",
        size=3_000_000_000,
        sha256="0" * 64,
        access_key=f"access-{number}",
        key=f"outputs/{number}.png",
    )


def broken(lease: Lease) -> dict[str, Lease]:
    """Every way in which a lease can be almost right."""
    return {
        "another token": replace(lease, token="0" * 32),
        "an earlier attempt": replace(lease, attempt=lease.attempt - 1),
        "a later attempt": replace(lease, attempt=lease.attempt + 1),
        "another task": replace(lease, task_id=TaskId(lease.task_id + 1000)),
    }
