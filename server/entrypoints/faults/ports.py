"""The real things behind the ports, with crash points around them."""

import time
from collections.abc import Collection, Mapping, Sequence

from pipelines.contract import Command, Withdraw
from server.adapters.outbound.sender import HttpWebhookSender
from server.adapters.sql.engines import Database
from server.adapters.sql.tasks import SqlTaskStore
from server.domain.errors import FilesAway, LeaseLost
from server.domain.lifecycle import TaskStatus
from server.domain.quota import Quota
from server.domain.task import Claimed, Lease, NewTask, Task
from server.domain.types import ProjectId, TaskId, WorkerId
from server.domain.webhook import Answer
from server.domain.writes import Move, Requeue, Write
from server.entrypoints.faults.points import Faults, Point
from server.ports.files import FileStore, FileWriter
from server.ports.webhooks import WebhookSender
from server.worker.engine_process import EngineProcess

_BEFORE = {TaskStatus.PREPROCESS_START.value: Point.ACCEPTED, Requeue.__name__: Point.HANDING_BACK}
_AFTER = {
    TaskStatus.PREPROCESS_START.value: Point.PREPROCESSING,
    TaskStatus.ASSIGN.value: Point.ASSIGNED,
    TaskStatus.POSTPROCESS_END.value: Point.FINISHED,
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

    def write(self, lease: Lease, writes: Sequence[Write]) -> None:
        """See `TaskStore.write`."""
        told = [_name(write) for write in writes]
        rescuing = lease.token in self._rescuing
        for name in () if rescuing else told:
            if name in _BEFORE:
                self._faults.reach(_BEFORE[name])
        self._faults.reach(Point.SWEEPING if rescuing else Point.WRITING)
        said = {"write": lease.task_id, "attempt": lease.attempt, "token": lease.token[:8], "verb": " ".join(told)}
        began = time.monotonic()
        try:
            super().write(lease, writes)
        except LeaseLost:
            self._faults.tell(**said, at=began, refused=True)
            raise
        self._faults.tell(**said, at=began)
        for name in told:
            if name in _AFTER:
                self._faults.reach(_AFTER[name])

    def _granted(self, claimed: Claimed) -> None:
        lease = claimed.lease
        self._faults.tell(grant=lease.task_id, attempt=lease.attempt, token=lease.token[:8], at=time.monotonic())


def _name(write: Write) -> str:
    return write.to.value if isinstance(write, Move) else type(write).__name__


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
