"""One claimed task on its way through the engine: what has happened, and what is still to be written."""

from collections import deque
from collections.abc import Callable

from pipelines.contract import EngineFacts, GenerationRequest, Stepped
from server.domain.events import EventType, NewEvent
from server.domain.lifecycle import TaskStatus
from server.domain.task import SUCCESS, Claimed, Ending, StoredFile
from server.domain.types import JsonObject, JsonValue
from server.domain.writes import AddFile, Append, Move, Report, Requeue, Write, WriteReceipt
from server.ports import Clock, TaskStore
from server.services.story import last_words
from server.worker.log_tail import LogTail, clean
from server.worker.picture_receipt import Drawing
from server.worker.prepare import Prepared
from server.worker.receipt import notes_of, phases_subject
from server.worker.spent import Spent

REPORT_SECONDS = 0.25


class Run:
    """Writes a task's story under its lease, in order.

    Writes wait in a line: when the database is away nothing is lost and nothing overtakes, and `flush` goes on where
    it stopped. `flush` raises LeaseLost when the task is no longer ours.
    """

    def __init__(self, claimed: Claimed, tasks: TaskStore, clock: Clock) -> None:
        self.task = claimed.task
        self.lease = claimed.lease
        self.generation_id = f"{claimed.task.id}.{claimed.lease.attempt}.{claimed.lease.token[:8]}"
        self.samples = -1  # unknown until prepared
        self.request: GenerationRequest | None = None  # until the engine is asked
        self._values: JsonObject = {}
        self._enlarged_to: tuple[int, int] | None = None
        self.received = 0
        self.lost = False
        self.over = False
        self.engine_done = True
        self.stop_sent: float | None = None
        self.last_step: Stepped | None = None
        self._tasks = tasks
        self._clock = clock
        self._log = LogTail()
        self._receipt: dict[str, JsonValue] = {}
        self._waiting: deque[Write | Callable[[], None]] = deque()
        self._trying: tuple[Write, ...] | Callable[[], None] = ()
        self._settled = 0
        self._ending: Ending | None = None
        self._requeued = False
        self._unrecorded: set[str] = set()
        self._recorded: set[str] = set()
        self.spent = Spent(clock.monotonic)
        self._claimed_at = self._drawing_since = clock.monotonic()
        self._reported = 0.0
        self._progress: JsonObject | None = None
        self._retry_at = 0.0

    # ── what happened ────────────────────────────────────────────────────────────────────────────────────────────────
    def move(self, to: TaskStatus) -> None:
        """Tell that the task came to `to`."""
        self._waiting.append(Move(to))

    def started(self) -> None:
        """Drawing begins."""
        self._drawing_since = self._clock.monotonic()
        self.move(TaskStatus.START)

    def also(self, write: Callable[[], None]) -> None:
        """Write something else in its turn."""
        self._waiting.append(write)

    def log(self, line: str) -> None:
        """Note a line; the first ones also become events."""
        shown = self._log.add(line)
        if shown is not None:
            self._waiting.append(Append((NewEvent(EventType.ERROR, shown),)))

    def note(self, line: str) -> None:
        """Note a line in the log without making it an event."""
        self._log.note(line)

    def take(self, prepared: Prepared) -> None:
        """Tell what preparing has found out."""
        for remark in prepared.remarks:
            self.log(remark)
        self._values, self._enlarged_to = prepared.values, prepared.enlarged_to
        self.add_to_receipt(prepared.receipt)

    def add_to_receipt(self, subjects: JsonObject) -> None:
        """Add to what the task's receipt says; its sentences go to the log too."""
        self._receipt |= subjects
        for sentence in notes_of(subjects):
            self._log.note(sentence)
        self._waiting.append(WriteReceipt(dict(self._receipt)))

    def drawing(self, device: str, facts: EngineFacts) -> Drawing:
        """Say what its pictures are drawn with: by this engine, which has been asked for them."""
        assert self.request is not None
        return Drawing(
            model=self.task.model,
            values=self._values,
            request=self.request,
            device=device,
            facts=facts,
            enlarged_to=self._enlarged_to,
        )

    def stepped(self, payload: JsonObject, *, last: bool) -> None:
        """Report progress, a few times a second at most."""
        now = self._clock.monotonic()
        if last or now - self._reported >= REPORT_SECONDS:
            self._reported = now
            self._progress = payload

    def stored(self, file: StoredFile) -> None:
        """Record a picture that is safely on disk; the last one ends the task well."""
        self._settled += 1
        self._unrecorded.add(file.key)
        self._waiting.append(AddFile(file))
        self._ending = self._ending or (Ending(SUCCESS) if self._settled == self.samples else None)
        self._end_if_settled()

    def not_stored(self, reason: str) -> None:
        """A picture is lost, and the task fails."""
        self._settled += 1
        self.end(Ending("1", reason))

    def end(self, ending: Ending) -> None:
        """End the task once the pictures that came are stored; the first ending counts. No more pictures are wanted."""
        self._ending = self._ending or ending
        self._end_if_settled()

    def _end_if_settled(self) -> None:
        if self.over or self._ending is None or self._settled < self.received:
            return
        self.over = True
        self._progress = None
        if self.spent.seconds:
            self.add_to_receipt({"phases": phases_subject(self.spent.seconds)})
        ending = Ending(self._ending.pexit, clean(self._ending.message))
        self._waiting.extend(last_words(ending, str(self._log)))

    def requeue(self, *, crashed: bool = False, refund: bool = False) -> None:
        """Give the task back to the queue."""
        if self.over:
            return
        self.over = True
        self._progress = None
        self._waiting.append(Requeue(crashed, refund))

    # ── writing it down ──────────────────────────────────────────────────────────────────────────────────────────────
    @property
    def elapsed(self) -> float:
        """Seconds since drawing began."""
        return self._clock.monotonic() - self._drawing_since

    @property
    def age(self) -> float:
        """Seconds since it was claimed."""
        return self._clock.monotonic() - self._claimed_at

    @property
    def succeeded(self) -> bool:
        """Whether its task has ended well, and that is in the log."""
        return self.written and not self.lost and self._ending == Ending(SUCCESS)

    @property
    def drawn(self) -> bool:
        """Whether every picture has come from the engine."""
        return self.received == self.samples

    @property
    def ending(self) -> bool:
        """Whether nothing more is wanted from the engine."""
        return self.lost or self.over or self._ending is not None

    @property
    def suspect(self) -> bool:
        """Whether an engine process has died with it: it is drawn alone, and no other task shares its next crash."""
        return self.task.crashes > 0

    @property
    def unwanted(self) -> bool:
        """Whether the engine draws what nobody waits for any more."""
        return self.ending and not self.engine_done

    @property
    def orphans(self) -> frozenset[str]:
        """Keys of files that no row names, once the run is closed: of a lost lease's last pictures, or a requeue's."""
        return frozenset(self._unrecorded | self._recorded if self._requeued else self._unrecorded)

    @property
    def closed(self) -> bool:
        """Whether nothing is left to do for this run."""
        return self.engine_done and (self.lost or self.written)

    @property
    def written(self) -> bool:
        """Whether the story is over and all of it is in the log."""
        return self.over and not self._unwritten

    @property
    def waiting(self) -> bool:
        """Whether there is something to write now."""
        return (self._unwritten or self._progress is not None) and self._clock.monotonic() >= self._retry_at

    @property
    def _unwritten(self) -> bool:
        return bool(self._trying or self._waiting)

    def postpone(self, seconds: float) -> None:
        """The database is away: write nothing for so long."""
        self._retry_at = self._clock.monotonic() + seconds

    def flush(self, between: Callable[[], None] = lambda: None) -> None:
        """Write what waits, all that comes together at once, calling `between` after each transaction.

        Raises LeaseLost, or Unavailable: the rest still waits, and what may have been written is tried again as it was.
        """
        while self._trying or self._waiting:
            if not self._trying:
                self._trying = self._next()
            if callable(self._trying):
                self._trying()
            else:
                self._tasks.write(self.lease, self._trying)
                self._note_written(self._trying)
            self._trying = ()
            between()
        if self._progress is not None:
            self._tasks.write(self.lease, (Report(self._progress),))
            self._progress = None

    def _next(self) -> tuple[Write, ...] | Callable[[], None]:
        together: list[Write] = []
        while self._waiting:
            first = self._waiting[0]
            if callable(first):
                break
            together.append(first)
            self._waiting.popleft()
        if together:
            return tuple(together)
        alone = self._waiting.popleft()
        assert callable(alone)
        return alone

    def _note_written(self, writes: tuple[Write, ...]) -> None:
        for write in writes:
            match write:
                case AddFile(file):
                    self._unrecorded.discard(file.key)
                    self._recorded.add(file.key)
                case Requeue():
                    self._requeued = True
                case _:
                    pass
