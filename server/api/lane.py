"""Threads for calls: few of them, for what is waited for by many is not done sooner by more.

Python's threads take one lock from each other, and threads that wait for it in a crowd cost the process more than the
call itself (docs/performance.md has the figures).
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

import anyio
import anyio.to_thread

from server.domain.errors import Unavailable

_T = TypeVar("_T")

PATIENCE: Final = 20.0
"""Seconds that a call waits for a thread; longer than one that finds the database away holds it."""

SLOW: Final = 0.005
"""Seconds after which a call waits for something else than the interpreter: for a disk, or for another process."""


@dataclass(frozen=True, slots=True)
class Width:
    """How many calls are worked on at once: `quick` ones beside each other, and `most` of them all."""

    quick: int
    most: int


class Lane:
    """So many threads, and a line before them in the order of arrival. A call that is slow lets the next one begin."""

    def __init__(self, width: Width, patience: float = PATIENCE, slow: float = SLOW) -> None:
        self._width = width
        self._slow_after = slow
        self._threads = anyio.CapacityLimiter(width.most)
        self._patience = patience
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._running = 0
        self._slow = 0

    async def run(self, work: Callable[[], _T]) -> _T:
        """Return what `work` returns, on a thread. Raises Unavailable when none was free for long."""
        await self._begin()
        turn = _Turn(self._slow_after, self._grew_slow)
        try:
            return await anyio.to_thread.run_sync(work, limiter=self._threads)
        finally:
            self._running -= 1
            self._slow -= turn.end()
            self._admit()

    async def _begin(self) -> None:
        mine = asyncio.get_running_loop().create_future()
        self._waiting.append(mine)
        self._admit()
        if mine.done():
            return
        try:
            async with asyncio.timeout(self._patience):
                await mine
        except BaseException as error:
            self._leave(mine)
            if isinstance(error, TimeoutError):
                raise Unavailable("More calls come than can be answered. Try again in a few seconds.") from None
            raise

    def _leave(self, mine: asyncio.Future[None]) -> None:
        if mine.cancelled():
            with contextlib.suppress(ValueError):
                self._waiting.remove(mine)
        else:  # its turn came in the moment in which it went
            self._running -= 1
            self._admit()

    def _grew_slow(self) -> None:
        self._slow += 1
        self._admit()

    def _admit(self) -> None:
        width = self._width
        while self._waiting and self._running < width.most and self._running - self._slow < width.quick:
            first = self._waiting.popleft()
            if not first.done():
                self._running += 1
                first.set_result(None)


class _Turn:
    """A call at work; tells when it turns out to be slow."""

    __slots__ = ("_grew_slow", "_slow", "_timer")

    def __init__(self, seconds: float, grew_slow: Callable[[], None]) -> None:
        self._grew_slow = grew_slow
        self._slow = False
        self._timer = asyncio.get_running_loop().call_later(seconds, self._note)

    def _note(self) -> None:
        self._slow = True
        self._grew_slow()

    def end(self) -> bool:
        """Whether it was slow."""
        self._timer.cancel()
        return self._slow
