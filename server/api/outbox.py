"""What waits to be sent to one websocket: bounded, with states in order and progress only at its latest."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from server.domain.types import TaskId

ROOM_FRAMES: Final = 256
ROOM_BYTES: Final = 1024 * 1024
_NO_TASK: Final = TaskId(0)


@dataclass(slots=True, eq=False)
class _Waiting:
    frame: str
    since: float


class Outbox:
    """The frames that wait for one socket. For the event loop's thread.

    Nothing is dropped, and nothing is refused: whoever fills it asks for `room` first, and comes back when there is.
    Because a follower's cursor moves only with what is put here, what has no room now is told later.
    """

    def __init__(self, monotonic: Callable[[], float], on_room: Callable[[], None] = lambda: None) -> None:
        self._monotonic = monotonic
        self._on_room = on_room
        self._waiting: deque[_Waiting] = deque()
        self._bytes = 0
        self._progress: dict[TaskId, _Waiting] = {}
        self._previews: dict[TaskId, _Waiting] = {}
        self._snapshot: dict[TaskId, _Waiting] = {}
        self._sending: _Waiting | None = None
        # Not an asyncio.Event: of a frame told to a thousand sockets, waiting on those was a good part.
        self._filled: asyncio.Future[None] | None = None

    @property
    def room(self) -> bool:
        """Whether one more may be put."""
        return len(self._waiting) < ROOM_FRAMES and self._bytes < ROOM_BYTES

    @property
    def waited(self) -> float:
        """Seconds for which the oldest frame has been waiting, the one that is being sent included."""
        oldest = self._sending or (self._waiting[0] if self._waiting else None)
        return 0.0 if oldest is None else self._monotonic() - oldest.since

    def put(self, frame: str, task_id: TaskId | None = None) -> None:
        """Add a frame. Progress of its task that comes later is not put in front of it."""
        if task_id is not None:
            self._progress.pop(task_id, None)
        self._add(_Waiting(frame, self._monotonic()))

    def put_progress(self, frame: str, task_id: TaskId) -> None:
        """Add progress, in the place of progress that still waits."""
        self._put_latest(self._progress, frame, task_id)

    def put_preview(self, frame: str, task_id: TaskId) -> None:
        """Add a preview, in the place of the task's preview that still waits."""
        self._put_latest(self._previews, frame, task_id)

    def put_snapshot(self, frame: str) -> None:
        """Add a snapshot of a project, in the place of one that still waits."""
        self._put_latest(self._snapshot, frame, _NO_TASK)

    def drop_preview(self, task_id: TaskId) -> None:
        """Take back the task's preview that still waits, if any."""
        waiting = self._previews.pop(task_id, None)
        if waiting is not None:
            self._waiting.remove(waiting)
            self._bytes -= len(waiting.frame)

    async def get(self) -> str:
        """Wait for the next frame. It counts as being sent until the next call."""
        self._sending = None
        while not self._waiting:
            self._filled = asyncio.get_running_loop().create_future()
            await self._filled
        crowded = not self.room
        self._sending = waiting = self._waiting.popleft()
        self._bytes -= len(waiting.frame)
        for latest in (self._progress, self._previews, self._snapshot):
            if latest:
                self._begin_to_send(waiting, latest)
        if crowded and self.room:
            self._on_room()
        return waiting.frame

    @staticmethod
    def _begin_to_send(waiting: _Waiting, latest: dict[TaskId, _Waiting]) -> None:
        for task_id in [task_id for task_id, one in latest.items() if one is waiting]:
            del latest[task_id]

    def clear(self) -> None:
        """Forget what waits."""
        self._waiting.clear()
        self._progress.clear()
        self._previews.clear()
        self._snapshot.clear()
        self._bytes = 0

    def _put_latest(self, latest: dict[TaskId, _Waiting], frame: str, task_id: TaskId) -> None:
        waiting = latest.get(task_id)
        if waiting is not None:
            self._bytes += len(frame) - len(waiting.frame)
            waiting.frame = frame
            return
        latest[task_id] = waiting = _Waiting(frame, self._monotonic())
        self._add(waiting)

    def _add(self, waiting: _Waiting) -> None:
        self._waiting.append(waiting)
        self._bytes += len(waiting.frame)
        if self._filled is not None and not self._filled.done():
            self._filled.set_result(None)
