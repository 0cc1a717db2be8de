"""What became of the runs of a model: the figures of Wiro's `taskstat`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from server.domain.types import TaskId

YOUNG_SECONDS: Final = 60.0
"""Behind the last task older than this nothing is settled: one of a lower id may still be on its way into the store."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Runs:
    """Counts of runs.

    `total` counts all that were submitted, `failed` those that ended with a `pexit` other than "0"; one that was
    stopped is neither succeeded nor failed: `killed` while it ran, or `cancelled` in the queue. `seconds` sums the
    drawing time of the succeeded ones, `last_at` is when the latest was submitted (unix seconds, 0 for never).
    """

    total: int = 0
    succeeded: int = 0
    failed: int = 0
    killed: int = 0
    cancelled: int = 0
    seconds: float = 0.0
    last_at: float = 0.0

    def __add__(self, other: "Runs") -> "Runs":
        """Count both."""
        return Runs(
            total=self.total + other.total,
            succeeded=self.succeeded + other.succeeded,
            failed=self.failed + other.failed,
            killed=self.killed + other.killed,
            cancelled=self.cancelled + other.cancelled,
            seconds=self.seconds + other.seconds,
            last_at=max(self.last_at, other.last_at),
        )

    @property
    def mean_seconds(self) -> float | None:
        """How long a succeeded run drew, on average; None if none has."""
        return self.seconds / self.succeeded if self.succeeded else None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCount:
    """Runs of the tasks behind some id, by model: of the settled ones, up to `settled_until`, and of all others.

    All tasks up to `settled_until` are terminal: their counts never change again.
    """

    settled_until: TaskId
    settled: Mapping[str, Runs] = field(default_factory=dict[str, Runs])
    others: Mapping[str, Runs] = field(default_factory=dict[str, Runs])
