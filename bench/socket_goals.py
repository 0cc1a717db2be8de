"""H4, H5 and H6: what it costs to tell an event to many sockets, how late it comes, and what idle sockets hold."""

import asyncio
import time
from pathlib import Path
from typing import Final

from bench.goals import Bound, Figure
from bench.http_goals import Scale
from bench.measuring import cpu_seconds, percentile, resident_kib
from bench.socket_load import Crowd
from bench.stage import Served, Stage, easel, reference
from server.adapters.sql.tasks import SqlTaskStore
from server.domain.events import EventType, NewEvent
from server.domain.task import Lease
from server.domain.types import TaskId, WorkerId
from server.domain.writes import Append

_US: Final = 1_000_000.0
_MS: Final = 1000.0
_WORKER: Final = WorkerId("bench")
_SLUG: Final = "hevok/studio-trigger"
_PAUSES: Final = (0.02, 0.09, 0.05, 0.11, 0.03, 0.07)
"""Seconds between events: uneven, or a server that polls would always be met at the same moment of its turn."""
_A_LONG_LEASE: Final = 3600.0
_FRAME_BYTES: Final = 260


class Teller:
    """A worker's part: it holds a task and writes events into its log, from this process."""

    def __init__(self, stage: Stage) -> None:
        self._store = SqlTaskStore(stage.site.database)
        self.token = stage.submit()
        claimed = self._store.claim(_WORKER, [_SLUG], _A_LONG_LEASE)
        assert claimed is not None
        self._lease: Lease = claimed.lease
        self.task_id: TaskId = claimed.task.id

    def tell(self) -> None:
        """Write one event."""
        self._store.write(self._lease, [Append([NewEvent(EventType.OUTPUT_FULL, {"raw": "a line of the log"})])])


async def told(crowd: Crowd, teller: Teller, size: int, events: int) -> list[float]:
    """Write events one by one, each when the last has come everywhere; return how late each of them came to each."""
    late: list[float] = []
    for number in range(events):
        expected = crowd.expect(size)
        written = time.time()
        await asyncio.to_thread(teller.tell)
        await expected.wait()
        late += [at - written for at in crowd.arrivals]
        await asyncio.sleep(_PAUSES[number % len(_PAUSES)])
    return late


async def ticked(crowd: Crowd, port: int, size: int, events: int) -> None:
    """Let the raw server write its frame to all, as often."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    del reader
    for number in range(events):
        expected = crowd.expect(size)
        writer.write(b"TICK %d\n" % _FRAME_BYTES)
        await expected.wait()
        await asyncio.sleep(_PAUSES[number % len(_PAUSES)])
    writer.close()


async def fan_out(stage: Stage, raw: Served, scale: Scale) -> list[Figure]:
    """Measure H4, and H5 for many sockets."""
    ours, theirs = Crowd(), Crowd()
    teller = Teller(stage)
    await ours.join(stage.served.port, scale.sockets)
    await theirs.join(raw.port, scale.sockets)
    replayed = ours.expect(2 * scale.sockets)
    ours.register(teller.token)
    await replayed.wait()
    cpu: tuple[list[float], list[float]] = ([], [])
    p99: list[float] = []
    delivered = scale.sockets * scale.events
    for repeat in range(scale.repeats + 1):
        before = cpu_seconds(stage.served.pid)
        late = await told(ours, teller, scale.sockets, scale.events)
        mine = (cpu_seconds(stage.served.pid) - before) / delivered * _US
        before = cpu_seconds(raw.pid)
        await ticked(theirs, raw.port, scale.sockets, scale.events)
        other = (cpu_seconds(raw.pid) - before) / delivered * _US
        if repeat:
            cpu[0].append(mine)
            cpu[1].append(max(other, _US / 100 / delivered))  # the clock of /proc ticks a hundred times a second
            p99.append(percentile(late, 0.99) * _MS)
    ours.leave()
    theirs.leave()
    return [
        Figure(
            goal="H4",
            what=f"an event to {scale.sockets} sockets, CPU each, by a raw write",
            unit="us",
            ours=cpu[0],
            reference=cpu[1],
            ratio_bound=Bound(4),
        ),
        Figure(
            goal="H5",
            what=f"event written until seen, {scale.sockets} sockets: p99",
            unit="ms",
            ours=p99,
            bound=Bound(150),
        ),
    ]


async def one_follower(stage: Stage, scale: Scale) -> list[Figure]:
    """Measure H5 for one socket, the worker being another process."""
    crowd = Crowd()
    teller = Teller(stage)
    await crowd.join(stage.served.port, 1)
    replayed = crowd.expect(2)
    crowd.register(teller.token)
    await replayed.wait()
    series = [await told(crowd, teller, 1, 2 * scale.events) for _ in range(scale.repeats + 1)][1:]
    crowd.leave()
    p50, p99 = ([percentile(late, share) * _MS for late in series] for share in (0.5, 0.99))
    return [
        Figure(goal="H5", what="event written until seen, 1 socket: p50", unit="ms", ours=p50),
        Figure(goal="H5", what="event written until seen, 1 socket: p99", unit="ms", ours=p99, bound=Bound(30)),
    ]


async def idle(stage: Stage, scale: Scale) -> list[Figure]:
    """Measure H6: sockets that each follow one of some queued tasks, of which nothing is heard."""
    crowd = Crowd()
    token = stage.submit()
    await asyncio.sleep(1)
    before = resident_kib(stage.served.pid)
    await crowd.join(stage.served.port, scale.idle_sockets)
    told_once = crowd.expect(scale.idle_sockets)
    crowd.register(token)
    await told_once.wait()
    await asyncio.sleep(2)
    held = (resident_kib(stage.served.pid) - before) / scale.idle_sockets
    # At one go, and for two rounds of pings: shares of a round differ by the pings that fall into them.
    used = cpu_seconds(stage.served.pid)
    await asyncio.sleep(scale.idle_seconds)
    busy = (cpu_seconds(stage.served.pid) - used) / scale.idle_seconds * 100
    crowd.leave()
    many = f"{scale.idle_sockets} idle sockets"
    return [
        Figure(goal="H6", what=f"{many}: memory of each", unit="KiB", ours=[held], bound=Bound(64)),
        Figure(goal="H6", what=f"{many}: CPU of the process", unit="%", ours=[busy], bound=Bound(2)),
    ]


def fan_outs(folder: Path, scale: Scale) -> list[Figure]:
    """Measure H4 and H5."""
    with easel(folder / "easel") as stage, reference("raw", folder / "raw") as raw:
        return [*asyncio.run(fan_out(stage, raw, scale)), *asyncio.run(one_follower(stage, scale))]


def idlers(folder: Path, scale: Scale) -> list[Figure]:
    """Measure H6."""
    with easel(folder / "easel") as stage:
        return asyncio.run(idle(stage, scale))
