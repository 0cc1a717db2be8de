"""The prompt gate's audit in memory."""

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict
from threading import Lock

from server.domain.refusal import NewRefusal, Refusal, Stage, Strikes
from server.domain.types import ProjectId


class MemoryRefusalLog:
    """`RefusalLog` over a list."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._lock = Lock()
        self._refusals: list[Refusal] = []

    def add(self, new: NewRefusal) -> None:
        """See `RefusalLog.add`."""
        with self._lock:
            self._refusals.append(Refusal(**asdict(new), id=len(self._refusals) + 1, at=self._now()))

    def strikes(self, project_id: ProjectId, within: float, stages: Collection[Stage]) -> Strikes:
        """See `RefusalLog.strikes`."""
        now = self._now()
        with self._lock:
            theirs = [each for each in self._refusals if each.project_id == project_id and each.stage in stages]
        times = [each.at for each in theirs if each.at >= now - within]
        return Strikes(len(times), now - max(times) if times else None)

    def newest(self, limit: int, project_id: ProjectId | None = None) -> Sequence[Refusal]:
        """See `RefusalLog.newest`."""
        with self._lock:
            wanted = [each for each in self._refusals if project_id is None or each.project_id == project_id]
        return wanted[: -limit - 1 : -1]
