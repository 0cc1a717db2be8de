"""The gallery and the outbox: previews reach who asked, slow sockets get the latest, an end is the end."""

import asyncio
import json
from collections.abc import Callable

from server.adapters.clock import SystemClock
from server.adapters.memory import MemoryStores
from server.api.hub import Follower
from server.api.outbox import ROOM_BYTES, ROOM_FRAMES, Outbox
from server.api.previews import Gallery, Viewer
from server.domain.errors import Unavailable
from server.domain.lifecycle import TaskStatus
from server.domain.preview import NewPreview
from server.domain.task import Lease
from server.domain.types import TaskId
from tests.stores import Stores, over


def drawn(stores: Stores) -> Lease:
    lease = stores.claimed().lease
    stores.drive(lease, TaskStatus.START)
    return lease


def box() -> Outbox:
    return Outbox(SystemClock().monotonic)


async def until(what: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not what():  # noqa: ASYNC110 the stores of other processes send no event either
            await asyncio.sleep(0.01)


def preview(step: int) -> NewPreview:
    return NewPreview(sample=0, step=step, total_steps=9, width=8, height=8, jpeg=b"jpeg")


def test_a_slow_socket_has_one_preview_of_each_task_waiting_and_it_is_the_latest():
    async def received() -> list[str]:
        outbox = box()
        outbox.put("a")
        for number in range(2 * ROOM_FRAMES):
            outbox.put_preview(f"one {number}", TaskId(1))
            outbox.put_preview(f"two {number}", TaskId(2))
        outbox.put("b")
        assert outbox.room
        outbox.drop_preview(TaskId(2))
        outbox.drop_preview(TaskId(3))
        return [await outbox.get() for _ in range(3)]

    assert asyncio.run(received()) == ["a", f"one {2 * ROOM_FRAMES - 1}", "b"]


def test_a_full_outbox_takes_no_preview():
    stores = over(MemoryStores())
    lease = drawn(stores)

    async def told() -> str:
        gallery = Gallery(stores.previews, SystemClock().monotonic)
        looking = asyncio.create_task(gallery.run())
        full, free = box(), box()
        full.put("x" * ROOM_BYTES)
        for outbox in (full, free):
            gallery.enter(Viewer(Follower(lease.task_id, outbox), "token"))
        await until(lambda: stores.previews.asked([lease]))
        stores.previews.show(lease, preview(3))
        await asyncio.wait_for(free.get(), 5)
        assert (await full.get())[0] == "x"
        frame = await asyncio.wait_for(full.get(), 5)
        looking.cancel()
        return frame

    assert json.loads(asyncio.run(told()))["message"]["stepCurrent"] == "3", "it comes when there is room"


def test_viewers_are_shown_what_is_new_and_nothing_after_the_end():
    stores = over(MemoryStores())
    lease, other = drawn(stores), drawn(stores)

    async def told() -> None:
        gallery = Gallery(stores.previews, SystemClock().monotonic)
        looking = asyncio.create_task(gallery.run())
        outbox, late = box(), box()
        viewer = Viewer(Follower(lease.task_id, outbox), "token")
        gallery.enter(viewer)
        await until(lambda: stores.previews.asked([lease]))
        assert stores.previews.asked([other]) == frozenset()
        stores.previews.show(lease, preview(3))
        frame = json.loads(await asyncio.wait_for(outbox.get(), 5))
        assert (frame["type"], frame["tasktoken"], frame["id"]) == ("task_preview", "token", str(lease.task_id))
        assert frame["message"]["stepCurrent"] == "3"

        gallery.enter(Viewer(Follower(lease.task_id, late), "late"))
        assert json.loads(await asyncio.wait_for(late.get(), 5))["message"]["stepCurrent"] == "3"
        viewer.follower.done = True
        stores.previews.show(lease, preview(4))
        assert json.loads(await asyncio.wait_for(late.get(), 5))["message"]["stepCurrent"] == "4"
        assert not outbox._waiting
        looking.cancel()

    asyncio.run(told())


def test_a_board_that_is_away_is_asked_again():
    stores = MemoryStores()
    lease = drawn(over(stores))

    class Away:
        times = 0

        def ask(self, task_ids, seconds):
            self.times += 1
            if self.times == 1:
                raise Unavailable
            stores.previews.ask(task_ids, seconds)

        def latest(self, seen):
            return stores.previews.latest(seen)

    async def told() -> None:
        gallery = Gallery(Away(), lambda: 1.0)
        looking = asyncio.create_task(gallery.run())
        outbox = box()
        gallery.enter(Viewer(Follower(lease.task_id, outbox), "token"))
        await until(lambda: stores.previews.asked([lease]))
        stores.previews.show(lease, preview(1))
        assert await asyncio.wait_for(outbox.get(), 5)
        looking.cancel()

    asyncio.run(told())
