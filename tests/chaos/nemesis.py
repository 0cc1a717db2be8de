"""What goes wrong, and who puts it right: processes are killed, stopped and drained, and started again when dead."""

import contextlib
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import httpx2

from server.entrypoints.faults.points import API_POINTS, ENGINE_POINTS, WORKER_POINTS, Point
from tests.chaos.history import INFO, History
from tests.e2e.processes import Process, Site, alive, children_of, eventually

QUIET = "claimed:999999999:note"
"""A switch that only keeps the journal."""

REACHED_PER_TASK = {Point.WRITING: 12, Point.STEP: 4}
RARE = frozenset({Point.WITHDRAWING, Point.HANDING_BACK, Point.LOADING, Point.SWEEPING, Point.HEARTBEAT})


def worker_switches(rng: random.Random, tasks_per_kill: int) -> Iterator[str]:
    """Switches for one worker after another: every point with every kind of death, in a random order each round."""
    deaths = [(point, "kill9") for point in WORKER_POINTS] + [(point, "child9") for point in WORKER_POINTS]
    deaths += [(Point.WRITING, "stop"), (Point.HEARTBEAT, "stop"), (Point.FILE_NAMED, "stop"), (Point.FINISHED, "stop")]
    engine = [(point, "kill9") for point in ENGINE_POINTS]
    while True:
        rng.shuffle(deaths)
        for death in deaths:
            yield ",".join(_switch(*one, tasks_per_kill) for one in (death, rng.choice(engine)))


def api_switches(rng: random.Random, tasks_per_kill: int) -> Iterator[str]:
    """Switches for one API process after another."""
    points = sorted(API_POINTS - {Point.UPLOAD_HALF})
    while True:
        rng.shuffle(points)
        for point in points:
            yield _switch(point, "kill9", 5 if point is Point.WEBHOOK_SENT else tasks_per_kill * 4)


def _switch(point: Point, action: str, tasks_per_kill: int) -> str:
    number = 3 if point in RARE else REACHED_PER_TASK.get(point, 1) * tasks_per_kill
    return f"{point.value}:~{number}:{action}"


@dataclass
class Place:
    """A place for one process, filled again when it dies."""

    command: str
    switches: Iterator[str]
    settings: dict[str, str] = field(default_factory=dict)
    process: Process | None = None
    stopped_since: float | None = None


class Nemesis:
    """Looks at every place a few times a second."""

    def __init__(self, site: Site, places: Sequence[Place], history: History, seed: int, *, thaw_after: float) -> None:
        self._site = site
        self._places = places
        self._history = history
        self._rng = random.Random(seed)
        self._thaw_after = thaw_after
        self.did: Counter[str] = Counter()
        self.engines: list[int] = []
        self._children: dict[int, float] = {}
        self.strays: list[int] = []
        self._looked_for_strays = 0.0

    def look(self) -> None:
        """Start what is dead, thaw what is frozen for long enough."""
        for place in self._places:
            process = place.process
            if process is None or process.popen.poll() is not None:
                if process is not None:
                    self.did[f"{place.command} ended {process.popen.returncode}"] += 1
                place.process = self._site.start(place.command, EASEL_FAULT=next(place.switches), **place.settings)
                place.stopped_since = None
            else:
                self._thaw(place, process)
        now = time.monotonic()
        if now - self._looked_for_strays > 1:
            self._looked_for_strays = now
            self._count_engines()

    def wait_until_ready(self, within: float = 120) -> None:
        """Wait until every process can work."""
        for place in self._places:
            assert place.process is not None
            if place.command == "worker":
                place.process.wait_for("engine ready", within)
            else:
                self.wait_for_api(within)

    def wait_for_api(self, within: float = 120) -> None:
        """Wait until the API can work."""
        eventually(self._answers, within=within, every=0.1)

    def _answers(self) -> bool:
        try:
            return httpx2.get(f"http://127.0.0.1:{self._site.port}/readyz", trust_env=False).is_success
        except httpx2.TransportError:
            return False

    def kill(self, command: str) -> None:
        """SIGKILL at a random moment."""
        self._signal(command, signal.SIGKILL)

    def drain(self, command: str) -> None:
        """SIGTERM at a random moment."""
        self._signal(command, signal.SIGTERM)

    def freeze(self, command: str) -> None:
        """SIGSTOP at a random moment; `look` thaws it."""
        self._signal(command, signal.SIGSTOP)

    def kill_engine(self) -> None:
        """SIGKILL an engine child at a random moment."""
        workers = [place.process for place in self._places if place.command == "worker" and place.process]
        children = [child for worker in workers for child in children_of(worker.pid)]
        if children:
            self._note("engine SIGKILL")
            with contextlib.suppress(ProcessLookupError):  # it died by itself meanwhile
                os.kill(self._rng.choice(children), signal.SIGKILL)

    def calm(self, quiet: str = QUIET) -> None:
        """Replace everything by processes that only keep their journal."""
        for place in self._places:
            place.switches = (quiet for _ in count())
        leaving = [place.process for place in self._places if place.process and place.process.popen.poll() is None]
        for process in leaving:
            process.signal(signal.SIGTERM)
        deadline = time.monotonic() + 20
        while (leaving := [one for one in leaving if one.popen.poll() is None]) and time.monotonic() < deadline:
            for process in leaving:  # again and again: on its way out it may come to a point that freezes it
                process.signal(signal.SIGCONT)
            time.sleep(0.1)
        for process in leaving:  # whatever it hangs on, it goes
            process.kill()
        self.look()

    def _signal(self, command: str, number: signal.Signals) -> None:
        running = [
            place.process
            for place in self._places
            if place.command == command and place.process and place.process.popen.poll() is None
        ]
        if running:
            self._note(f"{command} {number.name}")
            self._rng.choice(running).signal(number)

    def _note(self, what: str) -> None:
        self._history.add(INFO, "nemesis", what=what)
        self.did[what] += 1

    def _thaw(self, place: Place, process: Process) -> None:
        if not _frozen(process.pid):
            place.stopped_since = None
            return
        now = time.monotonic()
        place.stopped_since = place.stopped_since or now
        if now - place.stopped_since >= self._thaw_after:
            self.did[f"{place.command} thawed"] += 1
            process.signal(signal.SIGCONT)

    def _count_engines(self) -> None:
        now = time.monotonic()
        for place in self._places:
            if place.command == "worker" and place.process and not _frozen(place.process.pid):
                children = children_of(place.process.pid)
                self.engines.append(len(children))
                self._children |= dict.fromkeys(children, now)
        for pid, seen in list(self._children.items()):
            if not alive(pid):
                del self._children[pid]
            elif now - seen > 5 and _orphaned(pid):
                self.strays.append(pid)
                del self._children[pid]


def _frozen(pid: int) -> bool:
    return _state(pid)[:1] == ["T"]


def _orphaned(pid: int) -> bool:
    return _state(pid)[1:2] == ["1"]


def _state(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()[:2]
    except OSError:
        return []
