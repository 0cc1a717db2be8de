"""When a queued task may start, from what is seen of the queue: never invented, None where too little is known."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

_ENOUGH: Final = 3
"""Runs of a model before their median is told to anybody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueSight:
    """What is seen of a queued task's surroundings, in one moment `now` (unix seconds, database time).

    `ahead` is None when there are more than were counted. `running` are tasks held by workers. `recent` are seconds
    that the model's latest successful runs took, from claim to end. `held_back`: the task's project runs as many tasks
    as it may.
    """

    now: float
    ahead: int | None
    running: int
    recent: Sequence[float]
    held_back: bool


@dataclass(frozen=True, slots=True)
class Expectation:
    """Where a task stands (1 is next), and when it may start (unix seconds); None where nobody knows."""

    position: int | None = None
    start: float | None = None


def expectation(sight: QueueSight, workers: int) -> Expectation:
    """Estimate by the model's median: of all tasks that run, each at some point of its run, one ends so often.

    A worker may run several, each the slower for it: then there are more of them, and their median is the longer.
    One stuck or cached run does not move a median. Nothing is said of the start when no worker is there, when fewer
    than three runs are known, or when the project's own limit decides.
    """
    if sight.ahead is None:
        return Expectation()
    position = sight.ahead + 1
    if workers < 1 or sight.held_back or len(sight.recent) < _ENOUGH:
        return Expectation(position)
    waits_for = max(0, position - max(0, workers - sight.running))
    return Expectation(position, sight.now + waits_for * median(sight.recent) / max(workers, sight.running))
