"""The engine child as its supervisor sees it: loading, ready, dead, coming back."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from pipelines.contract import Command, Defunct, EngineFacts, Loading, Ready
from server.domain.kill import Means
from server.ports import Clock
from server.worker.engine_process import EngineHandle, Exited, Heard

_log = logging.getLogger(__name__)

MAX_LOAD_FAILURES: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Care:
    """How a child is looked after.

    `restarts` are the pauses before the next one, by how many have died since one last finished something; `load` is
    how many seconds it may load without a word, `term` how many lie between SIGTERM and SIGKILL. One that holds more
    than `recycle` bytes of memory after a drawing is replaced; None: never.
    """

    restarts: Sequence[float]
    load: float
    term: float
    recycle: int | None = None


class EngineChild:
    """Keeps one child running: restarts it after a death, gives up when it can't even load."""

    def __init__(self, handle: EngineHandle, hear: Callable[[Heard], None], clock: Clock, care: Care) -> None:
        self._care = care
        self._handle = handle
        self._hear = hear
        self._clock = clock
        self._deaths = 0
        self._load_failures = 0
        self._start_at: float | None = clock.monotonic()
        self.ready = False
        self.ending = False
        self._heard_at = clock.monotonic()
        self._term_at: float | None = None
        self._hard = False
        self._has_drawn = False
        self.device = ""
        self.capacity = 0
        self.facts = EngineFacts()
        self.last_words = ""

    @property
    def hopeless(self) -> bool:
        """Whether loading failed too often to go on trying."""
        return self._load_failures >= MAX_LOAD_FAILURES

    def start_if_due(self) -> None:
        """Start a child if there is none and its time has come."""
        now = self._clock.monotonic()
        if self._start_at is not None and now >= self._start_at:
            self._start_at = None
            self._term_at = None
            self.ending = self._hard = self._has_drawn = False
            self._heard_at = now
            self._handle.start(self._hear)

    def end_if_stuck(self) -> None:
        """End a child that loads without a word for too long."""
        loading = self._start_at is None and not self.ready
        if loading and self._clock.monotonic() - self._heard_at >= self._care.load:
            self.last_words = f"The engine process loaded for {self._care.load:g} s without a word."
            self.end()

    def send(self, command: Command) -> None:
        """Send a command to the child."""
        self._handle.send(command)

    def on_loading(self, event: Loading) -> None:
        """The child is loading."""
        self._heard_at = self._clock.monotonic()
        _log.info("loading %s (%d %%)", event.what, round(event.fraction * 100))

    def on_ready(self, event: Ready) -> None:
        """The child can take work."""
        self.ready = True
        self._load_failures = 0
        self.last_words = ""
        self.device, self.facts = event.device, event.facts
        self.capacity = event.capacity
        _log.info("engine ready on %s", event.device)

    def on_defunct(self, event: Defunct) -> None:
        """The child is about to end and says why."""
        self.last_words = event.reason
        _log.error("engine: %s", event.reason)

    def on_success(self) -> None:
        """It finished a generation: deaths before that no longer count against it."""
        self._deaths = 0
        self._has_drawn = True

    @property
    def takes_more(self) -> bool:
        """Whether it may be given another generation: one that is being ended may not."""
        return self.ready and not self.ending

    @property
    def memory(self) -> int:
        """Bytes of the host's memory that it holds; 0 where nobody knows."""
        return self._handle.memory()

    @property
    def bloated(self) -> bool:
        """Whether the child has drawn and holds more memory than it may."""
        limit = self._care.recycle
        return self.ready and self._has_drawn and limit is not None and self.memory > limit

    def recycle(self) -> None:
        """Replace a child that has nothing to do."""
        _log.warning("engine holds %.1f GB; replacing it", self.memory / 1e9)
        self.ready, self.ending, self._term_at = False, True, self._clock.monotonic()
        self._heard_at = self._term_at
        self._handle.terminate()

    def on_exited(self, event: Exited) -> None:
        """The child is gone: plan the next one."""
        if not self.ready and not self._has_drawn:
            self._load_failures += 1
            self.last_words = self.last_words or f"The engine process ended with exit code {event.pexit} while loading."
        wait = 0.0 if self.ending else self._care.restarts[min(self._deaths, len(self._care.restarts) - 1)]
        self._deaths += 0 if self.ending else 1
        self.ready = False
        self._start_at = self._clock.monotonic() + wait
        _log.warning("engine process ended (exit code %s); starting another in %g s", event.pexit, wait)

    def end(self) -> None:
        """End a child that does not answer: SIGTERM, and SIGKILL when called again later. Each is sent once."""
        now = self._clock.monotonic()
        if self._term_at is None:
            self._term_at, self.ending = now, True
            _log.warning("engine does not stop; sending SIGTERM")
            self._handle.terminate()
        elif not self._hard and now - self._term_at >= self._care.term:
            self._hard = True
            _log.warning("engine does not stop; sending SIGKILL")
            self._handle.kill()

    @property
    def ended_by(self) -> Means:
        """What has ended the child, or is about to."""
        if self._term_at is None:
            return Means.DEATH
        return Means.SIGKILL if self._hard else Means.SIGTERM

    def close(self, grace: float) -> None:
        """See the child out."""
        self._handle.close(grace)
