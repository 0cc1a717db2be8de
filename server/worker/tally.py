"""What a worker counts of its own work. It tells it with each beat; whoever measures reads it from there."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Final

from pipelines.contract import Finished, Phase, SampleDone, Stepped, Vitals
from server.domain.kill import Means
from server.domain.lifecycle import TaskStatus
from server.domain.report import Spread, WorkerReport
from server.domain.task import Task

_VITAL_COUNTS: Final = {
    "forwards": "forwards",
    "places": "forward_places",
    "samples": "forward_samples",
    "embedding_hits": "cache.embedding.hit",
    "embedding_misses": "cache.embedding.miss",
    "lora_hits": "cache.lora.hit",
    "lora_misses": "cache.lora.miss",
}
"""How a report calls an engine's counts."""


class Tally:
    """Counts from the start of its worker. Called by the supervisor's thread only."""

    def __init__(self) -> None:
        self._counts: dict[str, float] = defaultdict(float)
        self._spreads: dict[str, Spread] = defaultdict(Spread)
        self._earlier: dict[str, float] = defaultdict(float)
        self._vitals = Vitals()

    def count(self, what: str) -> None:
        """Count one more of `what`: crashes, or requeues.… by their reason."""
        self._counts[what] += 1

    def claimed(self, task: Task) -> None:
        """A task has come; how long it waited is only known of its first attempt."""
        self.count("claims")
        if task.attempt == 1:
            self._took("queue", waited(task))

    def heard(self, event: object, spent: Mapping[Phase, float]) -> None:
        """The engine said something of a generation, which has spent so many seconds in each phase."""
        match event:
            case Stepped(phase=phase):
                self.count(f"steps.{phase.value}")
            case SampleDone():
                self.count("pictures")
            case Finished():
                for phase, seconds in spent.items():
                    self._took(phase.value, seconds)
            case _:
                pass

    def succeeded(self, task: Task, seconds: float) -> None:
        """A task has all its pictures, so many seconds after it was claimed."""
        self._took("total", waited(task) + seconds)

    def killed(self, means: Means, seconds: float) -> None:
        """The device was free of a killed task so many seconds after the kill."""
        self._took(f"kill.{means.value}", seconds)

    def took_stock(self, vitals: Vitals) -> None:
        """The engine child said how it is."""
        self._vitals = vitals

    def child_gone(self) -> None:
        """The engine child is gone; the next one counts from nothing."""
        for name, value in self._vital_counts().items():
            self._earlier[name] += value
        self._vitals = Vitals()

    def report(self, levels: Mapping[str, float]) -> WorkerReport:
        """Return what is counted so far, beside how things stand."""
        vital = {name: value + self._earlier[name] for name, value in self._vital_counts().items()}
        memory = {"memory_used": self._vitals.memory_used, "memory_total": self._vitals.memory_total}
        known = {name: float(value) for name, value in memory.items() if self._vitals.memory_total}
        return WorkerReport(counts={**self._counts, **vital}, levels={**levels, **known}, spreads=dict(self._spreads))

    def _vital_counts(self) -> Mapping[str, float]:
        return {name: float(getattr(self._vitals, attribute)) for attribute, name in _VITAL_COUNTS.items()}

    def _took(self, what: str, seconds: float) -> None:
        self._spreads[what] = self._spreads[what].plus(max(0.0, seconds))


def waited(task: Task) -> float:
    """Return how long a claimed task has waited in the queue, from its submission, in seconds."""
    return task.times[TaskStatus.ACCEPT] - task.times[TaskStatus.QUEUE]
