"""Events: what is appended to a task's log and streamed to its sockets."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from server.domain.lifecycle import TaskStatus
from server.domain.types import JsonValue, TaskId


class EventType(StrEnum):
    """Every status is also an event; the last four are events only, never a status."""

    QUEUE = "task_queue"
    ACCEPT = "task_accept"
    PREPROCESS_START = "task_preprocess_start"
    PREPROCESS_END = "task_preprocess_end"
    ASSIGN = "task_assign"
    START = "task_start"
    END = "task_end"
    POSTPROCESS_START = "task_postprocess_start"
    POSTPROCESS_END = "task_postprocess_end"
    CANCEL = "task_cancel"
    OUTPUT = "task_output"
    ERROR = "task_error"
    OUTPUT_FULL = "task_output_full"
    ERROR_FULL = "task_error_full"

    @classmethod
    def of(cls, status: TaskStatus) -> "EventType":
        """Return the event that announces `status`."""
        return cls(status.value)


TERMINAL_EVENTS: Final = frozenset({EventType.POSTPROCESS_END, EventType.CANCEL})


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event about to be appended. `message` is plain JSON; the porch turns it into Wiro's shape."""

    type: EventType
    message: JsonValue = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskEvent:
    """One line of a task's log. `seq` counts 1, 2, 3 … per task without gaps; `at` is database time in unix seconds."""

    task_id: TaskId
    seq: int
    attempt: int
    type: EventType
    message: JsonValue
    at: float
