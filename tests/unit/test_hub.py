"""The hub goes on whatever one task's log holds."""

import asyncio
import json
import time

from server.adapters.memory import MemoryStores
from server.api.hub import Follower, Hub
from server.api.outbox import Outbox
from server.domain.types import TaskId
from tests.stores import new_project, new_task


class Unreadable:
    """A log of which one task can't be read."""

    def __init__(self, stores: MemoryStores, task_id: TaskId) -> None:
        self._stores, self._task_id = stores, task_id
        self.heads = stores.heads

    def story(self, task_id: TaskId, after: int = 0):
        if task_id == self._task_id:
            raise ValueError("'task_of_the_future' is not a valid EventType")
        return self._stores.story(task_id, after)


def test_a_task_that_cannot_be_told_silences_no_other():
    stores = MemoryStores()
    project = stores.create(new_project("one"))
    broken, sound = (stores.submit(new_task(project.id)) for _ in range(2))

    async def told() -> str:
        hub = Hub(Unreadable(stores, broken.id), poll_seconds=0.01)
        looking = asyncio.create_task(hub.run())
        outbox = Outbox(time.monotonic)
        for task in (broken, sound):
            hub.follow(Follower(task.id, outbox))
        frame = await asyncio.wait_for(outbox.get(), 5)
        looking.cancel()
        return frame

    assert json.loads(asyncio.run(told()))["id"] == str(sound.id)


def test_who_comes_late_to_a_task_that_stands_still_hears_its_story():
    stores = MemoryStores()
    task = stores.submit(new_task(stores.create(new_project("one")).id))

    async def told() -> list[str]:
        hub = Hub(stores, poll_seconds=0.01)
        looking = asyncio.create_task(hub.run())
        frames: list[str] = []
        for _ in range(2):
            outbox = Outbox(time.monotonic)
            hub.follow(Follower(task.id, outbox))
            frames.append(await asyncio.wait_for(outbox.get(), 5))
            await asyncio.sleep(0.1)  # some looks find nothing new
        looking.cancel()
        return frames

    first, second = asyncio.run(told())
    assert json.loads(first)["id"] == json.loads(second)["id"] == str(task.id)
