"""Each kind of fault for a few seconds; `make chaos` runs them for minutes and writes down what came of it."""

import sys
from typing import Any

import pytest

from tests.chaos.clients import Mix
from tests.chaos.disk import slow_disk
from tests.chaos.kills import kills
from tests.chaos.nemesis import QUIET, Nemesis, Place
from tests.chaos.proxy import Proxy, Way
from tests.chaos.stage import judge, stage
from tests.chaos.zombies import zombies


def _good(result: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        sys.stdout.write(f"\n  {result['tasks']} tasks, faults {result['faults']}, refused {dict(result['refused'])}\n")
    assert result["violations"] == {}
    assert result["tasks"] > 0


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_processes_die_everywhere_and_nothing_is_lost(kind: str, capsys: pytest.CaptureFixture[str]):
    result = kills(kind, tasks=40, seconds=60, seed=1, workers=2, tasks_per_kill=3)
    _good(result, capsys)
    assert result["kills"] > 0


def test_a_worker_that_wakes_up_too_late_is_refused(capsys: pytest.CaptureFixture[str]):
    result = zombies("sqlite", seconds=60, seed=2, workers=3, freeze_every=8, thaws=2)
    _good(result, capsys)
    assert result["thawed"] > 0
    assert sum(result["refused"].values()) > 0


def test_a_slow_disk_costs_nobody_a_lease(capsys: pytest.CaptureFixture[str]):
    _good(slow_disk("sqlite", seconds=2, seed=3, outstanding=5), capsys)


def test_a_full_disk_fails_its_task_and_the_next_one_works(capsys: pytest.CaptureFixture[str]):
    with stage("sqlite") as it:
        places = [Place("api", iter([QUIET])), Place("worker", iter(["file_half:1:enospc"]))]
        nemesis = Nemesis(it.site, places, it.history, 4, thaw_after=60)
        nemesis.look()
        nemesis.wait_until_ready()
        crowd = it.crowd(Mix(tasks=4, stops=0), 4)
        with crowd.at_work(threads=1):
            it.settle(nemesis, crowd)
        it.stop(places)
        result = judge(it.evidence(nemesis))
    _good(result, capsys)
    assert result["endings"] == {"task_postprocess_end 0": 3, "task_postprocess_end 1": 1}


def test_a_database_that_is_cut_off_delayed_and_restarted(capsys: pytest.CaptureFixture[str]):
    with stage("postgres") as it:
        assert it.cluster is not None
        with Proxy(it.cluster.socket_path).running() as proxy:
            name = it.site.environment["EASEL_DATABASE_URL"].partition("?")[0].rpartition("/")[2]
            it.site.environment["EASEL_DATABASE_URL"] = f"postgresql://postgres@127.0.0.1:{proxy.port}/{name}"
            places = [Place("api", iter([QUIET])), Place("worker", iter([QUIET]))]
            nemesis = Nemesis(it.site, places, it.history, 5, thaw_after=60)
            nemesis.look()
            nemesis.wait_until_ready()
            crowd = it.crowd(Mix(tasks=20, stops=0), 5)
            with crowd.at_work(threads=2):
                proxy.cut()
                it.cluster.stop("immediate")
                it.cluster.start()
                proxy.way = Way.DRIP
                it.cluster.terminate_backends()
                proxy.way = Way.PASS
                it.settle(nemesis, crowd)
            it.stop(places)
            result = judge(it.evidence(nemesis))
    _good(result, capsys)
    assert result["tasks"] == 20
    assert result["endings"] == {"task_postprocess_end 0": 20}
