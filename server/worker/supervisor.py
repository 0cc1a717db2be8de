"""The supervisor: claims tasks, keeps leases alive, drains. No torch; one thread decides everything."""

import logging
import queue
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

from pipelines.contract import Defunct, Loading, Ready, Vitals
from server.domain.errors import Unavailable
from server.domain.report import WorkerReport
from server.domain.rescue import Limits
from server.domain.worker import Wish, Worker, WorkerState
from server.ports import Clock, FileStore, TaskStore, Wakeups, WorkerRegistry
from server.ports.previews import PreviewBoard
from server.ports.refusals import RefusalLog
from server.services.rescue import RESCUE_PACE, rescue
from server.worker.desk import Desk
from server.worker.desk_ports import DeskNote, DeskPorts
from server.worker.engine_child import Care, EngineChild
from server.worker.engine_process import EngineHandle, Exited, Heard
from server.worker.inputs import InputSource
from server.worker.labels import Labels
from server.worker.line import crowding, has_room
from server.worker.pace import Every
from server.worker.prepare import Preparation
from server.worker.tally import Tally
from server.worker.timing import Timing

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """The world of a supervisor: the ports it works through."""

    tasks: TaskStore
    registry: WorkerRegistry
    refusals: RefusalLog
    files: FileStore
    wakeups: Wakeups
    clock: Clock
    engine: EngineHandle
    inputs: InputSource
    labels: Labels
    previews: PreviewBoard


@dataclass(frozen=True, slots=True)
class _Look:
    """Something may have changed."""


_Note: TypeAlias = Heard | DeskNote | _Look


class Supervisor:
    """Runs until it is stopped: once to drain, twice to hand back at once."""

    def __init__(
        self,
        worker: Worker,
        outside: Outside,
        preparation: Preparation,
        timing: Timing,
        limits: Limits,
        recycle: int | None = None,
    ) -> None:
        self._worker = worker
        self._out = outside
        self._models = preparation.models
        self._timing = timing
        self._limits = limits
        self._inbox: queue.SimpleQueue[_Note] = queue.SimpleQueue()
        term = min(timing.term, timing.stop_grace)
        care = Care(restarts=timing.restarts, load=timing.load, term=term, recycle=recycle)
        self._child = EngineChild(outside.engine, self._inbox.put, outside.clock, care)
        self._tally = Tally()
        ports = DeskPorts(
            tasks=outside.tasks,
            refusals=outside.refusals,
            files=outside.files,
            wakeups=outside.wakeups,
            clock=outside.clock,
            preparation=preparation,
            inputs=outside.inputs,
            labels=outside.labels,
            previews=outside.previews,
            tally=self._tally,
            limits=limits,
            stop_grace=timing.stop_grace,
            retry=timing.retry,
            stall=timing.stall,
        )
        self._desk = Desk(self._child, ports, self._inbox.put)
        self._others = 0
        self._wish: Wish | None = None
        self._stops = 0
        self._thread = 0
        self._draining_since: float | None = None
        self._handed_back_at: float | None = None
        monotonic = outside.clock.monotonic
        self._beat_due = Every(timing.heartbeat, monotonic)
        self._watch_due = Every(timing.watch, monotonic)
        self._rescue_due = Every(max(timing.lease * RESCUE_PACE, timing.watch), monotonic)
        self._claim_due = Every(timing.poll, monotonic)

    def stop(self) -> None:
        """Ask to stop. Safe to call from a signal handler."""
        self._stops += 1
        self._inbox.put(_Look())

    def run(self) -> int:
        """Work until stopped; return the exit code: 1 when the engine can't be loaded."""
        self._thread = threading.get_ident()
        self._out.wakeups.listen(self._woken)
        while not self._done():
            if not self._stops:
                self._child.start_if_due()
            self._child.end_if_stuck()
            self._tick()
            self._hear(self._next())
        if self._desk.unwritten:
            _log.warning("leaving %d task(s) to whoever finds their lease run out", self._desk.unwritten)
        self._child.close(0 if self._stops > 1 else self._timing.stop_grace)
        self._desk.close()
        while not self._inbox.empty():  # pictures whose run was handed back while they were being stored
            self._hear(self._inbox.get())
        self._attempt(lambda: self._out.registry.leave(self._worker.id))
        if self._child.hopeless:
            _log.error("giving up: %s", self._child.last_words)
            return 1
        return 0

    # ── the loop ─────────────────────────────────────────────────────────────────────────────────────────────────────
    def _woken(self) -> None:
        if threading.get_ident() == self._thread:
            return  # by its own writing, which makes nothing for itself to do
        self._claim_due.now()
        self._watch_due.now()
        self._inbox.put(_Look())

    def _next(self) -> _Note:
        restless = self._desk or self._stops or not self._child.ready
        try:
            return self._inbox.get(timeout=self._timing.watch if restless else self._timing.poll)
        except queue.Empty:
            return _Look()

    def _tick(self) -> None:
        if self._stops or self._child.hopeless:
            self._drain()
        self._beat_if_due()
        if self._rescue_due():
            self._attempt(self._rescue)
        if self._desk and self._watch_due():
            self._attempt(self._desk.watch)
        held = len(self._desk)
        self._desk.pursue(self._beat_if_due)
        if self._claim_due() or len(self._desk) < held:
            self._attempt(self._claim)

    def _hear(self, note: _Note) -> None:
        match note:
            case _Look():
                pass
            case Loading():
                self._child.on_loading(note)
            case Ready():
                self._child.on_ready(note)
                self._beat_due.now()
                self._claim_due.now()
            case Defunct():
                self._child.on_defunct(note)
            case Vitals():
                self._tally.took_stock(note)
            case Exited():
                # SIGTERM that we did not send is somebody stopping the whole group: no crash either.
                stopped = self._child.ending or self._stops > 0 or note.code == -signal.SIGTERM
                if not stopped:
                    self._tally.count("crashes")
                self._tally.child_gone()
                self._desk.exited(note, on_purpose=stopped)
                self._child.on_exited(note)
                self._beat_due.now()
            case _:
                self._desk.hear(note)

    def _attempt(self, act: Callable[[], object]) -> None:
        try:
            act()
        except Unavailable as away:
            _log.warning("%s", away)

    def _beat_if_due(self) -> None:
        if self._beat_due():
            self._attempt(self._beat)

    # ── what is due ──────────────────────────────────────────────────────────────────────────────────────────────────
    def _beat(self) -> None:
        state = WorkerState.READY if self._child.ready else WorkerState.LOADING
        if self._stops or self._wish:
            state = WorkerState.DRAINING
        self._renew()
        self._obey(self._out.registry.beat(self._described(state)))
        self._others = sum(worker.id != self._worker.id for worker in self._out.registry.alive(self._timing.lease))

    def _obey(self, wish: Wish | None) -> None:
        """Claim nothing more while an operator wishes so; leave, once all is finished, if that is the wish."""
        if wish is not self._wish:
            _log.info("an operator wishes: %s", f"finish, then {wish.value}" if wish else "claim again")
            self._beat_due.now()  # to tell so
        self._wish = wish
        if wish is Wish.LEAVE and not self._stops:
            self.stop()

    def _described(self, state: WorkerState) -> Worker:
        return replace(self._worker, state=state, device=self._child.device, report=self._report())

    def _report(self) -> WorkerReport:
        levels = {"in_flight": len(self._desk), "capacity": self._child.capacity, "host_memory": self._child.memory}
        return self._tally.report(levels)

    def _renew(self) -> None:
        leases = self._desk.leases
        if leases:
            self._out.tasks.renew(leases, self._timing.lease)

    def _rescue(self) -> None:
        # After the database was away for longer than a lease, its own tasks are not to be rescued from itself.
        self._renew()
        if rescue(self._out.tasks, self._worker.id, self._timing.lease, self._limits, self._beat_if_due):
            self._claim_due.now()
            self._out.wakeups.wake()

    def _claim(self) -> None:
        """Take tasks while there is room, and leave some of it to projects that have none in hand.

        Where there are other workers, a task must have waited the longer the more are in hand here: whoever has fewer,
        or none, comes first.
        """
        if self._child.bloated:
            if not self._desk:
                self._child.recycle()
            return
        while (
            self._child.takes_more
            and not (self._stops or self._wish)
            and has_room(self._desk.runs, self._child.capacity)
        ):
            claimed = self._out.tasks.claim(
                self._worker.id,
                self._models,
                self._timing.lease,
                waited=self._timing.patience * len(self._desk) if self._others else 0.0,
                not_of=crowding(self._desk.runs, self._child.capacity),
            )
            if claimed is None:
                return
            self._desk.begin(claimed)
            self._desk.pursue(self._beat_if_due)

    def _drain(self) -> None:
        now = self._out.clock.monotonic()
        if self._draining_since is None:
            self._draining_since = now
            self._beat_due.now()
            _log.info("stopping: %d running task(s) may finish within %g s", len(self._desk), self._timing.drain)
        overdue = now - self._draining_since >= self._timing.drain
        if (self._stops > 1 or overdue or self._child.hopeless) and self._handed_back_at is None:
            self._handed_back_at = now
            self._desk.hand_back()

    def _done(self) -> bool:
        """Whether to leave. What was handed back is not waited for: neither an engine nor a database that is away."""
        if self._handed_back_at is None:
            return bool(self._stops or self._child.hopeless) and not self._desk
        late = self._out.clock.monotonic() - self._handed_back_at >= self._timing.stop_grace
        return late or not self._desk.unwritten
