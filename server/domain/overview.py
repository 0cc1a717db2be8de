"""What is going on, as a dashboard and a meter see it: queues, what is drawn, what ended, and what has changed."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from server.domain.events import EventType
from server.domain.lifecycle import TaskStatus
from server.domain.task import SUCCESS, Progress
from server.domain.types import ProjectId, TaskId, WorkerId

LATE_SECONDS: Final = 60.0
"""How long after the time it bears a change may come to light.

PostgreSQL is told to end any statement and any idle transaction after half of it; SQLite's writers don't overtake.
"""

_MINUTE: Final = 60
_TAIL: Final = 0.95


class Outcome(StrEnum):
    """What became of a task."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    KILLED = "killed"  # while it ran
    CANCELLED = "cancelled"  # in the queue


def outcome_of(status: TaskStatus, pexit: str, *, claimed: bool) -> Outcome:
    """Return what became of a task that is over."""
    if status is TaskStatus.CANCEL:
        return Outcome.KILLED if claimed else Outcome.CANCELLED
    return Outcome.SUCCEEDED if pexit == SUCCESS else Outcome.FAILED


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueDepth:
    """A project's tasks of one model: how many wait, the longest for `oldest` seconds, and how many are held."""

    project_id: ProjectId
    model: str
    queued: int = 0
    oldest: float = 0.0
    running: int = 0


@dataclass(frozen=True, slots=True)
class Queues:
    """All queues at a moment of the database, `now`; projects without open tasks are left out."""

    now: float
    depths: Sequence[QueueDepth]


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A task that a worker holds: since when (unix seconds), and how far it is, if its attempt has said so."""

    id: TaskId
    project_id: ProjectId
    model: str
    status: TaskStatus
    attempt: int
    worker_id: WorkerId
    since: float
    progress: Progress | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A task that is over: when, what became of it, and what it says of that to people.

    `seconds` counts from the submission, `drawn` from the last claim; a task that was never claimed has drawn 0.
    """

    id: TaskId
    project_id: ProjectId
    model: str
    message: str
    at: float
    outcome: Outcome
    seconds: float
    drawn: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Minute:
    """What ended within one minute, which begins at `at` (unix seconds); seconds are those of the succeeded."""

    at: int
    outcomes: Mapping[Outcome, int]
    median: float = 0.0
    tail: float = 0.0


def by_minute(ended: Iterable[Ended]) -> Sequence[Minute]:
    """Return the minutes in which something ended, in order; `tail` is the 95th percentile, by nearest rank."""
    minutes: dict[int, list[Ended]] = defaultdict(list)
    for one in ended:
        minutes[int(one.at // _MINUTE) * _MINUTE].append(one)
    return [_minute(at, minutes[at]) for at in sorted(minutes)]


def _minute(at: int, ended: Sequence[Ended]) -> Minute:
    outcomes: dict[Outcome, int] = defaultdict(int)
    for one in ended:
        outcomes[one.outcome] += 1
    seconds = sorted(one.seconds for one in ended if one.outcome is Outcome.SUCCEEDED)
    if not seconds:
        return Minute(at=at, outcomes=outcomes)
    return Minute(at=at, outcomes=outcomes, median=_rank(seconds, 0.5), tail=_rank(seconds, _TAIL))


def _rank(values: Sequence[float], part: float) -> float:
    return values[max(0, math.ceil(part * len(values)) - 1)]


@dataclass(frozen=True, slots=True)
class Heads:
    """How far tasks have come, by their last seq; `held` are those that a worker holds, `now` is when that was seen."""

    now: float
    seqs: Mapping[TaskId, int]
    held: frozenset[TaskId]


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """One line of a task's log without its text."""

    seq: int
    attempt: int
    type: EventType
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """A task as it stands, and what has happened to it. `times` are those of its current attempt."""

    id: TaskId
    project_id: ProjectId
    model: str
    status: TaskStatus
    pexit: str
    message: str
    times: Mapping[TaskStatus, float]
    happenings: Sequence[Happening] = field(default=())
