"""The crash points, what can happen at them, and the switch: `EASEL_FAULT=point:when:action,…`.

`when` is a number (that time, counted in each process) or `~N` (each time, with the chance 1 in N). Without the switch
nothing of this package is put anywhere.
"""

import errno
import json
import logging
import os
import random
import re
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

_log = logging.getLogger(__name__)

SWITCH: Final = "EASEL_FAULT"


class Point(StrEnum):
    """Where a process can be made to fail."""

    # the supervisor
    CLAIMED = "claimed"  # a claim is committed, the supervisor does not know of it yet
    ACCEPTED = "accepted"  # it does, and has said nothing
    PREPROCESSING = "preprocessing"  # `task_preprocess_start` is committed, and what could be told with it
    ASSIGNED = "assigned"  # `task_assign` is committed
    HEARTBEAT = "heartbeat"  # leases are about to be renewed
    WITHDRAWING = "withdrawing"  # a killed drawing is about to be withdrawn from the engine
    HANDING_BACK = "handing_back"  # a draining worker, or one whose child died, is about to requeue a task
    FILE_HALF = "file_half"  # half of a picture is in its temporary file
    FILE_NAMED = "file_named"  # a picture has its name, but no row
    FINISHED = "finished"  # the terminal status is committed, the worker has not cleaned up
    WRITING = "writing"  # any transaction of a task's story is about to begin
    # the engine child
    LOADING = "loading"  # weights are about to be loaded
    STEP = "step"  # a step is done, nobody knows
    DECODED = "decoded"  # a picture is drawn, nobody has it
    # the API
    SUBMITTED = "submitted"  # a Run is committed, its answer is not sent
    SWEEPING = "sweeping"  # expired tasks are taken over; the next one is about to be rescued
    WEBHOOK_SENT = "webhook_sent"  # a receiver has answered, nobody has written it down
    UPLOAD_HALF = "upload_half"  # a piece of an upload is in its temporary file


ENGINE_POINTS: Final = frozenset({Point.LOADING, Point.STEP, Point.DECODED})
API_POINTS: Final = frozenset({Point.SUBMITTED, Point.SWEEPING, Point.WEBHOOK_SENT, Point.UPLOAD_HALF})
WORKER_POINTS: Final = frozenset(Point) - ENGINE_POINTS - API_POINTS

ACTIONS: Final = ("note", "kill9", "child9", "term", "stop", "raise", "enospc", "sleep")
_SIGNALS: Final = {"kill9": signal.SIGKILL, "term": signal.SIGTERM, "stop": signal.SIGSTOP}
_FAULT: Final = re.compile(r"([a-z_]+):(~?)([1-9][0-9]{0,8}):([a-z0-9]+)(?:=([0-9.]+))?")


class FaultError(Exception):
    """What `raise` raises, and what a wrong switch says."""


@dataclass(frozen=True, slots=True)
class Fault:
    """At `point`, the `number`th time or by a chance of 1 in `number`, `action` with its `value`."""

    point: Point
    chance: bool
    number: int
    action: str
    value: float

    @classmethod
    def read(cls, text: str) -> "Fault":
        """Read `point:when:action`. Raises FaultError."""
        found = _FAULT.fullmatch(text.strip())
        if found is None or found[1] not in set(Point) or found[4] not in ACTIONS:
            raise FaultError(f"{SWITCH} has {text!r}; it takes point:when:action as told in {__name__}.")
        return cls(Point(found[1]), bool(found[2]), int(found[3]), found[4], float(found[5] or 1))


class Faults:
    """Counts how often each point is reached in this process, and does there what was asked for."""

    def __init__(self, faults: Sequence[Fault], say: Callable[[str], None], rng: random.Random) -> None:
        self._faults = faults
        self._say = say
        self._rng = rng
        self._reached: Counter[Point] = Counter()
        self._lock = threading.Lock()

    def reach(self, point: Point) -> None:
        """Come to a point. Raises FaultError or OSError if that is what is to happen."""
        with self._lock:
            self._reached[point] += 1
            number = self._reached[point]
            due = [each for each in self._faults if each.point is point and self._is_due(each, number)]
        for fault in due:
            self._say(f"fault {fault.point} {number} {fault.action}")
            _act(fault)

    def tell(self, **what: object) -> None:
        """Write a line of the journal that a checker reads."""
        self._say(f"journal {json.dumps(what)}")

    def _is_due(self, fault: Fault, number: int) -> bool:
        return self._rng.random() * fault.number < 1 if fault.chance else number == fault.number


def read_faults(environment: Mapping[str, str]) -> Faults | None:
    """Return what the switch asks for; None without it. Raises FaultError."""
    text = environment.get(SWITCH, "")
    if not text:
        return None
    faults = [Fault.read(part) for part in text.split(",")]
    _log.warning("%s is set: this process fails on purpose (%s)", SWITCH, text)
    return Faults(faults, _say, random.Random())  # noqa: S311 chance, no secret


def _say(line: str) -> None:
    # One write, past every buffer: the process may be dead the moment after.
    os.write(2, f"{line}\n".encode())


def _act(fault: Fault) -> None:
    if fault.action == "child9":
        for child in _children():
            os.kill(child, signal.SIGKILL)
    elif fault.action in _SIGNALS:
        os.kill(os.getpid(), _SIGNALS[fault.action])
    elif fault.action == "raise":
        raise FaultError(f"asked to fail at {fault.point}")
    elif fault.action == "enospc":
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    elif fault.action == "sleep":
        time.sleep(fault.value)


def _children() -> list[int]:
    found: list[int] = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(path.read_text().rpartition(") ")[2].split()[1])
        except (OSError, ValueError):
            continue  # gone meanwhile
        if parent == os.getpid():
            found.append(int(path.parent.name))
    return found
