"""A disk that is full, and one that is slow."""

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from typing import Any

from tests.chaos.clients import Mix
from tests.chaos.nemesis import QUIET, Nemesis, Place
from tests.chaos.stage import judge, stage

_SMALL = "24m"
_FULL_SECONDS = 6.0


def disk(kind: str, *, rounds: int, seed: int) -> dict[str, Any]:
    """Fill the disk of the pictures (on SQLite: and of the database) `rounds` times; needs the right to mount."""
    if os.geteuid() != 0:
        raise SystemExit("The disk experiment mounts a small tmpfs: run it as root")
    with ExitStack() as stack:
        small = stack.enter_context(_small_disk())
        pictures = small / "pictures"
        it = stack.enter_context(stage(kind, small, EASEL_FILES_URL=str(pictures)))
        places = [Place(command, (QUIET for _ in count())) for command in ("api", "worker", "worker")]
        nemesis = Nemesis(it.site, places, it.history, seed, thaw_after=60)
        nemesis.look()
        nemesis.wait_until_ready()
        crowd = it.crowd(Mix(tasks=10**9, stops=0.02, hooks=0, outstanding=10), seed)
        healed: list[float] = []
        with crowd.at_work(threads=2):
            for _ in range(rounds):
                _go_on(it, crowd, 4)
                with _filled(small):
                    _go_on(it, crowd, _FULL_SECONDS)
                healed.append(_until_a_picture(it, crowd))
            crowd.give_up()
            it.settle(nemesis, crowd)
        alive = all(place.process and place.process.popen.poll() is None for place in places)
        it.stop(places)
        result = judge(it.evidence(nemesis, pictures))
    if not alive:
        result["violations"]["disk"] = [1, "a process died of a full disk"]
    return {**result, "filled": rounds, "healed_after_s": [round(one, 2) for one in healed]}


def slow_disk(kind: str, *, seconds: float, seed: int, outstanding: int = 10) -> dict[str, Any]:
    """Every write of a picture and each tenth write of a story takes a second of the lease's three.

    A beat is due each second, and none can be between the two ends of a slow write: what is left is a second's room for
    the machine that runs this.
    """
    slow = "file_half:~1:sleep=1,writing:~10:sleep=1"
    with stage(kind) as it:
        places = [Place("api", (QUIET for _ in count()))] + [Place("worker", (slow for _ in count())) for _ in range(3)]
        nemesis = Nemesis(it.site, places, it.history, seed, thaw_after=60)
        nemesis.look()
        nemesis.wait_until_ready()
        crowd = it.crowd(Mix(tasks=10**9, stops=0.02, outstanding=outstanding), seed)
        with crowd.at_work(threads=2):
            _go_on(it, crowd, seconds)
            crowd.give_up()
            it.settle(nemesis, crowd)
        it.stop(places)
        result = judge(it.evidence(nemesis))
    again = sum(number for attempt, number in result["attempts"].items() if int(attempt) > 1)
    if again:
        result["violations"]["slow"] = [again, "tasks lost their lease to a slow disk"]
    return result


@contextmanager
def _small_disk() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="easel-disk-", dir="/tmp") as folder:
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={_SMALL}", "tmpfs", folder], check=True)
        try:
            yield Path(folder)
        finally:
            subprocess.run(["umount", "-l", folder], check=True)


@contextmanager
def _filled(small: Path) -> Iterator[None]:
    ballast = small / "ballast"
    try:
        with ballast.open("wb") as file:
            while True:
                file.write(bytes(4096))
                file.flush()
    except OSError:
        pass
    try:
        yield
    finally:
        ballast.unlink()


def _until_a_picture(it: Any, crowd: Any) -> float:
    began, before = time.monotonic(), it.count("pexit = '0'")
    while it.count("pexit = '0'") == before and time.monotonic() - began < 60:
        crowd.room(it.unfinished)
        time.sleep(0.05)
    return time.monotonic() - began


def _go_on(it: Any, crowd: Any, seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        crowd.room(it.unfinished)
        time.sleep(0.1)
