"""The real things behind the ports, with crash points around them."""

import time
from collections.abc import Callable, Collection, Mapping, Sequence

from pipelines.contract import Command, Withdraw
from server.adapters.outbound.sender import HttpWebhookSender
from server.adapters.sql.engines import Database
from server.adapters.sql.tasks import SqlTaskStore
from server.domain.errors import FilesAway, LeaseLost
from server.domain.events import NewEvent
from server.domain.lifecycle import TaskStatus
from server.domain.quota import Quota
from server.domain.task import Claimed, Ending, Lease, NewTask, StoredFile, Task
from server.domain.types import JsonObject, ProjectId, TaskId, WorkerId
from server.domain.webhook import Answer
from server.entrypoints.faults.points import Faults, Point
from server.ports.files import FileStore, FileWriter
from server.ports.webhooks import WebhookSender
from server.worker.engine_process import EngineProcess

_BEFORE = {TaskStatus.PREPROCESS_START: Point.ACCEPTED}
_AFTER = {
    TaskStatus.PREPROCESS_START: Point.PREPROCESSING,
    TaskStatus.ASSIGN: Point.ASSIGNED,
    TaskStatus.END: Point.ENDED,
    TaskStatus.POSTPROCESS_END: Point.FINISHED,
}


class FaultyTasks(SqlTaskStore):
    """Keeps a journal of leases and of writes under them: a checker sees from it whether a stale write got through."""

    def __init__(self, database: Database, quota: Quota, faults: Faults) -> None:
        super().__init__(database, quota)
        self._faults = faults
        self._rescuing: set[str] = set()

    def submit(self, new: NewTask) -> Task:
        """See `TaskStore.submit`."""
        task = super().submit(new)
        self._faults.reach(Point.SUBMITTED)
        return task

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
        claimed = super().claim(worker_id, models, seconds, waited=waited, not_of=not_of)
        if claimed is not None:
            self._granted(claimed)
            self._faults.reach(Point.CLAIMED)
        return claimed

    def take_over(self, worker_id: WorkerId, seconds: float, limit: int = 20) -> Sequence[Claimed]:
        """See `TaskStore.take_over`."""
        taken = super().take_over(worker_id, seconds, limit)
        for claimed in taken:
            self._granted(claimed)
        self._rescuing = {claimed.lease.token for claimed in taken}
        return taken

    def renew(self, leases: Collection[Lease], seconds: float) -> frozenset[TaskId]:
        """See `TaskStore.renew`."""
        self._faults.reach(Point.HEARTBEAT)
        return super().renew(leases, seconds)

    def move(
        self, lease: Lease, to: TaskStatus, *, before: Sequence[NewEvent] = (), ending: Ending | None = None
    ) -> None:
        """See `TaskStore.move`."""
        if to in _BEFORE and lease.token not in self._rescuing:
            self._faults.reach(_BEFORE[to])
        self._write(lease, to.value, lambda: super(FaultyTasks, self).move(lease, to, before=before, ending=ending))
        if to in _AFTER:
            self._faults.reach(_AFTER[to])

    def append(self, lease: Lease, events: Sequence[NewEvent]) -> None:
        """See `TaskStore.append`."""
        self._write(lease, "append", lambda: super(FaultyTasks, self).append(lease, events))

    def report(self, lease: Lease, payload: JsonObject) -> None:
        """See `TaskStore.report`."""
        self._write(lease, "report", lambda: super(FaultyTasks, self).report(lease, payload))

    def write_receipt(self, lease: Lease, body: JsonObject) -> None:
        """See `TaskStore.write_receipt`."""
        self._write(lease, "write_receipt", lambda: super(FaultyTasks, self).write_receipt(lease, body))

    def add_file(self, lease: Lease, file: StoredFile) -> None:
        """See `TaskStore.add_file`."""
        self._write(lease, "add_file", lambda: super(FaultyTasks, self).add_file(lease, file))

    def requeue(self, lease: Lease, *, crashed: bool = False, refund: bool = False) -> None:
        """See `TaskStore.requeue`."""
        if lease.token not in self._rescuing:
            self._faults.reach(Point.HANDING_BACK)
        self._write(lease, "requeue", lambda: super(FaultyTasks, self).requeue(lease, crashed=crashed, refund=refund))

    def _granted(self, claimed: Claimed) -> None:
        lease = claimed.lease
        self._faults.tell(grant=lease.task_id, attempt=lease.attempt, token=lease.token[:8], at=time.monotonic())

    def _write(self, lease: Lease, verb: str, write: Callable[[], None]) -> None:
        self._faults.reach(Point.SWEEPING if lease.token in self._rescuing else Point.WRITING)
        said = {"write": lease.task_id, "attempt": lease.attempt, "token": lease.token[:8], "verb": verb}
        began = time.monotonic()
        try:
            write()
        except LeaseLost:
            self._faults.tell(**said, at=began, refused=True)
            raise
        self._faults.tell(**said, at=began)


class FaultyFiles:
    """Writes in two halves."""

    def __init__(self, files: FileStore, faults: Faults) -> None:
        self._files = files
        self._faults = faults
        self.open = files.open
        self.delete = files.delete
        self.unchanged = files.unchanged
        self.collect = files.collect

    def write(self, key: str, content: bytes) -> None:
        """See `FileStore.write`."""
        writer = self._files.begin(key)
        half = len(content) // 2
        try:
            writer.write(content[:half])
            self._faults.reach(Point.FILE_HALF)
            writer.write(content[half:])
            writer.finish()
        except (OSError, FilesAway):
            writer.discard()
            raise
        self._faults.reach(Point.FILE_NAMED)

    def begin(self, key: str) -> FileWriter:
        """See `FileStore.begin`."""
        return _FaultyWriter(self._files.begin(key), self._faults)


class _FaultyWriter:
    def __init__(self, writer: FileWriter, faults: Faults) -> None:
        self._writer = writer
        self._faults = faults

    def write(self, chunk: bytes) -> None:
        self._writer.write(chunk)
        self._faults.reach(Point.UPLOAD_HALF)

    def finish(self) -> None:
        self._writer.finish()

    def discard(self) -> None:
        self._writer.discard()


class FaultySender:
    """Hears the receiver's answer, and may never tell."""

    def __init__(self, sender: HttpWebhookSender, faults: Faults) -> None:
        self._sender = sender
        self._faults = faults

    def send(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """See `WebhookSender.send`."""
        answer = self._sender.send(url, headers, body)
        self._faults.reach(Point.WEBHOOK_SENT)
        return answer


class FaultyProcess(EngineProcess):
    """Comes to a point before a withdrawal."""

    def __init__(self, command: Sequence[str], faults: Faults) -> None:
        super().__init__(command)
        self._faults = faults

    def send(self, command: Command) -> None:
        """See `EngineHandle.send`."""
        if isinstance(command, Withdraw):
            self._faults.reach(Point.WITHDRAWING)
        super().send(command)


def make_tasks(database: Database, quota: Quota, faults: Faults | None) -> SqlTaskStore:
    """Return the task store."""
    return SqlTaskStore(database, quota) if faults is None else FaultyTasks(database, quota, faults)


def around_files(files: FileStore, faults: Faults | None) -> FileStore:
    """Return the file store."""
    return files if faults is None else FaultyFiles(files, faults)


def make_process(command: Sequence[str], faults: Faults | None) -> EngineProcess:
    """Return the handle of an engine child."""
    return EngineProcess(command) if faults is None else FaultyProcess(command, faults)


def around_sender(sender: HttpWebhookSender, faults: Faults | None) -> WebhookSender:
    """Return the sender of webhooks."""
    return sender if faults is None else FaultySender(sender, faults)
