"""The clock of the host jumps under running tasks: an hour, a day, five minutes back."""

import random
import time
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import Any

from tests.chaos.clients import Mix
from tests.chaos.nemesis import QUIET, Nemesis, Place
from tests.chaos.stage import judge, stage

_JUMPS = (3600, -3600, 86_400, -86_400, -300)
_STEPS = 40


def clock(kind: str, *, rounds: int, seed: int) -> dict[str, Any]:
    """Jump `rounds` times through all jumps; PostgreSQL keeps its own clock, SQLite has that of the processes."""
    rng = random.Random(seed)
    with stage(kind, EASEL_LEASE_SECONDS="6", EASEL_HEARTBEAT_SECONDS="1", EASEL_FAKE="step_ms=20") as it:
        offset = it.site.folder / "clock"
        offset.write_text("+0")
        preload = {
            "LD_PRELOAD": _library(),
            "FAKETIME_TIMESTAMP_FILE": str(offset),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
        }
        commands = ("api", "worker", "worker", "worker")
        places = [Place(command, (QUIET for _ in count()), preload) for command in commands]
        nemesis = Nemesis(it.site, places, it.history, seed, thaw_after=60)
        nemesis.look()
        nemesis.wait_until_ready()
        crowd = it.crowd(Mix(tasks=10**9, stops=0.02, hooks=0, outstanding=8, steps=_STEPS), seed)
        shift, jumps = 0, 0
        with crowd.at_work():
            for jump in [one for _ in range(rounds) for one in rng.sample(_JUMPS, len(_JUMPS))]:
                _go_on(it, crowd, rng.uniform(3, 6))
                shift, jumps = shift + jump, jumps + 1
                aside = offset.with_suffix(".new")
                aside.write_text(f"{shift:+d}")
                aside.replace(offset)
            _go_on(it, crowd, 8)
            offset.write_text("+0")
            crowd.give_up()
            it.settle(nemesis, crowd)
        it.stop(places)
        result = judge(it.evidence(nemesis))
    again = sum(number for attempt, number in result["attempts"].items() if int(attempt) > 1)
    return {**result, "jumps": jumps, "drawn_more_than_once": again}


def _go_on(it: Any, crowd: Any, seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        crowd.room(it.unfinished)
        time.sleep(0.1)


def _library() -> str:
    found = find_spec("libfaketime")
    if found is None or found.origin is None:
        raise SystemExit("The clock experiment needs libfaketime: pip install libfaketime")
    return str(next(Path(found.origin).parent.rglob("libfaketime.so.1")))
