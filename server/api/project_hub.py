"""The project hub: one per API process. It tells whole projects' stories, and once a second how things stand."""

import asyncio
import contextlib
import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Final

import anyio
import anyio.to_thread

from server.api.project_follower import ProjectFollower
from server.api.project_frames import snapshot_frame
from server.api.project_views import ProjectViews
from server.api.wiring import Wiring
from server.domain.errors import NotAuthorized, Unavailable
from server.domain.overview import News
from server.domain.types import ProjectId, TaskId
from server.services.scope import Scope

_log = logging.getLogger(__name__)

_AWAY_SECONDS: Final = 1.0
_LOOK_SECONDS: Final = 0.5
_PACE_SECONDS: Final = 0.2
"""At least so long lies between two looks, however often somebody wakes the hub."""
_HURRY_SECONDS: Final = 0.02
"""The same while somebody has more to hear than his outbox held."""
_SNAPSHOT_SECONDS: Final = 1.0
_BATCH: Final = 200
"""Tasks whose news are read at once."""


class ProjectHub:
    """Owns no database session; sleeps while nobody follows."""

    def __init__(self, wiring: Wiring) -> None:
        self._log = wiring.project_log
        self._events = wiring.log
        self._projects = wiring.projects
        self._monotonic = wiring.clock.monotonic
        self.views = ProjectViews(wiring)
        self._followers: set[ProjectFollower] = set()
        self._look_now = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        # A thread of its own: calls that wait for a database that is away hold all the others.
        self._threads = anyio.CapacityLimiter(1)
        self._shown_at = float("-inf")

    def wake(self) -> None:
        """Look soon. Safe from any thread."""
        with contextlib.suppress(RuntimeError):  # the loop has closed: nobody is left to tell
            self._loop.call_soon_threadsafe(self._look_now.set)

    def follow(self, follower: ProjectFollower) -> None:
        """Tell this follower everything from now on."""
        self._followers.add(follower)
        self._look_now.set()

    def unfollow(self, follower: ProjectFollower | None) -> None:
        """Forget it."""
        if follower is not None:
            self._followers.discard(follower)

    async def run(self) -> None:
        """Look whenever woken, at a measured pace, and every half second while anybody follows."""
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._look_now.wait(), _LOOK_SECONDS if self._followers else None)
            self._look_now.clear()
            try:
                await self._look()
            except Unavailable as away:
                _log.warning("project streams wait: %s", away)
                await asyncio.sleep(_AWAY_SECONDS)
            except Exception:  # noqa: BLE001 a look that fails must not silence every stream of this process
                _log.exception("a look at the projects failed; trying again")
                await asyncio.sleep(_AWAY_SECONDS)
            lagging = any(not one.caught_up for one in self._followers)
            await asyncio.sleep(_HURRY_SECONDS if lagging else _PACE_SECONDS)

    async def _look(self) -> None:
        for scope, followers in _by_scope(self._followers).items():
            try:
                names = await anyio.to_thread.run_sync(scope.names, self._projects, limiter=self._threads)
            except NotAuthorized:
                self._turn_out(followers)
                continue
            # Who has caught up shares a look; who has not has a time of his own to look from.
            together = [one for one in followers if one.caught_up]
            for group in [together, *([one] for one in followers if not one.caught_up)]:
                if group and any(one.outbox.room for one in group):
                    await self._look_for(group, names)
        now = self._monotonic()
        if self._followers and now - self._shown_at >= _SNAPSHOT_SECONDS:
            self._shown_at = now
            await self._show()

    async def _look_for(self, group: Sequence[ProjectFollower], names: Mapping[ProjectId, str]) -> None:
        since = min(one.looks_from for one in group)
        heads = await anyio.to_thread.run_sync(self._log.stirred, list(names), since, limiter=self._threads)
        lost = set[TaskId]().union(*(one.dropped_out(heads) for one in group))
        seqs = {**heads.seqs, **await self._seqs(lost)}
        behind = {one: one.behind(seqs) for one in group}
        wanted = _least(behind.values())
        complete = dict.fromkeys(group, True)
        waiting = iter(sorted(wanted))
        while batch := list(islice(waiting, _BATCH)):
            news = await self._news({task_id: wanted[task_id] for task_id in batch})
            for follower in group:
                complete[follower] = complete[follower] and follower.tell(news, names)
        for follower, told in complete.items():
            follower.caught_up = told
            if told:
                follower.looked(heads)

    async def _seqs(self, task_ids: Iterable[TaskId]) -> Mapping[TaskId, int]:
        heads = await anyio.to_thread.run_sync(self._events.heads, list(task_ids), limiter=self._threads)
        return {task_id: head.last_seq for task_id, head in heads.items()}

    async def _news(self, cursors: Mapping[TaskId, int]) -> Sequence[News]:
        return await anyio.to_thread.run_sync(self._log.news, cursors, limiter=self._threads)

    async def _show(self) -> None:
        for scope, followers in _by_scope(self._followers).items():
            try:
                snapshot = await anyio.to_thread.run_sync(self.views.snapshot, scope, limiter=self._threads)
            except NotAuthorized:
                self._turn_out(followers)
                continue
            for follower in followers:
                if follower.outbox.room:
                    follower.outbox.put_snapshot(snapshot_frame(snapshot, follower.told_until))

    def _turn_out(self, followers: Iterable[ProjectFollower]) -> None:
        for follower in followers:
            self.unfollow(follower)
            follower.turn_out()


def _by_scope(followers: Iterable[ProjectFollower]) -> Mapping[Scope, Sequence[ProjectFollower]]:
    scopes: dict[Scope, list[ProjectFollower]] = defaultdict(list)
    for follower in followers:
        scopes[follower.scope].append(follower)
    return scopes


def _least(cursors: Iterable[Mapping[TaskId, int]]) -> Mapping[TaskId, int]:
    """Return the lowest cursor of each task."""
    least: dict[TaskId, int] = {}
    for own in cursors:
        for task_id, cursor in own.items():
            least[task_id] = min(cursor, least.get(task_id, cursor))
    return least
