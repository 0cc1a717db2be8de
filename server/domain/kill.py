"""The kill receipt: what it took to free the device of a running task that was killed."""

from dataclasses import dataclass
from enum import StrEnum

from server.domain.types import TaskId


class Means(StrEnum):
    """What ended the drawing."""

    BOUNDARY = "step boundary"
    SIGTERM = "SIGTERM"
    SIGKILL = "SIGKILL"
    DEATH = "process death"  # of itself, before it was told twice


@dataclass(frozen=True, slots=True, kw_only=True)
class Killed:
    """Where a killed attempt stood: in `phase`, after `step` of `total_steps` (0 of 0 until that is known)."""

    task_id: TaskId
    attempt: int
    phase: str
    step: int
    total_steps: int
    means: Means


@dataclass(frozen=True, slots=True, kw_only=True)
class KillReceipt(Killed):
    """The same, written down. `milliseconds` from the commit of the kill until the device was free, database time."""

    milliseconds: int
