"""H1, H2, H3 and H7: what a Run and a Detail cost."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from bench.goals import Bound, Figure
from bench.http_load import Load, hammer, request_bytes
from bench.measuring import cpu_seconds, percentile
from bench.stage import MODEL, Served, Stage, another_api, easel, reference
from tests.serving import BODY, signed

_MS = 1000.0


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is asked of the servers."""

    repeats: int = 5
    requests: int = 500
    alone: int = 100
    connections: int = 32
    sockets: int = 1000
    events: int = 20
    idle_sockets: int = 5000
    idle_seconds: float = 102.0


QUICK = Scale(repeats=2, requests=120, alone=20, connections=8, sockets=20, events=3, idle_sockets=50, idle_seconds=0.5)


@dataclass(slots=True)
class Series:
    """The values of one server, a repeat each."""

    cpu: list[float] = field(default_factory=list)
    rate: list[float] = field(default_factory=list)
    p50: list[float] = field(default_factory=list)
    p99: list[float] = field(default_factory=list)

    def take(self, load: Load, cpu: float) -> None:
        """Add a repeat."""
        count = len(load.latencies)
        self.cpu.append(cpu / count * _MS)
        self.rate.append(count / load.seconds)
        self.p50.append(percentile(load.latencies, 0.5) * _MS)
        self.p99.append(percentile(load.latencies, 0.99) * _MS)


def run_request(served: Served) -> bytes:
    """Return a signed Run."""
    return request_bytes("POST", f"/v1/Run/{MODEL}", signed(served.credentials), json.dumps(BODY).encode())


def measure(series: Series, served: Served, request: bytes, count: int, connections: int) -> None:
    """Send a load and add what it took."""
    before = cpu_seconds(served.pid)
    load = asyncio.run(hammer(served.port, request, count, connections))
    series.take(load, cpu_seconds(served.pid) - before)


def interleaved(
    scale: Scale, sides: "list[tuple[Served, bytes]]", *, alone: bool, after: Callable[[], None]
) -> list[Series]:
    """Measure the sides in turn, once more than counts: the first round warms them up."""
    found = [Series() for _ in sides]
    count, connections = (scale.alone, 1) if alone else (scale.requests, scale.connections)
    for repeat in range(scale.repeats + 1):
        for (served, request), series in zip(sides, found, strict=True):
            measure(Series() if repeat == 0 else series, served, request, count, connections)
            after()
    return found


def submits(folder: Path, scale: Scale) -> list[Figure]:
    """Measure H1, H2 and H3."""
    with easel(folder / "easel") as stage, reference("porch", folder / "porch") as porch:
        sides = [(stage.served, run_request(stage.served)), (porch, run_request(porch))]
        ours, other = interleaved(scale, sides, alone=False, after=stage.empty_the_queue)
        one, other_one = interleaved(scale, sides, alone=True, after=stage.empty_the_queue)
        another = another_api(stage)
        two = [asyncio.run(_shared(stage, another, scale)) for _ in range(scale.repeats + 1)]
    wide = f"{scale.connections} connections"
    return [
        Figure(
            goal="H1",
            what="Run, CPU by the same route without a database",
            unit="ms",
            ours=ours.cpu,
            reference=other.cpu,
            ratio_bound=Bound(3),
        ),
        Figure(
            goal="H2",
            what=f"Run, {wide}: rate",
            unit="1/s",
            ours=ours.rate,
            reference=other.rate,
            bound=Bound(600, "higher"),
        ),
        Figure(goal="H2", what=f"Run, {wide}: p99", unit="ms", ours=ours.p99, reference=other.p99, bound=Bound(100)),
        Figure(goal="H2", what="the same, by two API processes: rate", unit="1/s", ours=two[1:], reference=other.rate),
        Figure(goal="H3", what="Run, 1 connection: p50", unit="ms", ours=one.p50, reference=other_one.p50),
        Figure(
            goal="H3", what="Run, 1 connection: p99", unit="ms", ours=one.p99, reference=other_one.p99, bound=Bound(15)
        ),
    ]


async def _shared(stage: Stage, another: Served, scale: Scale) -> float:
    """Return how many Runs a second two processes answer, half of the clients each."""
    halves = [
        hammer(served.port, run_request(served), scale.requests // 2, scale.connections // 2)
        for served in (stage.served, another)
    ]
    done = await asyncio.gather(*halves)
    await asyncio.to_thread(stage.empty_the_queue)
    return sum(len(each.latencies) for each in done) / max(each.seconds for each in done)


def details(folder: Path, scale: Scale) -> list[Figure]:
    """Measure H7."""
    with (
        easel(folder / "easel") as stage,
        reference("bare", folder / "bare") as bare,
        reference("lean", folder / "lean") as lean,
    ):
        get = request_bytes("GET", "/", {})
        sides = [
            (stage.served, detail_request(stage.submit(), stage.served)),
            (bare, get),
            (lean, detail_request("token", lean)),
        ]
        ours, other, least = interleaved(scale, sides, alone=False, after=lambda: None)
    return [
        Figure(
            goal="H7",
            what="Detail, CPU by a bare FastAPI GET",
            unit="ms",
            ours=ours.cpu,
            reference=other.cpu,
            ratio_bound=Bound(2.5),
        ),
        Figure(
            goal="H7",
            what="the same, by the least that answers a signed Detail",
            unit="ms",
            ours=ours.cpu,
            reference=least.cpu,
        ),
        Figure(
            goal="H7",
            what=f"Detail, {scale.connections} connections: rate",
            unit="1/s",
            ours=ours.rate,
            reference=other.rate,
        ),
    ]


def detail_request(token: str, served: Served) -> bytes:
    """Return a signed Detail of a task."""
    body = json.dumps({"tasktoken": token}).encode()
    return request_bytes("POST", "/v1/Task/Detail", signed(served.credentials), body)
