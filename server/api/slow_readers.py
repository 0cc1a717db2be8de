"""Finds the websockets whose clients do not read: one look for all, for a timer each costs more than the sockets do."""

import asyncio
from collections.abc import Generator
from contextlib import contextmanager

from server.api.outbox import Outbox


class SlowReaders:
    """Watches outboxes; one whose oldest frame has waited for `seconds` is found a quarter of that later at most.

    For the event loop's thread.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._watched: dict[Outbox, asyncio.Future[None]] = {}

    @contextmanager
    def watched(self, outbox: Outbox) -> Generator[asyncio.Future[None]]:
        """Watch for the time of the block; the future is done when the client turns out not to read."""
        found = asyncio.get_running_loop().create_future()
        self._watched[outbox] = found
        try:
            yield found
        finally:
            del self._watched[outbox]

    async def run(self) -> None:
        """Look for ever."""
        while True:
            await asyncio.sleep(self._seconds / 4)
            for outbox, found in self._watched.items():
                if outbox.waited > self._seconds and not found.done():
                    found.set_result(None)
