"""The line before the threads for calls."""

import threading

import anyio
import pytest

from server.api.lane import Lane
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
        lane, found = Lane(2), list[str]()

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
        lane = Lane(1, patience=0.05)
        async with anyio.create_task_group() as group:
            group.start_soon(lane.run, busy)
            await anyio.to_thread.run_sync(busy.begun.acquire)
            with pytest.raises(Unavailable):
                await lane.run(lambda: None)
            busy.go_on.set()
        assert await lane.run(lambda: "free again") == "free again"

    anyio.run(call)


def test_what_goes_wrong_frees_its_thread():
    async def call() -> None:
        lane = Lane(1, patience=0.05)
        for _ in range(3):
            with pytest.raises(ZeroDivisionError):
                await lane.run(lambda: 1 / 0)

    anyio.run(call)
