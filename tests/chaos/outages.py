"""A database that goes away and comes back, under load: what the rate was before, and what it is after."""

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count
from statistics import median
from typing import Any

from tests.chaos.clients import Mix
from tests.chaos.nemesis import QUIET, Nemesis, Place
from tests.chaos.proxy import Proxy, Way
from tests.chaos.stage import Stage, judge, stage

_WINDOW = 10.0
_AWAY_SECONDS = 2.0
_LATE_SECONDS = 60.0


@dataclass(frozen=True)
class _Outage:
    name: str
    begin: Callable[[], object]
    end: Callable[[], object]
    seconds: float = _AWAY_SECONDS


def outages(*, rounds: int, seed: int, away: float = 0.0, only: str = "") -> dict[str, Any]:
    """Restart PostgreSQL, end its sessions, cut, delay and swallow its connections; `away` adds one long absence.

    `only` takes those kinds alone whose name begins so.
    """
    with ExitStack() as stack:
        it = stack.enter_context(stage("postgres"))
        assert it.cluster is not None
        proxy = stack.enter_context(Proxy(it.cluster.socket_path).running())
        name = it.site.environment["EASEL_DATABASE_URL"].partition("?")[0].rpartition("/")[2]
        it.site.environment["EASEL_DATABASE_URL"] = f"postgresql://postgres@127.0.0.1:{proxy.port}/{name}"
        places = [Place(command, (QUIET for _ in count())) for command in ("api", "worker", "worker")]
        nemesis = Nemesis(it.site, places, it.history, seed, thaw_after=60)
        crowd = it.crowd(Mix(tasks=10**9, stops=0.02, follows=0.02, outstanding=40), seed)
        nemesis.look()
        with crowd.at_work():
            nemesis.wait_until_ready()
            _wait(it, crowd, 5)
            kinds = [one for one in _kinds(it, proxy) if one.name.startswith(only)]
            measured = [_suffer(it, crowd, one) for _ in range(rounds) for one in kinds]
            if away:
                measured.append(_suffer(it, crowd, _restart(it, "fast", away)))
            alive = [place.command for place in places if place.process and place.process.popen.poll() is None]
            crowd.give_up()
            it.settle(nemesis, crowd)
        it.stop(places)
        return {**judge(it.evidence(nemesis)), "outages": _summary(measured), "still_running": alive}


def _kinds(it: Stage, proxy: Proxy) -> Sequence[_Outage]:
    assert it.cluster is not None

    def way(which: Way) -> Callable[[], None]:
        return lambda: setattr(proxy, "way", which)

    def heal() -> None:
        proxy.way = Way.PASS
        proxy.cut()

    return [
        _restart(it, "fast"),
        _restart(it, "immediate"),
        _Outage("sessions ended", it.cluster.terminate_backends, lambda: None, 0),
        _Outage("connections cut", proxy.cut, lambda: None, 0),
        _Outage("refused for 2 s", lambda: (way(Way.REFUSE)(), proxy.cut()), way(Way.PASS)),
        _Outage("half-open for 2 s", way(Way.SWALLOW), heal),
        _Outage("delayed by 0.25 s for 2 s", way(Way.DELAY), way(Way.PASS)),
        _Outage("dripping for 2 s", way(Way.DRIP), way(Way.PASS)),
    ]


def _restart(it: Stage, mode: str, seconds: float = 0.0) -> _Outage:
    assert it.cluster is not None
    cluster = it.cluster
    name = f"restart {mode}" + (f", {seconds:g} s away" if seconds else "")
    return _Outage(name, lambda: cluster.stop(mode), cluster.start, seconds)


def _suffer(it: Stage, crowd: Any, outage: _Outage) -> dict[str, Any]:
    before = _rate(it, crowd)
    outage.begin()
    time.sleep(outage.seconds)
    outage.end()
    back, at = time.monotonic(), it.now
    first = None
    while first is None and time.monotonic() - back < _LATE_SECONDS:
        _wait(it, crowd, 0.1)
        first = time.monotonic() - back if it.ended_since(at) else None
    _wait(it, crowd, max(0.0, _WINDOW - (time.monotonic() - back)))
    return {"name": outage.name, "before": before, "first": first, "after": _rate(it, crowd)}


def _rate(it: Stage, crowd: Any) -> float:
    """Return how many tasks end a second, of a window."""
    began, at = time.monotonic(), it.now
    _wait(it, crowd, _WINDOW)
    return it.ended_since(at) / (time.monotonic() - began)


def _wait(it: Stage, crowd: Any, seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        crowd.room(it.unfinished)
        time.sleep(0.1)


def _summary(measured: Sequence[dict[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in dict.fromkeys(one["name"] for one in measured):
        of_it = [one for one in measured if one["name"] == name]
        firsts = [one["first"] if one["first"] is not None else _LATE_SECONDS for one in of_it]
        found[name] = {
            "times": len(of_it),
            "tasks_per_second_before": round(median(one["before"] for one in of_it), 2),
            "tasks_per_second_from_10_s_after": round(median(one["after"] for one in of_it), 2),
            "rate_kept": round(median(one["after"] / one["before"] for one in of_it if one["before"]), 3),
            "first_task_after_s": {"median": round(median(firsts), 2), "max": round(max(firsts), 2)},
            # In the order of the run: what falls through all of it, outages or not, is the machine's or the database's.
            "each_before_and_after": [[round(one["before"], 1), round(one["after"], 1)] for one in of_it],
        }
    return found
