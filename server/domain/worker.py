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


class Wish(StrEnum):
    """What an operator wants of a worker that is to claim nothing more."""

    STAY = "stay"
    LEAVE = "leave"


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """A worker's own description; `device` is known once its engine has loaded, `name` is what operators call it.

    Read back, `silent` says how many seconds ago it last beat; of two descriptions it tells nothing.
    """

    id: WorkerId
    host: str
    name: str = ""
    pid: int
    engine: str
    device: str
    state: WorkerState
    report: WorkerReport = field(default_factory=WorkerReport)
    silent: float = field(default=0.0, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A worker as the database knows it: what is wished of it, how many tasks it holds."""

    worker: Worker
    wish: Wish | None
    tasks: int
