"""The desk: the runs in hand, and what the engine says about them."""

import logging
from collections.abc import Callable, Collection
from contextlib import nullcontext
from functools import partial

from pipelines.contract import (
    Admit,
    EngineEvent,
    Failed,
    Finished,
    GenerationRequest,
    LogLine,
    Preview,
    SampleDone,
    Started,
    Stepped,
    Withdraw,
    Withdrawn,
)
from server.domain.errors import LeaseLost, Unavailable
from server.domain.lifecycle import TaskStatus
from server.domain.log_context import about
from server.domain.rescue import after_crash
from server.domain.task import Claimed, Ending, Lease
from server.worker.desk_ports import DeskNote, DeskPorts
from server.worker.engine_child import EngineChild
from server.worker.engine_process import Exited
from server.worker.inputs import Gathered, Inputs, NotGathered
from server.worker.kills import Kills
from server.worker.line import Line
from server.worker.pace import Every
from server.worker.patience import Patience
from server.worker.pictures import NotStored, Pictures, Stored
from server.worker.prepare import CannotPrepare, GateRefused
from server.worker.previews import INTERVAL, Previews
from server.worker.progress import progress_payload
from server.worker.run import Run

_log = logging.getLogger(__name__)


class Desk:
    """Holds the runs from claim to the last written word. Called by the supervisor's thread only."""

    def __init__(self, child: EngineChild, ports: DeskPorts, note: Callable[[DeskNote], None]) -> None:
        self._child = child
        self._ports = ports
        self._note = note
        patience = Patience(ports.retry)
        self._inputs = Inputs(ports.inputs, note, patience)
        self._kills = Kills(ports.tasks, ports.clock, ports.tally)
        self._runs: dict[str, Run] = {}
        self._line = Line()
        self._heard_at = ports.clock.monotonic()
        self._stalled = False
        self._pictures = Pictures(ports.files, ports.labels, note, patience)
        self._previews = Previews(ports.previews, child.send, Every(INTERVAL, ports.clock.monotonic))

    def __len__(self) -> int:
        return len(self._runs)

    @property
    def runs(self) -> Collection[Run]:
        """What is in hand."""
        return self._runs.values()

    @property
    def leases(self) -> list[Lease]:
        """The leases to keep alive."""
        return [run.lease for run in self._runs.values() if not run.lost]

    @property
    def unwritten(self) -> int:
        """How many runs have a story that is not yet in the log."""
        return sum(not (run.lost or run.written) for run in self._runs.values())

    def begin(self, claimed: Claimed) -> None:
        """Prepare a claimed task and put it in line for the engine; `pursue` then tells of it."""
        run = Run(claimed, self._ports.tasks, self._ports.clock)
        self._runs[run.generation_id] = run
        self._ports.tally.claimed(run.task)
        run.move(TaskStatus.PREPROCESS_START)
        try:
            prepared = self._ports.preparation.prepare(run.task, run.generation_id)
        except CannotPrepare as error:
            if isinstance(error, GateRefused):
                run.also(partial(self._ports.refusals.add, error.refusal))
            run.end(Ending("1", str(error)))
        else:
            run.take(prepared)
            if self._inputs.wanted(run.task):
                self._inputs.start(run.task, prepared.request)
            else:
                self._assign(run, prepared.request)

    def _assign(self, run: Run, request: GenerationRequest) -> None:
        run.move(TaskStatus.PREPROCESS_END)
        run.move(TaskStatus.ASSIGN)
        run.samples, run.request = request.samples, request
        self._line.join(run, request)

    def watch(self) -> None:
        """See whether somebody cancelled, or took over, what is being drawn."""
        runs = [run for run in self._runs.values() if not run.lost]
        held = self._ports.tasks.held([run.lease for run in runs])
        for run in runs:
            # A run that has told its end holds no lease any more, and lost nothing by it.
            run.lost = run.lost or (run.task.id not in held and not run.over)
        self._previews.look(runs)

    def pursue(self, between: Callable[[], None] = lambda: None) -> None:
        """Write what waits, stop what is unwanted, forget what is closed.

        `between` is called after each write: where the disk is slow, the stories of several take longer than a lease.
        """
        self._end_if_stalled()
        self._admit()
        self._kills.write()
        for run in list(self._runs.values()):
            if run.waiting and not run.lost:
                with about(task_id=run.task.id):
                    self._flush(run, between)
            if run.unwanted:
                self._stop(run)
            if run.closed:
                del self._runs[run.generation_id]
                if run.succeeded:
                    self._ports.tally.succeeded(run.task, run.age)
                self._inputs.forget(run.generation_id)
                self._pictures.discard(run.orphans)

    def hand_back(self) -> None:
        """Give every unfinished task back to the queue, without counting the attempt."""
        for run in self._runs.values():
            if not run.over and not run.lost:
                _log.info("task %s goes back to the queue; its attempt is not counted", run.task.id)
                self._requeue(run, "drain")

    def close(self) -> None:
        """Let pictures that are being written be written, and the last kill receipt."""
        self._kills.write()
        self._previews.close()
        self._pictures.close()
        self._inputs.close()

    # ── what the engine says ─────────────────────────────────────────────────────────────────────────────────────────
    def hear(self, event: EngineEvent | DeskNote) -> None:
        """Take an event about a generation; those of forgotten generations are stale."""
        self._heard_at = self._ports.clock.monotonic()
        run = self._runs.get(getattr(event, "generation_id", None) or "")
        with nullcontext() if run is None else about(task_id=run.task.id):
            self._heed(run, event)

    def _heed(self, run: Run | None, event: EngineEvent | DeskNote) -> None:
        if run is not None:
            self._note_progress(run, event)
        match event:
            case LogLine(line=line) if run is None:
                _log.info("engine: %s", line)
            case Stored(file=file) if run is None or run.lost or run.over:
                self._pictures.discard({file.key})
            case _ if run is None:
                pass
            case Finished() | Failed() | Withdrawn():
                run.engine_done = True
                self._kills.freed(run, event)
                self._answered(run, event)
            case Stored() | NotStored() | Gathered() | NotGathered():
                self._told(run, event)
            case _ if not run.ending:
                self._progressed(run, event)
            case _:
                pass  # it goes on drawing what nobody waits for: not for long

    def _note_progress(self, run: Run, event: EngineEvent | DeskNote) -> None:
        if isinstance(event, Stepped):
            run.last_step = event
        run.spent.heard(event)
        self._ports.tally.heard(event, run.spent.seconds)

    def _told(self, run: Run, note: DeskNote) -> None:
        match note:
            case Stored(file=file):
                run.stored(file)
            case NotStored(reason=reason):
                run.not_stored(reason)
            case _ if run.ending:
                pass  # killed, handed back or lost while its inputs were gathered
            case Gathered(request=request):
                self._assign(run, request)
            case NotGathered(again=True, reason=reason):
                _log.warning("task %s: %s", run.task.id, reason)
                self._requeue(run, "inputs")
            case NotGathered(reason=reason):
                run.end(Ending("1", reason))

    def _answered(self, run: Run, event: Finished | Failed | Withdrawn) -> None:
        match event:
            case Failed(reason=reason) if not run.lost:
                run.end(Ending("1", reason))
            case Finished():
                self._child.on_success()
                if not run.drawn and not run.lost:
                    run.end(Ending("1", "The engine finished without all the pictures it was asked for."))
            case _:
                _log.info("task %s: the engine is free of it", run.task.id)

    def _progressed(self, run: Run, event: EngineEvent) -> None:
        match event:
            case Started(total_steps=total):
                run.started()
                run.note(f"{run.samples} picture(s) in {total} steps on {self._child.device}")
            case Stepped(step=step, total_steps=total):
                run.stepped(progress_payload(event, run.elapsed), last=step == total)
            case LogLine(line=line):
                run.log(line)
            case Preview():
                self._previews.take(run.lease, event)
            case SampleDone():
                run.received += 1
                self._pictures.store(run.task, run.drawing(self._child.device, self._child.facts), event)
            case _:
                _log.warning("unexpected %s for task %s", type(event).__name__, run.task.id)

    def exited(self, event: Exited, *, on_purpose: bool) -> None:
        """The child is gone, and everything it was drawing with it."""
        on_purpose = on_purpose and not self._stalled
        self._stalled = False
        for run in self._runs.values():
            if not run.engine_done:
                with about(task_id=run.task.id):
                    self._left_alone(run, event, on_purpose=on_purpose)

    def _left_alone(self, run: Run, event: Exited, *, on_purpose: bool) -> None:
        run.engine_done = True
        self._kills.freed(run, self._child.ended_by)
        if run.ending or run.drawn:
            return
        if on_purpose:  # another run's deadline, not this one's fault
            self._requeue(run, "neighbour")
        elif (ending := after_crash(run.task, event.pexit, self._ports.limits)) is None:
            _log.warning("task %s: its engine process died; queueing it again", run.task.id)
            self._requeue(run, "crash")
        else:
            _log.error("task %s: %s", run.task.id, ending.message)
            run.end(ending)

    def _requeue(self, run: Run, reason: str) -> None:
        """Give a run back to the queue; only what died under it counts against its task."""
        self._ports.tally.count(f"requeues.{reason}")
        run.requeue(crashed=reason == "crash", refund=reason != "crash")

    # ── steps ────────────────────────────────────────────────────────────────────────────────────────────────────────
    def _admit(self) -> None:
        """Send the engine what is prepared and may be drawn beside what it draws."""
        while self._child.takes_more and (ready := self._line.next(self._runs.values())) is not None:
            run, request = ready
            if all(other.engine_done for other in self._runs.values()):
                self._heard_at = self._ports.clock.monotonic()
            run.engine_done = False
            run.spent.admitted()
            self._child.send(Admit(request))

    def _flush(self, run: Run, between: Callable[[], None]) -> None:
        try:
            run.flush(between)
        except LeaseLost:
            _log.info("task %s is no longer ours", run.task.id)
            run.lost = True
        except Unavailable as away:
            _log.warning("task %s: %s", run.task.id, away)
            run.postpone(self._ports.retry)
        else:
            self._ports.wakeups.wake()

    def _stop(self, run: Run) -> None:
        """Withdraw at the next step boundary; a child that does not obey in time loses its life."""
        now = self._ports.clock.monotonic()
        if run.stop_sent is None:
            run.stop_sent = now
            self._child.send(Withdraw(run.generation_id))
            return
        overdue = now - run.stop_sent - self._ports.stop_grace
        if overdue >= 0 and self._child.ready:
            self._child.end()

    def _end_if_stalled(self) -> None:
        """End a child that draws without a word: its device hangs, whatever its process says."""
        drawing = any(not run.engine_done for run in self._runs.values())
        overdue = self._ports.clock.monotonic() - self._heard_at - self._ports.stall
        if drawing and overdue >= 0 and self._child.ready:
            self._stalled = True
            self._child.end()
