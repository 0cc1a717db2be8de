"""Workers frozen for longer than their lease, in the middle of a write: what they do when they wake up is refused."""

import random
import time
from itertools import count
from typing import Any

from tests.chaos.clients import Mix
from tests.chaos.nemesis import QUIET, Nemesis, Place
from tests.chaos.stage import LEASE, judge, stage


def zombies(
    kind: str, *, seconds: float, seed: int, workers: int = 4, freeze_every: int = 40, thaws: int = 10**9
) -> dict[str, Any]:
    """Freeze each worker about every so many writes, and let it go on when its tasks are others' by now.

    It ends after so many seconds, or thaws.
    """
    rng = random.Random(seed)
    switches = (f"{rng.choice(['writing', 'file_named', 'ended'])}:~{freeze_every}:stop" for _ in count())
    with stage(kind, EASEL_LEASE_SECONDS="1.5", EASEL_HEARTBEAT_SECONDS="0.5") as it:
        places = [Place("api", (QUIET for _ in count()))]
        places += [Place("worker", (f"writing:~{freeze_every}:stop,{one}" for one in switches)) for _ in range(workers)]
        nemesis = Nemesis(it.site, places, it.history, seed, thaw_after=LEASE)
        crowd = it.crowd(Mix(tasks=10**9, stops=0.05, outstanding=30, steps=6), seed)
        nemesis.look()
        began = time.monotonic()
        with crowd.at_work():
            while time.monotonic() - began < seconds and nemesis.did["worker thawed"] < thaws:
                nemesis.look()
                crowd.room(it.unfinished)
                time.sleep(0.1)
            tormented = time.monotonic() - began
            crowd.give_up()
            nemesis.calm()
            it.settle(nemesis, crowd)
        it.stop(places)
        result = judge(it.evidence(nemesis))
    return {**result, "seconds": round(tormented, 1), "thawed": nemesis.did["worker thawed"]}


def quiet(kind: str, *, tasks: int, seed: int) -> dict[str, Any]:
    """Nothing goes wrong: nobody may be told to come back later, and no lease may be lost."""
    with stage(kind) as it:
        places = [Place(command, (QUIET for _ in count())) for command in ("api", "worker", "worker", "worker")]
        nemesis = Nemesis(it.site, places, it.history, seed, thaw_after=60)
        nemesis.look()
        nemesis.wait_until_ready()
        crowd = it.crowd(Mix(tasks=tasks, stops=0.1, outstanding=60), seed)
        with crowd.at_work(threads=8):
            while crowd.submitting:
                crowd.room(it.unfinished)
                time.sleep(0.1)
            it.settle(nemesis, crowd)
        it.stop(places)
        result = judge(it.evidence(nemesis))
        said = "".join(process.said for process in it.site.processes)
    away = said.count("can't be reached") + said.count("database is busy")
    told = result["answers"].get("run info", 0)
    if away or told:
        result["violations"]["quiet"] = [away + told, f"{away} log lines say the database is away, {told} Runs failed"]
    return result
