"""Previews for sockets that ask: one gallery per API process looks at the board and hands out what is new.

A socket that asks for none costs nothing here, and makes no engine draw one.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

import anyio
import anyio.to_thread

from server.api.frames import preview_frame
from server.api.hub import Follower
from server.domain.errors import Unavailable
from server.domain.types import TaskId
from server.ports.previews import PreviewBoard

_log = logging.getLogger(__name__)

LOOK_SECONDS: Final = 0.25
_ASK_SECONDS: Final = 4.0
"""How often it is said that somebody watches, and thrice of it how long that holds: a process may die."""
_AWAY_SECONDS: Final = 1.0


@dataclass(slots=True, eq=False)
class Viewer:
    """A follower that wants to see its task drawn: under which token, and which preview it has."""

    follower: Follower
    token: str
    seen: int = 0


class Gallery:
    """For the event loop's thread; the board is read and written off it."""

    def __init__(self, board: PreviewBoard, now: Callable[[], float]) -> None:
        self._board = board
        self._now = now
        self._viewers: set[Viewer] = set()
        self._entered = asyncio.Event()
        self._ask_at = 0.0
        # As the hub's: a database that is away holds this thread alone.
        self._threads = anyio.CapacityLimiter(1)

    def enter(self, viewer: Viewer) -> None:
        """Show this viewer its task from now on, up to the task's end."""
        self._viewers.add(viewer)
        self._ask_at = 0.0
        self._entered.set()

    def leave(self, viewers: Iterable[Viewer]) -> None:
        """Show these viewers nothing more."""
        self._viewers.difference_update(viewers)

    async def run(self) -> None:
        """Look a few times a second while there is anybody to look for."""
        while True:
            if not self._viewers:
                self._entered.clear()
                await self._entered.wait()
            try:
                await self._look()
            except Unavailable as away:
                _log.warning("previews wait: %s", away)
                self._ask_at = 0.0  # what was to be said may not have been
                await asyncio.sleep(_AWAY_SECONDS)
            except Exception:  # noqa: BLE001 one look that fails must not blind every socket
                _log.exception("a look at the previews failed; trying again")
                await asyncio.sleep(_AWAY_SECONDS)
            await asyncio.sleep(LOOK_SECONDS)

    async def _look(self) -> None:
        self.leave([viewer for viewer in self._viewers if viewer.follower.done])
        seen: dict[TaskId, int] = {}
        for viewer in self._viewers:
            task_id = viewer.follower.task_id
            seen[task_id] = min(viewer.seen, seen.get(task_id, viewer.seen))
        if not seen:
            return
        if self._now() >= self._ask_at:
            self._ask_at = self._now() + _ASK_SECONDS
            await anyio.to_thread.run_sync(self._board.ask, list(seen), 3 * _ASK_SECONDS, limiter=self._threads)
        for preview in await anyio.to_thread.run_sync(self._board.latest, seen, limiter=self._threads):
            for viewer in self._viewers:
                follower = viewer.follower
                # It may have been told the end while the board was read: nothing follows that.
                if follower.task_id != preview.task_id or viewer.seen >= preview.version or follower.done:
                    continue
                if follower.outbox.room:
                    viewer.seen = preview.version
                    follower.outbox.put_preview(preview_frame(viewer.token, preview), preview.task_id)
