"""Many websockets of which a tenth never read: the others hear everything, and nobody's memory is the price."""

import asyncio
import json
import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from server.adapters.memory import MemoryStores
from server.api.outbox import ROOM_BYTES, ROOM_FRAMES, Outbox
from server.api.sockets import SocketLimits
from server.domain.events import EventType, NewEvent
from server.domain.lifecycle import TaskStatus
from server.domain.task import Lease, Task
from server.domain.writes import Append, Move
from server.entrypoints.serve import ApiThread
from server.settings import Settings
from tests.serving import memory_wiring
from tests.stores import MODEL, SUCCESS, WORKER, new_project, new_task

LINES, LINE = 1500, "x" * 3000
PATIENCE = 2.0


class Porch:
    """An API over stores in memory, and the two tasks that are followed."""

    def __init__(self, folder: Path) -> None:
        limits = SocketLimits(send_seconds=PATIENCE, per_address=0)
        self.wiring = replace(memory_wiring(folder), sockets=limits)
        assert isinstance(self.wiring.tasks, MemoryStores)
        self.stores = self.wiring.tasks
        self.api = ApiThread(self.wiring, Settings(port=0))
        project = self.stores.create(new_project("one"))
        self.loud, self.quiet = self._claimed(project.id), self._claimed(project.id)

    def _claimed(self, project_id) -> tuple[Task, Lease]:
        self.stores.submit(new_task(project_id))
        claimed = self.stores.claim(WORKER, [MODEL], 600)
        assert claimed is not None
        return claimed.task, claimed.lease

    def write_loudly(self) -> None:
        for first in range(0, LINES, 50):
            events = [NewEvent(EventType.ERROR, f"{first + number} {LINE}") for number in range(50)]
            self.stores.write(self.loud[1], [Append(events)])

    def finish(self, lease: Lease) -> None:
        for status in (TaskStatus.END, TaskStatus.POSTPROCESS_START, TaskStatus.POSTPROCESS_END):
            self.stores.write(lease, [Move(status, ending=SUCCESS if status is TaskStatus.END else None)])

    @property
    def outboxes(self) -> list[Outbox]:
        groups = self.api._server.config.app.state.hub._followers.values()
        return list({follower.outbox for group in list(groups) for follower in list(group)})

    def connect(self, *, narrow: bool = False):
        own = socket.socket()
        if narrow:
            own.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        own.connect(("127.0.0.1", self.api.port))
        options = {"max_queue": 1} if narrow else {"max_queue": None}
        return connect(f"ws://127.0.0.1:{self.api.port}/v1", sock=own, proxy=None, ping_interval=None, **options)


@pytest.fixture
def porch(tmp_path: Path) -> Iterator[Porch]:
    opened = Porch(tmp_path)
    opened.api.start()
    try:
        yield opened
    finally:
        opened.api.stop()


def registration(task: Task, **more) -> str:
    return json.dumps({"type": "task_info", "tasktoken": task.token, **more})


async def heard(connection, task: Task) -> list[int]:
    """The numbers of a task's events up to its end."""
    seqs: list[int] = []
    while True:
        frame = json.loads(await connection.recv())
        if frame["id"] == str(task.id):
            seqs.append(frame["seq"])
            if frame["terminal"]:
                return seqs


async def until_closed(connection) -> tuple[int | None, list[int]]:
    """Read what there is; the code it was closed with, and the numbers of the loud task's events."""
    seqs: list[int] = []
    try:
        while True:
            frame = json.loads(await connection.recv())
            if "seq" in frame:
                seqs.append(frame["seq"])
    except ConnectionClosed as closed:
        return (closed.rcvd.code if closed.rcvd else None), seqs


async def watch_memory(porch: Porch, seen: list[int]) -> None:
    while True:
        for outbox in porch.outboxes:
            assert len(outbox._waiting) <= ROOM_FRAMES + 1
            seen.append(outbox._bytes)
        await asyncio.sleep(0.02)


async def crowd(porch: Porch, members: int) -> None:
    stuck_count = members // 10
    loud, quiet = porch.loud[0], porch.quiet[0]
    healthy = [await porch.connect() for _ in range(members - stuck_count)]
    stuck = [await porch.connect(narrow=True) for _ in range(stuck_count)]
    for connection in [*healthy, *stuck]:
        await connection.send(registration(quiet))
    for connection in [healthy[0], *stuck]:
        await connection.send(registration(loud))
    bytes_seen: list[int] = []
    watcher = asyncio.create_task(watch_memory(porch, bytes_seen))
    everything = asyncio.create_task(heard(healthy[0], loud))
    stories = [asyncio.create_task(heard(one, quiet)) for one in healthy[1:]]
    await asyncio.to_thread(porch.write_loudly)
    await asyncio.to_thread(porch.finish, porch.loud[1])
    await asyncio.to_thread(porch.finish, porch.quiet[1])

    last = porch.stores.story(quiet.id).task.last_seq
    assert await asyncio.gather(*stories) == [list(range(1, last + 1))] * len(stories)
    assert await everything == list(range(1, LINES + 6))

    deadline = time.monotonic() + 60
    while porch.outboxes:  # those that don't read are let go of
        assert time.monotonic() < deadline
        await asyncio.sleep(0.1)
    watcher.cancel()
    assert max(bytes_seen) <= ROOM_BYTES + 5000

    code, seqs = await until_closed(stuck[0])
    assert code == 1013
    told = [seq for seq in seqs if seq > last]  # the quiet task's numbers are few, and may come between
    async with porch.connect() as again:
        await again.send(registration(loud, seq=told[-1]))
        assert await heard(again, loud) == list(range(told[-1] + 1, LINES + 6))
    for connection in [*healthy, *stuck]:
        connection.transport.abort()


@pytest.mark.timeout(170)
def test_a_tenth_of_two_hundred_never_reads(porch: Porch):
    asyncio.run(crowd(porch, 200))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_tenth_of_a_thousand_never_reads(porch: Porch):
    asyncio.run(crowd(porch, 1000))


# ── resuming ─────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("seq", [0, 2, "2", 4, 5, 99, -1, True, None, 1.5, "x", "²", [], 10**30])
def test_a_registration_with_a_seq_tells_what_came_after(porch: Porch, seq):
    task, lease = porch.quiet
    porch.finish(lease)
    after = int(seq) if str(seq) in {"0", "2", "4", "5", "99"} else 0

    async def work() -> list[int]:
        async with porch.connect() as connection:
            await connection.send(registration(task, seq=seq))
            await connection.send(registration(porch.loud[0]))  # is told last
            seqs: list[int] = []
            while True:
                frame = json.loads(await asyncio.wait_for(connection.recv(), 20))
                if frame["id"] == str(porch.loud[0].id):
                    return seqs
                if frame["id"] == str(task.id):
                    seqs.append(frame["seq"])

    told = asyncio.run(work())
    assert told == [number for number in range(1, 6) if number > after]
