"""What a websocket may take: how many an address may have open, how long and how much each may say."""

from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from server.domain.bucket import Bucket, take
from server.services.throttle import site_of

_MINUTE: Final = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class SocketLimits:
    """The limits of websockets.

    `tokens`: unfinished tasks that one may follow. `per_address`: sockets of one address, 0 for any number.
    `register_seconds`: one that names no task by then is closed; the contract grants 60 at least.
    `messages_per_second`: what is read of one in the long run; the rest waits. `send_seconds`: one whose oldest frame
    has waited so long, because the client does not read, is closed.
    """

    tokens: int = 200
    per_address: int = 2000
    register_seconds: float = 120.0
    messages_per_second: float = 10.0
    send_seconds: float = 10.0


class OpenSockets:
    """How many sockets each address has open in this process. For the event loop's thread."""

    def __init__(self, most: int, changed: Callable[[int], None] = lambda _more: None) -> None:
        self._most = most
        self._changed = changed
        self._open: Counter[str] = Counter()

    @contextmanager
    def entered(self, address: str) -> Generator[bool]:
        """Count one more for the time of the block; yields False, and counts nothing, where there are too many."""
        site = site_of(address)
        if self._most and self._open[site] >= self._most:
            yield False
            return
        self._open[site] += 1
        self._changed(1)
        try:
            yield True
        finally:
            self._changed(-1)
            self._open[site] -= 1
            if not self._open[site]:
                del self._open[site]

    def __len__(self) -> int:
        """Return how many addresses are counted."""
        return len(self._open)


class Patience:
    """How long the next message of one socket must wait. A burst of a minute's messages, or two per task, goes by."""

    def __init__(self, limits: SocketLimits, now: Callable[[], float]) -> None:
        self._per_minute = limits.messages_per_second * _MINUTE
        # Whoever may follow many tasks names them all at once.
        self._ahead = max(0.0, 2 * limits.tokens - self._per_minute)
        self._now = now
        self._bucket: Bucket | None = None

    def wait(self) -> float:
        """Return 0 and count a message, or return the seconds after which to ask again."""
        if self._ahead >= 1:
            self._ahead -= 1
            return 0.0
        self._bucket, wait = take(self._bucket, self._now(), self._per_minute)
        return wait
