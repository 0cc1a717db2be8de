"""Nothing goes wrong, but a lot goes on: a steady load, and half an hour in which nothing may grow."""

import asyncio
import json
import os
import random
import statistics
import time
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Any

from bench.http_load import hammer, request_bytes
from bench.measuring import cpu_seconds, cpu_seconds_of_tree, machine_seconds, percentile, resident_kib
from tests.chaos.clients import MODEL, Mix
from tests.chaos.nemesis import QUIET, Nemesis, Place
from tests.chaos.stage import Stage, judge, stage
from tests.serving import BODY, signed

_CONNECTIONS = 8
_MS = 1000.0
_EASY = {**BODY, "steps": "1", "samples": "1", "refiner": "--only_base_model"}
_SAMPLE_SECONDS = 10.0
_KILL_SECONDS = 20.0
# the field's: a lease of three seconds is for tests of what follows when it ends
_FIELD = {"EASEL_LEASE_SECONDS": "30", "EASEL_HEARTBEAT_SECONDS": "5"}


def load(kind: str, *, rate: int, seconds: float, seed: int, workers: int = 2) -> dict[str, Any]:
    """Send `rate` Runs a second for `seconds`; tell how many ended meanwhile, and how long a Run's answer took."""
    with stage(kind, **_FIELD) as it:
        places, _ = _quiet_places(it, workers, seed, journal=False)
        request = request_bytes(
            "POST", f"/v1/Run/{MODEL}", signed(it.credentials), json.dumps({**_EASY, "seed": "1"}).encode()
        )
        meter = _Meter(it, places)
        began = time.monotonic()
        latencies, backlog = asyncio.run(_send(it, request, rate, seconds))
        sent_in = time.monotonic() - began
        ended_meanwhile = it.ended
        while it.unfinished and time.monotonic() - began < 4 * seconds + 60:
            time.sleep(0.2)
        ended_in = time.monotonic() - began
        cost = meter.read(len(latencies))
        good = it.count("status = 'task_postprocess_end' AND pexit = '0'")
        it.stop(places)
    wrong = {} if good == len(latencies) else {"load": [len(latencies) - good, "Runs that did not end well"]}
    return {
        "violations": wrong,
        "tasks": len(latencies),
        "asked_per_second": rate,
        "sent_per_second": round(len(latencies) / sent_in, 1),
        "ended_per_second": round(ended_meanwhile / sent_in, 1),
        "all_ended_per_second": round(good / ended_in, 1),
        "run_ms": {
            "p50": round(percentile(latencies, 0.5) * _MS, 1),
            "p99": round(percentile(latencies, 0.99) * _MS, 1),
        },
        "most_unfinished": max(backlog),
        **cost,
    }


class _Meter:
    """What a load costs: CPU by who used it, and how busy all cores were."""

    def __init__(self, it: Stage, places: Sequence[Place]) -> None:
        served = {
            f"{place.command} {number}": place.process.pid for number, place in enumerate(places) if place.process
        }
        database = {} if it.cluster is None else {"database": it.cluster.pid}
        self._trees = {**served, **database}
        self._began = self._look()
        self._machine = machine_seconds()

    def read(self, tasks: int) -> dict[str, Any]:
        """Return what was used since the beginning, in milliseconds for each task, and the share of all cores' time."""
        now, (busy, there) = self._look(), machine_seconds()
        used = {name: round((seconds - self._began[name]) / tasks * _MS, 2) for name, seconds in now.items()}
        share = (busy - self._machine[0]) / (there - self._machine[1])
        return {"cpu_ms_per_task": used, "cores_busy": round(share, 3)}

    def _look(self) -> dict[str, float]:
        trees = {name: cpu_seconds_of_tree(pid) for name, pid in self._trees.items()}
        return {**trees, "client": cpu_seconds(os.getpid())}


def soak(kind: str, *, seconds: float, seed: int) -> dict[str, Any]:
    """Work for a long time while one worker keeps dying; the API and the other worker may not grow."""
    rng = random.Random(seed)
    with stage(kind, **_FIELD) as it:
        places, nemesis = _quiet_places(it, 2, seed, journal=True)
        crowd = it.crowd(Mix(tasks=10**9, outstanding=12), seed)
        seen: list[dict[str, float]] = []
        began = time.monotonic()
        next_look, next_kill = began + _SAMPLE_SECONDS, began + _KILL_SECONDS
        with crowd.at_work(threads=2):
            while (now := time.monotonic()) - began < seconds:
                nemesis.look()
                crowd.room(it.unfinished)
                if now > next_look:
                    next_look = now + _SAMPLE_SECONDS
                    seen.append({"at": now - began, **_sizes(it, places)})
                if now > next_kill:
                    next_kill = now + rng.uniform(0.5, 1.5) * _KILL_SECONDS
                    _kill(places[2])
                time.sleep(0.15)
            crowd.give_up()
            it.settle(nemesis, crowd)
        it.stop(places)
        result = judge(it.evidence(nemesis))
    steady = seen[len(seen) // 4 :]
    return {**result, "kills": nemesis.did["worker ended -9"], "growth": _growth(steady), "seen": seen}


def _quiet_places(it: Stage, workers: int, seed: int, *, journal: bool) -> tuple[list[Place], Nemesis]:
    switch = QUIET if journal else ""
    places = [Place(command, (switch for _ in count())) for command in ("api", *["worker"] * workers)]
    nemesis = Nemesis(it.site, places, it.history, seed, thaw_after=60)
    nemesis.look()
    nemesis.wait_until_ready()
    return places, nemesis


async def _send(it: Stage, request: bytes, rate: int, seconds: float) -> tuple[Sequence[float], Sequence[int]]:
    """Send `rate` requests each second; return seconds of each answer, and the unfinished tasks once a second."""
    latencies: list[float] = []
    backlog = [0]
    until = time.monotonic() + seconds
    while (began := time.monotonic()) < until:
        done = await hammer(it.site.port, request, rate, _CONNECTIONS)
        latencies += done.latencies
        backlog.append(it.unfinished)
        await asyncio.sleep(max(0.0, began + 1 - time.monotonic()))
    return latencies, backlog


def _kill(place: Place) -> None:
    if place.process is not None and place.process.popen.poll() is None:
        place.process.kill()


def _sizes(it: Stage, places: Sequence[Place]) -> dict[str, float]:
    found: dict[str, float] = {}
    for name, place in (("api", places[0]), ("worker", places[1])):
        assert place.process is not None
        found[f"{name} MiB"] = round(resident_kib(place.process.pid) / 1024, 2)
        found[f"{name} files"] = len(list(Path(f"/proc/{place.process.pid}/fd").iterdir()))
    database = it.site.database.url.database or ""
    wal = Path(f"{database}-wal")
    if it.site.database.is_sqlite and wal.exists():
        found["WAL MiB"] = round(wal.stat().st_size / 2**20, 2)
    return found


def _growth(seen: Sequence[dict[str, float]]) -> dict[str, float]:
    """Return how much each size grows in an hour, by the least squares of what was seen."""
    if len(seen) < 3:  # two points are always on a line
        return {}
    names = [name for name in seen[0] if name != "at"]
    at = [one["at"] for one in seen]
    slope = {
        name: statistics.linear_regression(at, [one.get(name, 0.0) for one in seen]).slope * 3600 for name in names
    }
    return {f"{name} per hour": round(value, 2) for name, value in slope.items()}
