"""What waits for one socket, and what the socket has been told."""

import asyncio
from dataclasses import dataclass
from typing import Final

from server.domain.task import Head
from server.domain.types import TaskId

MAX_OUTBOX: Final = 1000
"""Frames that may wait for a slow socket; a task's whole story is some twenty."""


class Outbox:
    """The frames that wait for one socket. `overflown` once it did not keep up.

    Of each task one preview waits at most: a later one takes its place, so previews make no socket overflow.
    """

    def __init__(self) -> None:
        self._frames: asyncio.Queue[str | TaskId] = asyncio.Queue(MAX_OUTBOX)
        self._previews: dict[TaskId, str] = {}
        self.overflown = asyncio.Event()

    def put(self, frame: str) -> None:
        """Add a frame."""
        self._put(frame)

    def put_preview(self, task_id: TaskId, frame: str) -> None:
        """Add a preview of a task; the one that still waits gives way to it."""
        if task_id not in self._previews:
            self._put(task_id)
        self._previews[task_id] = frame

    def drop_preview(self, task_id: TaskId) -> None:
        """Take back the preview that still waits, if any."""
        if task_id in self._previews:
            self._previews[task_id] = ""

    async def get(self) -> str:
        """Wait for the next frame."""
        while True:
            waiting = await self._frames.get()
            frame = waiting if isinstance(waiting, str) else self._previews.pop(waiting)
            if frame:
                return frame

    def _put(self, waiting: str | TaskId) -> None:
        try:
            self._frames.put_nowait(waiting)
        except asyncio.QueueFull:
            self.overflown.set()


@dataclass(slots=True, eq=False)
class Follower:
    """A socket's interest in one task: which of its events it has, by `cursor`, and which progress."""

    task_id: TaskId
    outbox: Outbox
    cursor: int = 0
    progress_version: int = 0
    done: bool = False

    def behind(self, head: Head) -> bool:
        """Whether there is something this follower has not been told."""
        return self.cursor < head.last_seq or self.progress_version < head.progress_version
