"""Deaths at every crash point and at random moments, under a crowd of clients."""

import random
import time
from collections.abc import Callable
from itertools import count
from typing import Any

from tests.chaos.clients import Mix
from tests.chaos.nemesis import QUIET, Nemesis, Place, api_switches, worker_switches
from tests.chaos.stage import LEASE, judge, stage

_DEATHS = ("kill9", "child9")
_PAUSE = 0.5, 3.0
_LONG_PAUSE = 2.0, 7.0
"""Seconds between two acts: the miniature takes some to load."""
_MINIATURE = {"EASEL_ENGINE": "sdxl", "EASEL_MINIATURE": "true", "EASEL_DEVICE": "cpu"}


def kills(
    kind: str,
    *,
    tasks: int,
    seconds: float,
    seed: int,
    workers: int = 3,
    tasks_per_kill: int = 15,
    outstanding: int = 24,
    miniature: bool = False,
) -> dict[str, Any]:
    """Run until `tasks` are submitted or the time is over; settle; judge.

    `tasks_per_kill` is after how many tasks a process reaches its crash point, about; `outstanding` bounds the tasks
    that are unfinished. The miniature draws in the place of the fake engine.
    """
    rng = random.Random(seed)
    with stage(kind, **(_MINIATURE if miniature else {})) as it:
        switches, switches_of_api = worker_switches(rng, tasks_per_kill), api_switches(rng, tasks_per_kill)
        places = [Place("api", switches_of_api)]
        places += [
            Place("worker", switches, {"EASEL_DRAIN_SECONDS": "0.2"} if number % 2 else {}) for number in range(workers)
        ]
        nemesis = Nemesis(it.site, places, it.history, seed, thaw_after=LEASE + 1)
        crowd = it.crowd(Mix(tasks=tasks, outstanding=outstanding, poison=0.0 if miniature else 0.002), seed)
        nemesis.look()
        nemesis.wait_for_api()
        began = time.monotonic()
        with crowd.at_work():
            pause = _LONG_PAUSE if miniature else _PAUSE
            _torment(nemesis, lambda: crowd.submitting and time.monotonic() - began < seconds, rng, crowd, it, pause)
            crowd.give_up()
            tormented = time.monotonic() - began
            nemesis.calm()
            it.settle(nemesis, crowd)
        it.stop(places)
        result = judge(it.evidence(nemesis))
    faults = result["faults"]
    deaths = sum(number for name, number in faults.items() if name.split(":")[1] in _DEATHS)
    by_hand = {name: number for name, number in nemesis.did.items() if name.endswith(("SIGKILL", "SIGTERM", "SIGSTOP"))}
    return {
        **result,
        "seconds": round(tormented, 1),
        "kills": deaths + sum(number for name, number in by_hand.items() if name.endswith("SIGKILL")),
        "by_hand": by_hand,
        "ended": {name: number for name, number in nemesis.did.items() if " ended " in name},
    }


def _torment(
    nemesis: Nemesis,
    going: Callable[[], bool],
    rng: random.Random,
    crowd: Any,
    it: Any,
    pause: tuple[float, float],
) -> None:
    acts: list[Callable[[], None]] = [
        lambda: nemesis.kill("api"),
        *[lambda: nemesis.kill("worker")] * 2,
        *[lambda: nemesis.drain("worker")] * 2,
        *[lambda: nemesis.freeze("worker")] * 2,
        *[nemesis.kill_engine] * 8,
    ]
    next_act = time.monotonic() + 3
    while going():
        nemesis.look()
        crowd.room(it.unfinished)
        if time.monotonic() > next_act:
            rng.choice(acts)()
            next_act = time.monotonic() + rng.uniform(*pause)
        time.sleep(0.15)


def stops(kind: str, *, tasks: int, seed: int) -> dict[str, Any]:
    """Cancel or kill every task at a random moment; nothing dies."""
    with stage(kind) as it:
        places = [Place("api", (QUIET for _ in count()))] + [
            Place("worker", (QUIET for _ in count())) for _ in range(2)
        ]
        nemesis = Nemesis(it.site, places, it.history, seed, thaw_after=60)
        crowd = it.crowd(Mix(tasks=tasks, stops=1.0, hooks=0.1, details=0, outstanding=40, steps=20), seed)
        nemesis.look()
        began = time.monotonic()
        with crowd.at_work(threads=12):
            while crowd.submitting:
                nemesis.look()
                crowd.room(it.unfinished)
                time.sleep(0.1)
            it.settle(nemesis, crowd)
        it.stop(places)
        return {**judge(it.evidence(nemesis)), "seconds": round(time.monotonic() - began, 1)}
