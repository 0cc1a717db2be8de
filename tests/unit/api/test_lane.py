"""The line before the threads for calls."""

import asyncio
import threading

import anyio
import pytest

from server.api.lane import SLOW, Lane, Width
from server.domain.errors import Unavailable


class Busy:
    """Holds the thread it is called on until it is let go."""

    def __init__(self) -> None:
        self.begun = threading.Semaphore(0)
        self.go_on = threading.Event()
        self.most = self.now = 0
        self._lock = threading.Lock()

    def __call__(self) -> str:
        with self._lock:
            self.now += 1
            self.most = max(self.most, self.now)
        self.begun.release()
        self.go_on.wait(10)
        with self._lock:
            self.now -= 1
        return "done"


def test_no_more_are_at_work_than_it_has_threads_and_all_have_their_turn():
    busy = Busy()

    async def call() -> list[str]:
        lane, found = Lane(Width(quick=2, most=2)), list[str]()

        async def one() -> None:
            found.append(await lane.run(busy))

        async with anyio.create_task_group() as group:
            for _ in range(7):
                group.start_soon(one)
            await anyio.to_thread.run_sync(busy.begun.acquire)
            await anyio.to_thread.run_sync(busy.begun.acquire)
            busy.go_on.set()
        return found

    assert anyio.run(call) == ["done"] * 7
    assert busy.most == 2


def test_who_waits_for_too_long_is_told_to_come_again():
    busy = Busy()

    async def call() -> None:
        lane = Lane(Width(quick=1, most=1), patience=0.05)
        async with anyio.create_task_group() as group:
            group.start_soon(lane.run, busy)
            await anyio.to_thread.run_sync(busy.begun.acquire)
            with pytest.raises(Unavailable, match="More calls come"):
                await lane.run(lambda: None)
            busy.go_on.set()
        assert await lane.run(lambda: "free again") == "free again"

    anyio.run(call)


def test_what_goes_wrong_frees_its_thread():
    async def call() -> None:
        lane = Lane(Width(quick=1, most=1), patience=0.05)
        for _ in range(3):
            with pytest.raises(ZeroDivisionError):
                await lane.run(lambda: 1 / 0)

    anyio.run(call)


def test_a_call_that_is_slow_lets_the_next_one_begin_up_to_the_most():
    slow, quick = Busy(), Busy()
    quick.go_on.set()

    async def call() -> None:
        lane = Lane(Width(quick=1, most=3))
        async with anyio.create_task_group() as group:
            group.start_soon(lane.run, slow)
            group.start_soon(lane.run, slow)
            with anyio.fail_after(5):
                assert await lane.run(quick) == "done"
            group.start_soon(lane.run, slow)
            for _ in range(3):
                await anyio.to_thread.run_sync(slow.begun.acquire)
            with pytest.raises(TimeoutError), anyio.fail_after(10 * SLOW):
                await lane.run(quick)
            slow.go_on.set()
        assert await lane.run(quick) == "done"

    anyio.run(call)
    assert slow.most == 3


def test_quick_calls_are_worked_on_one_after_the_other():
    quick = Busy()
    quick.go_on.set()

    async def call() -> None:
        lane = Lane(Width(quick=1, most=4), slow=30)
        async with anyio.create_task_group() as group:
            for _ in range(50):
                group.start_soon(lane.run, quick)

    anyio.run(call)
    assert quick.most == 1


def test_who_leaves_the_line_takes_no_turn_with_them():
    busy = Busy()

    async def call() -> None:
        lane = Lane(Width(quick=1, most=1))
        at_work = asyncio.create_task(lane.run(busy))
        await anyio.to_thread.run_sync(busy.begun.acquire)
        leaving = [asyncio.create_task(lane.run(lambda: "never")) for _ in range(3)]
        await asyncio.sleep(0)
        leaving[0].cancel()
        busy.go_on.set()
        await at_work
        for one in leaving[1:]:
            one.cancel()
        await asyncio.gather(*leaving, return_exceptions=True)
        with anyio.fail_after(5):
            assert await lane.run(lambda: "free") == "free"

    anyio.run(call)
