"""What a store in memory keeps of one task, and the few ways in which it changes."""

import json
import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from server.domain.events import EventType, NewEvent, TaskEvent
from server.domain.kill import Killed, KillReceipt
from server.domain.lifecycle import LEASED, UNDRAWN, TaskStatus
from server.domain.preview import Preview
from server.domain.task import Claimed, Lease, Progress, Task
from server.domain.types import JsonObject, WorkerId


@dataclass(slots=True, kw_only=True)
class MemoryRow:
    """A task's row, log and progress. Whoever calls a method holds the stores' lock."""

    task: Task
    events: list[TaskEvent] = field(default_factory=list[TaskEvent])
    token: str | None = None
    until: float = 0.0
    worker_id: WorkerId | None = None
    version: int = 0
    payload: JsonObject | None = None
    wanted_until: float = 0.0
    preview: Preview | None = None
    preview_version: int = 0

    @property
    def progress(self) -> Progress | None:
        """The latest progress, if this attempt has reported any."""
        if self.payload is None:
            return None
        return Progress(version=self.version, attempt=self.task.attempt, payload=self.payload)

    def fits(self, lease: Lease) -> bool:
        """Whether the lease is the one under which the task is held now."""
        return self.token == lease.token and self.task.attempt == lease.attempt

    def enter(self, to: TaskStatus, now: float, before: Sequence[NewEvent] = ()) -> Task:
        """Write status, time and events together."""
        # A requeued task keeps the time of its submission: what is there already wins.
        self.task = replace(self.task, status=to, times={to: now, **self.task.times})
        if to not in LEASED:
            self.token = None
        self._take_down_preview(to)
        self.log([*before, NewEvent(EventType.of(to))], now)
        return self.task

    def _take_down_preview(self, to: TaskStatus) -> None:
        if to is TaskStatus.QUEUE or to not in UNDRAWN:
            self.preview = None
        if to not in UNDRAWN:
            self.wanted_until = 0.0

    def log(self, events: Sequence[NewEvent], now: float) -> None:
        """Append events under the next numbers."""
        first = self.task.last_seq + 1
        # Another list, as what came before may have to come back.
        self.events = [
            *self.events,
            *(
                TaskEvent(
                    task_id=self.task.id,
                    seq=seq,
                    attempt=self.task.attempt,
                    type=event.type,
                    message=plain(event.message),
                    at=now,
                )
                for seq, event in enumerate(events, start=first)
            ),
        ]
        self.task = replace(self.task, last_seq=self.task.last_seq + len(events))

    def write_kill(self, killed: Killed, freed: float) -> float | None:
        """Write a kill receipt, if this attempt was killed while it ran and has none; return its seconds."""
        task, times = self.task, self.task.times
        running = TaskStatus.ACCEPT in times and task.status is TaskStatus.CANCEL
        if not running or task.attempt != killed.attempt or task.kill is not None:
            return None
        passed = max(0, round(1000 * (freed - times[TaskStatus.CANCEL])))
        self.task = replace(task, kill=KillReceipt(**asdict(killed), milliseconds=passed))
        return passed / 1000

    def grant(self, worker_id: WorkerId, until: float) -> Claimed:
        """Lend the task to a worker under a fresh lease."""
        self.worker_id = worker_id
        self.token, self.until = secrets.token_hex(16), until
        return Claimed(task=self.task, lease=Lease(task_id=self.task.id, attempt=self.task.attempt, token=self.token))


def plain(value: Any) -> Any:
    """Return what a JSON column would give back: nobody outside keeps a hold on what is stored."""
    return json.loads(json.dumps(value, default=dict))
