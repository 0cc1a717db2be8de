"""What waits for one websocket: in order, bounded, progress at its latest."""

import asyncio

from server.api.outbox import ROOM_BYTES, ROOM_FRAMES, Outbox
from server.domain.types import TaskId

ONE, OTHER = TaskId(1), TaskId(2)


async def drained(outbox: Outbox) -> list[str]:
    frames: list[str] = []
    while True:
        try:
            frames.append(await asyncio.wait_for(outbox.get(), 0.01))
        except TimeoutError:
            return frames


def test_progress_is_told_at_its_latest_and_states_are_all_told():
    async def work():
        outbox = Outbox(lambda: 0.0)
        outbox.put("start 1", ONE)
        for step in range(100):
            outbox.put_progress(f"1 at {step}", ONE)
            outbox.put_progress(f"2 at {step}", OTHER)
        outbox.put("end 1", ONE)
        return await drained(outbox)

    assert asyncio.run(work()) == ["start 1", "1 at 99", "2 at 99", "end 1"]


def test_progress_never_comes_before_a_state_that_was_there_first():
    async def work():
        outbox = Outbox(lambda: 0.0)
        outbox.put_progress("first attempt", ONE)
        outbox.put("queue", ONE)
        outbox.put("start", ONE)
        outbox.put_progress("second attempt", ONE)
        outbox.put_progress("second attempt, further", ONE)
        return await drained(outbox)

    assert asyncio.run(work()) == ["first attempt", "queue", "start", "second attempt, further"]


def test_progress_that_was_sent_is_not_changed_any_more():
    async def work():
        outbox = Outbox(lambda: 0.0)
        outbox.put_progress("1 of 2", ONE)
        sent = await outbox.get()
        outbox.put_progress("2 of 2", ONE)
        return [sent, await outbox.get()]

    assert asyncio.run(work()) == ["1 of 2", "2 of 2"]


def test_room_is_counted_in_frames_and_in_bytes_and_told_of():
    async def work():
        rooms: list[bool] = []
        outbox = Outbox(lambda: 0.0, lambda: rooms.append(True))
        for number in range(ROOM_FRAMES):
            assert outbox.room
            outbox.put(str(number))
        assert not outbox.room
        await outbox.get()
        assert outbox.room
        assert rooms == [True]
        await drained(outbox)
        outbox.put("x" * ROOM_BYTES)
        assert not outbox.room
        await outbox.get()
        assert outbox.room
        outbox.put("y" * ROOM_BYTES)
        outbox.clear()
        return outbox.room, outbox.waited, rooms

    assert asyncio.run(work()) == (True, 0.0, [True, True])


def test_a_frame_waits_from_when_it_came_until_it_was_sent():
    async def work():
        now = [0.0]
        outbox = Outbox(lambda: now[0])
        waits = [outbox.waited]
        outbox.put("first")
        now[0] = 3.0
        outbox.put("second")
        waits.append(outbox.waited)
        await outbox.get()
        now[0] = 4.0
        waits.append(outbox.waited)  # it is still being sent
        await outbox.get()
        waits.append(outbox.waited)
        return waits

    assert asyncio.run(work()) == [0.0, 3.0, 4.0, 1.0]
