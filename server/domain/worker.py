"""Workers: who draws, on which device, and whether they are still there."""

from dataclasses import dataclass
from enum import StrEnum

from server.domain.types import WorkerId


class WorkerState(StrEnum):
    """What a worker says of itself with each beat."""

    LOADING = "loading"
    READY = "ready"
    DRAINING = "draining"


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """A worker's own description; `device` is known once its engine has loaded."""

    id: WorkerId
    host: str
    pid: int
    engine: str
    device: str
    state: WorkerState
