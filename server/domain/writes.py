"""What is written under a lease: the parts of a running task's story, as data."""

from dataclasses import dataclass
from typing import TypeAlias

from server.domain.events import NewEvent
from server.domain.lifecycle import TaskStatus
from server.domain.task import Ending, StoredFile
from server.domain.types import JsonObject


@dataclass(frozen=True, slots=True)
class Move:
    """The task comes to a status, after the events of `before`; `ending` is told with END. Back to QUEUE is `Requeue`.

    A terminal status clears the lease.
    """

    to: TaskStatus
    before: tuple[NewEvent, ...] = ()
    ending: Ending | None = None

    def __post_init__(self) -> None:
        if self.to is TaskStatus.QUEUE:
            raise ValueError("a Requeue moves a task back to the queue")
        if self.ending is not None and self.to is not TaskStatus.END:
            raise ValueError("an ending is written with END")


@dataclass(frozen=True, slots=True)
class Append:
    """Events, without a move."""

    events: tuple[NewEvent, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """The task's progress, in place of what it was."""

    payload: JsonObject


@dataclass(frozen=True, slots=True)
class WriteReceipt:
    """The task's receipt, in place of what it was: what this attempt is drawn with."""

    body: JsonObject


@dataclass(frozen=True, slots=True)
class AddFile:
    """A picture of this attempt. A task being finished (END or later) takes no more."""

    file: StoredFile


@dataclass(frozen=True, slots=True)
class Requeue:
    """The task goes back to QUEUE at its old turn; lease, progress, files and receipt are gone.

    `crashed` counts a crash, `refund` takes the attempt back.
    """

    crashed: bool = False
    refund: bool = False


Write: TypeAlias = Move | Append | Report | WriteReceipt | AddFile | Requeue
