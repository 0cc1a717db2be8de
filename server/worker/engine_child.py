"""The engine child as its supervisor sees it: loading, ready, dead, coming back."""

import logging
from collections.abc import Callable, Sequence
from typing import Final

from pipelines.contract import Command, Defunct, EngineFacts, Loading, Ready
from server.ports import Clock
from server.worker.engine_process import EngineHandle, Exited, Heard

_log = logging.getLogger(__name__)

MAX_LOAD_FAILURES: Final = 3


class EngineChild:
    """Keeps one child running: restarts it after a death, gives up when it can't even load."""

    def __init__(
        self, handle: EngineHandle, hear: Callable[[Heard], None], clock: Clock, restarts: Sequence[float]
    ) -> None:
        self._restarts = restarts
        self._handle = handle
        self._hear = hear
        self._clock = clock
        self._deaths = 0
        self._load_failures = 0
        self._start_at: float | None = clock.monotonic()
        self.ready = False
        self.ending = False
        self._hard = False
        self.device = ""
        self.facts = EngineFacts()
        self.last_words = ""

    @property
    def hopeless(self) -> bool:
        """Whether loading failed too often to go on trying."""
        return self._load_failures >= MAX_LOAD_FAILURES

    def start_if_due(self) -> None:
        """Start a child if there is none and its time has come."""
        if self._start_at is not None and self._clock.monotonic() >= self._start_at:
            self._start_at = None
            self.ending = self._hard = False
            self._handle.start(self._hear)

    def send(self, command: Command) -> None:
        """Send a command to the child."""
        self._handle.send(command)

    def on_loading(self, event: Loading) -> None:
        """The child is loading."""
        _log.info("loading %s (%d %%)", event.what, round(event.fraction * 100))

    def on_ready(self, event: Ready) -> None:
        """The child can take work."""
        self.ready = True
        self._load_failures = 0
        self.last_words = ""
        self.device, self.facts = event.device, event.facts
        _log.info("engine ready on %s", event.device)

    def on_defunct(self, event: Defunct) -> None:
        """The child is about to end and says why."""
        self.last_words = event.reason
        _log.error("engine: %s", event.reason)

    def on_success(self) -> None:
        """It finished a generation: deaths before that no longer count against it."""
        self._deaths = 0

    def on_exited(self, event: Exited) -> None:
        """The child is gone: plan the next one."""
        if not self.ready:
            self._load_failures += 1
            self.last_words = self.last_words or f"The engine process ended with exit code {event.pexit} while loading."
        wait = 0.0 if self.ending else self._restarts[min(self._deaths, len(self._restarts) - 1)]
        self._deaths += 0 if self.ending else 1
        self.ready = False
        self._start_at = self._clock.monotonic() + wait
        _log.warning("engine process ended (exit code %s); starting another in %g s", event.pexit, wait)

    def end(self, *, hard: bool) -> None:
        """End a child that does not answer: SIGTERM, or SIGKILL if `hard`. Each is sent once."""
        if self._hard or (self.ending and not hard):
            return
        self.ending, self._hard = True, hard
        _log.warning("engine does not stop; sending %s", "SIGKILL" if hard else "SIGTERM")
        if hard:
            self._handle.kill()
        else:
            self._handle.terminate()

    def close(self, grace: float) -> None:
        """See the child out."""
        self._handle.close(grace)
