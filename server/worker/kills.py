"""Kill receipts on their way to the store: of drawings whose task is no longer ours."""

import logging
from collections import deque

from pipelines.contract import Failed, Finished, Phase, Withdrawn
from server.domain.errors import Unavailable
from server.domain.kill import Killed, Means
from server.ports import Clock, TaskStore
from server.worker.run import Run
from server.worker.tally import Tally

_log = logging.getLogger(__name__)


class Kills:
    """Notes when the device came free of a lost run, and writes it as soon as the database is there."""

    def __init__(self, tasks: TaskStore, clock: Clock, tally: Tally) -> None:
        self._tasks = tasks
        self._tally = tally
        self._clock = clock
        self._waiting: deque[tuple[Killed, float]] = deque()

    def freed(self, run: Run, by: Finished | Failed | Withdrawn | Means) -> None:
        """The device is free of a run; whether it was killed or taken over, the store knows."""
        if not run.lost:
            return
        last, means = run.last_step, Means.BOUNDARY
        phase, step, total = (Phase.ENCODE, 0, 0) if last is None else (last.phase, last.step, last.total_steps)
        match by:
            case Withdrawn():
                phase, step, total = by.phase, by.step, by.total_steps
            case Means():
                means = by
            case _:
                pass
        killed = Killed(
            task_id=run.task.id,
            attempt=run.lease.attempt,
            phase=phase.value,
            step=step,
            total_steps=total,
            means=means,
        )
        self._waiting.append((killed, self._clock.monotonic()))

    def write(self) -> None:
        """Write what waits; what finds the database away goes on waiting."""
        while self._waiting:
            killed, freed_at = self._waiting[0]
            try:
                seconds = self._tasks.write_kill(killed, self._clock.monotonic() - freed_at)
            except Unavailable as away:
                _log.debug("a kill receipt waits: %s", away)
                return
            self._waiting.popleft()
            if seconds is not None:
                self._tally.killed(killed.means, seconds)
