"""The hub: one per API process. It asks how far all followed tasks have come and hands out the differences.

A follower is a socket's interest in one task, with a cursor into that task's log. Replay and tail are the same thing:
whatever the log has after the cursor is sent. So nothing is sent twice or missed, late commits included; and a socket
that reads slowly is told later, not less: while its outbox has no room, its cursors stay where they are.
"""

import asyncio
import contextlib
import logging
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import anyio
import anyio.to_thread

from server.api.frames import event_frame, progress_frame
from server.api.outbox import Outbox
from server.domain.errors import Unavailable
from server.domain.events import TERMINAL_EVENTS, TaskEvent
from server.domain.expectation import Expectation
from server.domain.lifecycle import TaskStatus
from server.domain.task import Head, Task
from server.domain.types import TaskId
from server.ports import EventLog, Story

_log = logging.getLogger(__name__)

_AWAY_SECONDS = 1.0


@dataclass(slots=True, eq=False)
class Follower:
    """A socket's interest in one task: which of its events it has, by `cursor`, and which progress."""

    task_id: TaskId
    outbox: Outbox
    cursor: int = 0
    progress_version: int = 0
    done: bool = False

    def behind(self, head: Head) -> bool:
        """Whether there is something this follower has not been told, and room to tell it."""
        return self.outbox.room and self.lacks(head)

    def lacks(self, head: Head) -> bool:
        """Whether there is something this follower has not been told."""
        return self.cursor < head.last_seq or self.progress_version < head.progress_version


class Hub:
    """Owns no database session; each look opens and closes its own, off the event loop."""

    def __init__(
        self, log: EventLog, poll_seconds: float, expect: Callable[[Task], Expectation] = lambda _: Expectation()
    ) -> None:
        self._log = log
        self._expect = expect
        self._poll_seconds = poll_seconds
        self._followers: dict[TaskId, set[Follower]] = defaultdict(set)
        # How far every follower of a task has been told: where it has not gone on, none of them is looked at.
        self._told: dict[TaskId, Head] = {}
        self._look_now = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        # A thread of its own: calls that wait for a database that is away hold all the others.
        self._threads = anyio.CapacityLimiter(1)

    def wake(self) -> None:
        """Look at once. Safe from any thread."""
        with contextlib.suppress(RuntimeError):  # the loop has closed: nobody is left to tell
            self._loop.call_soon_threadsafe(self._look_now.set)

    def follow(self, follower: Follower) -> None:
        """Tell this follower everything after its cursor, from now on."""
        self._followers[follower.task_id].add(follower)
        self._told.pop(follower.task_id, None)
        self._look_now.set()

    def unfollow(self, followers: Iterable[Follower]) -> None:
        """Forget these followers."""
        for follower in followers:
            group = self._followers.get(follower.task_id)
            if group is not None:
                group.discard(follower)
                if not group:
                    del self._followers[follower.task_id]
                    self._told.pop(follower.task_id, None)

    async def run(self) -> None:
        """Look whenever woken, and every poll interval while anything is followed."""
        while True:
            try:
                await self._look()
            except Unavailable as away:
                _log.warning("websockets wait: %s", away)
                await asyncio.sleep(_AWAY_SECONDS)
                continue
            except Exception:  # noqa: BLE001 see below
                # A look that fails must not silence every socket of this process.
                _log.exception("a look at the log failed; trying again")
                await asyncio.sleep(_AWAY_SECONDS)
                continue
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._look_now.wait(), self._poll_seconds if self._followers else None)
            self._look_now.clear()

    async def _look(self) -> None:
        if not self._followers:
            return
        heads = await anyio.to_thread.run_sync(self._log.heads, list(self._followers), limiter=self._threads)
        for task_id, head in heads.items():
            if self._told.get(task_id) == head:
                continue
            followers = self._followers.get(task_id, ())
            behind = [one for one in followers if one.behind(head)]
            if behind:
                await self._catch_up(task_id, behind)
            elif followers and not any(one.lacks(head) for one in followers):
                self._told[task_id] = head

    async def _catch_up(self, task_id: TaskId, behind: list[Follower]) -> None:
        after = min(one.cursor for one in behind)
        try:
            story = await anyio.to_thread.run_sync(self._log.story, task_id, after, limiter=self._threads)
            if story is not None:
                self._tell(story, behind, await self._expectation(story))
        except Unavailable:
            raise
        except Exception:  # noqa: BLE001 one task (with an event of a newer release, say) must not silence the others
            _log.exception("task %s can't be told; its sockets hear no more of it", task_id)
            self.unfollow(behind)

    async def _expectation(self, story: Story) -> Expectation:
        if story.task.status is not TaskStatus.QUEUE or not story.events:
            return Expectation()
        return await anyio.to_thread.run_sync(self._expect, story.task, limiter=self._threads)

    def _tell(self, story: Story, followers: list[Follower], expected: Expectation) -> None:
        frames = [(event, event_frame(story.task, event, expected)) for event in story.events]
        progress = story.progress
        running = story.task.status is TaskStatus.START and progress is not None
        shown = progress_frame(story.task, progress) if progress is not None and running else None
        last = story.events[-1] if story.events else None
        for follower in followers:
            self._tell_one(follower, frames)
            told = last is None or follower.cursor >= last.seq
            if told and progress is not None and progress.version > follower.progress_version:
                follower.progress_version = progress.version
                if shown is not None and progress.attempt == story.task.attempt:
                    follower.outbox.put_progress(shown, story.task.id)
            if told and last is not None and last.type in TERMINAL_EVENTS:
                self.unfollow([follower])
                follower.done = True
                follower.outbox.drop_preview(follower.task_id)

    def _tell_one(self, follower: Follower, frames: Iterable[tuple[TaskEvent, str]]) -> None:
        for event, frame in frames:
            if event.seq > follower.cursor:
                if not follower.outbox.room:
                    return  # it stays behind, and is told the rest when there is room
                follower.outbox.put(frame, follower.task_id)
                follower.cursor = event.seq
