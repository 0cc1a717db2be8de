"""Workers: who draws, on which device, and whether they are still there."""

from dataclasses import dataclass, field
from enum import StrEnum

from server.domain.report import WorkerReport
from server.domain.types import WorkerId


class WorkerState(StrEnum):
    """What a worker says of itself with each beat."""

    LOADING = "loading"
    READY = "ready"
    DRAINING = "draining"


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """A worker's own description; `device` is known once its engine has loaded.

    Read back, `silent` says how many seconds ago it last beat; of two descriptions it tells nothing.
    """

    id: WorkerId
    host: str
    pid: int
    engine: str
    device: str
    state: WorkerState
    report: WorkerReport = field(default_factory=WorkerReport)
    silent: float = field(default=0.0, compare=False)
