"""Whose trace is to be told, and to whom."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from server.domain.events import TaskEvent
from server.domain.task import Task
from server.domain.trace import Span, TraceParent
from server.domain.types import TaskId


@dataclass(frozen=True, slots=True)
class OwedTrace:
    """A task that is over and whose trace nobody has told; `parent` is the header of its Run, "" for none."""

    task: Task
    events: Sequence[TaskEvent]
    parent: str


class TraceStore(Protocol):
    """The traces that are owed. A task owes one from its Run on, if the Run said so.

    Every verb raises `Unavailable` when the database is away.
    """

    def take(self, limit: int, seconds: float) -> Sequence[OwedTrace]:
        """Return tasks that are over and owe their trace, oldest first; nobody else is given them for so long."""
        ...

    def told(self, task_ids: Collection[TaskId]) -> None:
        """These tasks owe no trace any more."""
        ...


class TraceSink(Protocol):
    """Where traces go."""

    def send(self, traces: Sequence[tuple[TraceParent | None, Span]]) -> bool:
        """Send whole traces, each under the span of its client, if there was one; return whether they have arrived."""
        ...
