"""How often each model ran, without counting a million finished tasks again and again."""

from collections.abc import Mapping
from threading import Lock
from typing import Final

from server.domain.runs import RunCount, Runs
from server.domain.types import TaskId
from server.ports import Clock
from server.ports.runs import RunCounter

FRESH_SECONDS: Final = 5.0
"""How long a count is good enough to be shown again."""


class Statistics:
    """Counts runs by model, for as long as a process lives.

    The first count reads every task (at a million of them that takes seconds, so a server counts when it starts). What
    is settled is kept, and later counts read only what came after; within `FRESH_SECONDS` of the last one nothing is
    read at all. Any thread may call; one at a time counts, and only who has nothing to show waits for it.
    """

    def __init__(self, counter: RunCounter, clock: Clock) -> None:
        self._counter = counter
        self._clock = clock
        self._counting = Lock()
        self._settled: Mapping[str, Runs] = {}
        self._until = TaskId(0)
        self._shown: Mapping[str, Runs] = {}
        self._counted_at: float | None = None

    def runs(self) -> Mapping[str, Runs]:
        """Return the runs of each model that ran, by its slug. Raises Unavailable."""
        if self._counting.acquire(blocking=self._counted_at is None):
            try:
                self._count()
            finally:
                self._counting.release()
        return self._shown

    def _count(self) -> None:
        now = self._clock.monotonic()
        if self._counted_at is None or now - self._counted_at >= FRESH_SECONDS:
            self._add(self._counter.count_runs(self._until))
            self._counted_at = now

    def _add(self, count: RunCount) -> None:
        self._settled = _sum(self._settled, count.settled)
        self._until = count.settled_until
        self._shown = _sum(self._settled, count.others)


def _sum(some: Mapping[str, Runs], more: Mapping[str, Runs]) -> Mapping[str, Runs]:
    return {model: some.get(model, Runs()) + more.get(model, Runs()) for model in {**some, **more}}
