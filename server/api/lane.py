"""Threads for calls: few of them, for what is waited for by many is not done sooner by more.

Python's threads take one lock from each other, and threads that wait for it in a crowd cost the process more than the
call itself (docs/performance.md has the figures).
"""

from collections.abc import Callable
from typing import Final, TypeVar

import anyio
import anyio.to_thread

from server.domain.errors import Unavailable

_T = TypeVar("_T")

PATIENCE: Final = 20.0
"""Seconds that a call waits for a thread; longer than one that finds the database away holds it."""


class Lane:
    """So many threads, and a line before them in the order of arrival."""

    def __init__(self, threads: int, patience: float = PATIENCE) -> None:
        self._threads = anyio.CapacityLimiter(threads)
        self._free = anyio.Semaphore(threads)
        self._patience = patience

    async def run(self, work: Callable[[], _T]) -> _T:
        """Return what `work` returns, on a thread. Raises Unavailable when none was free for long."""
        await self._acquire()
        try:
            return await anyio.to_thread.run_sync(work, limiter=self._threads)
        finally:
            self._free.release()

    async def _acquire(self) -> None:
        try:
            self._free.acquire_nowait()
        except anyio.WouldBlock:
            with anyio.move_on_after(self._patience):
                await self._free.acquire()
                return
            raise Unavailable(detail="More calls come than can be answered.") from None
