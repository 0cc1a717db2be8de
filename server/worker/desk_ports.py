"""What the desk works with."""

from dataclasses import dataclass
from typing import TypeAlias

from server.domain.rescue import Limits
from server.ports import Clock, FileStore, TaskStore, Wakeups
from server.ports.previews import PreviewBoard
from server.ports.refusals import RefusalLog
from server.worker.inputs import Gathered, InputSource, NotGathered
from server.worker.labels import Labels
from server.worker.pictures import NotStored, Stored
from server.worker.prepare import Preparation
from server.worker.tally import Tally

DeskNote: TypeAlias = Stored | NotStored | Gathered | NotGathered
"""What the desk's threads tell it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskPorts:
    """The desk's world. `stop_grace`, `retry` and `stall` are seconds: see `Timing`."""

    tasks: TaskStore
    refusals: RefusalLog
    files: FileStore
    wakeups: Wakeups
    clock: Clock
    preparation: Preparation
    inputs: InputSource
    labels: Labels
    previews: PreviewBoard
    tally: Tally
    limits: Limits
    stop_grace: float
    retry: float
    stall: float
