"""The deliverer: sends what the outbox owes, from threads of its own, in every API process.

Two lanes. Endpoints that answered last time share the wide one, two webhooks each at a time; those that gave no answer
go one by one through a narrow one, and rest in between. So a receiver that hangs holds up nobody but itself.
"""

import logging
import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial
from typing import Final

from server.api.webhook_wire import webhook_body
from server.api.wiring import Wiring
from server.domain.breaker import Breaker
from server.domain.errors import Unavailable
from server.domain.log_context import about
from server.domain.webhook import Due, WebhookState
from server.services.deliver import Post, deliver

_log = logging.getLogger(__name__)

_POLL_SECONDS: Final = 0.5
_PAUSE_SECONDS: Final = 0.02
_RETRY_SECONDS: Final = 5.0
_LEASE_SECONDS: Final = 60.0
_STOP_SECONDS: Final = 2.0


@dataclass(slots=True)
class _Lane:
    size: int
    each: int
    busy: int = 0


class Deliverer:
    """Runs from `start` to `stop`. What is under way then is sent again, under the same id, by whoever is left."""

    def __init__(self, wiring: Wiring, sent: Callable[[WebhookState], None]) -> None:
        self._post = Post(
            webhooks=wiring.webhooks,
            secrets=wiring.secrets,
            sender=wiring.sender,
            render=partial(webhook_body, catalogue=wiring.catalogue),
            sent=sent,
        )
        self._clock = wiring.clock
        self._breaker = Breaker()
        self._wide, self._narrow = _Lane(size=32, each=2), _Lane(size=8, each=1)
        self._changed = threading.Condition()
        self._nudge = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="webhooks", daemon=True)

    def start(self) -> None:
        """Begin to deliver."""
        self._thread.start()

    def stop(self) -> None:
        """Send nothing new, and give what is under way a moment to be recorded."""
        self._stopping.set()
        self._nudge.set()
        self._thread.join()
        with self._changed:
            self._changed.wait_for(lambda: not self._wide.busy + self._narrow.busy, _STOP_SECONDS)

    def _run(self) -> None:
        while not self._stopping.wait(_PAUSE_SECONDS):
            try:
                self._look()
            except Unavailable as away:
                _log.warning("webhooks wait: %s", away)
                self._stopping.wait(_RETRY_SECONDS)
            except Exception:  # noqa: BLE001 the next look may succeed
                _log.exception("looking for webhooks failed; trying again")
                self._stopping.wait(_RETRY_SECONDS)
            self._nudge.wait(_POLL_SECONDS)
            self._nudge.clear()

    def _look(self) -> None:
        with self._changed:
            silent = self._breaker.suspects()
            ready = silent - self._breaker.resting(self._clock.monotonic())
        self._fill(self._wide, None, silent)
        if ready:
            self._fill(self._narrow, ready, ())

    def _fill(self, lane: _Lane, only: Collection[str] | None, avoid: Collection[str]) -> None:
        with self._changed:
            free = lane.size - lane.busy
        if free <= 0:
            return
        for due in self._post.webhooks.take(free, _LEASE_SECONDS, each=lane.each, only=only, avoid=avoid):
            with self._changed:
                lane.busy += 1
            threading.Thread(target=self._deliver, args=(lane, due), name="webhook", daemon=True).start()

    def _deliver(self, lane: _Lane, due: Due) -> None:
        answered = True
        try:
            with about(task_id=due.webhook.task_id):
                answered = deliver(due, self._post)
        except Unavailable as away:
            _log.warning("webhook %s is sent again later: %s", due.webhook.id, away)
        except Exception:  # noqa: BLE001 the others go on
            _log.exception("webhook %s failed; it is sent again later", due.webhook.id)
        with self._changed:
            lane.busy -= 1
            if answered:
                self._breaker.heard(due.webhook.endpoint)
            else:
                self._breaker.missed(due.webhook.endpoint, self._clock.monotonic())
            self._changed.notify_all()
        self._nudge.set()
