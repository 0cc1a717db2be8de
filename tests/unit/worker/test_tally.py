"""What a worker counts of its own work, and how it comes back from its row."""

import json

import pytest

from pipelines.contract import Failed, Finished, Phase, SampleDone, Stepped, Vitals
from server.domain.kill import Means
from server.domain.lifecycle import TaskStatus
from server.domain.report import BOUNDS, Spread, WorkerReport, read_report, report_json
from server.domain.writes import Requeue
from server.worker.tally import Tally
from tests.stores import memory_stores

_NO_VITALS = Tally().report({}).counts


@pytest.fixture
def tally() -> Tally:
    return Tally()


def test_the_phases_of_what_is_finished_are_told(tally: Tally):
    for event in (Stepped("g", Phase.BASE, 0, 1, 3), Stepped("g", Phase.BASE, 0, 2, 3)):
        tally.heard(event, {Phase.BASE: 1})
    tally.heard(Stepped("g", Phase.REFINER, 0, 3, 3), {Phase.BASE: 2, Phase.REFINER: 4})
    tally.heard(SampleDone("g", 0, 8, 8, b""), {Phase.BASE: 2, Phase.REFINER: 4})
    assert tally.report({}).spreads == {}
    tally.heard(Finished("g"), {Phase.BASE: 2, Phase.REFINER: 4})
    report = tally.report({})
    assert {name: spread.total for name, spread in report.spreads.items()} == {"base": 2, "refiner": 4}
    assert report.counts == pytest.approx({"steps.base": 2, "steps.refiner": 1, "pictures": 1} | _NO_VITALS)


def test_a_failed_generation_leaves_no_times(tally: Tally):
    tally.heard(Failed("g", "broken"), {Phase.ENCODE: 2})
    assert tally.report({}).spreads == {}


def test_the_counts_of_engines_add_up_over_restarts(tally: Tally):
    tally.took_stock(Vitals(forwards=5, places=10, samples=7, lora_hits=1))
    tally.child_gone()
    assert tally.report({}).counts["forwards"] == 5
    tally.took_stock(Vitals(forwards=2, places=4, samples=4))
    counts = tally.report({}).counts
    assert (counts["forwards"], counts["forward_places"], counts["forward_samples"]) == (7, 14, 11)
    assert counts["cache.lora.hit"] == 1


def test_the_memory_of_a_dead_child_is_not_told(tally: Tally):
    tally.took_stock(Vitals(memory_used=3, memory_total=9))
    assert tally.report({"in_flight": 1}).levels == {"in_flight": 1, "memory_used": 3, "memory_total": 9}
    tally.child_gone()
    assert tally.report({"in_flight": 1}).levels == {"in_flight": 1}


def test_only_a_first_attempt_says_how_long_its_task_waited(tally: Tally):
    stores = memory_stores()
    claimed = stores.claimed()
    tally.claimed(claimed.task)
    stores.tasks.write(claimed.lease, [Requeue(crashed=True)])
    tally.claimed(stores.claim().task)
    report = tally.report({})
    assert report.counts["claims"] == 2
    waited = claimed.task.times[TaskStatus.ACCEPT] - claimed.task.times[TaskStatus.QUEUE]
    assert sum(report.spreads["queue"].counts) == 1
    assert report.spreads["queue"].total == pytest.approx(waited)


def test_kills_are_told_by_their_means(tally: Tally):
    tally.killed(Means.SIGKILL, 8)
    assert tally.report({}).spreads["kill.SIGKILL"] == Spread().plus(8)


@pytest.mark.parametrize("seconds", [0.0, *BOUNDS, 1e9])
def test_a_time_falls_into_the_class_whose_end_it_does_not_pass(seconds: float):
    spread = Spread().plus(seconds)
    place = spread.counts.index(1)
    assert sum(spread.counts) == 1
    assert place == len(BOUNDS) or seconds <= BOUNDS[place]
    assert place == 0 or seconds > BOUNDS[place - 1]


def test_a_report_comes_back_from_json():
    report = WorkerReport(counts={"claims": 2.0}, levels={"capacity": 8.0}, spreads={"total": Spread().plus(0.3)})
    assert read_report(json.loads(json.dumps(report_json(report)))) == report


@pytest.mark.parametrize(
    "written",
    [
        None,
        "nonsense",
        {"counts": 3},
        {"counts": {"claims": "many"}},
        {"spreads": {"total": [1, 2]}},
        {"spreads": {"total": ["x"] * (len(BOUNDS) + 2)}},
        {"a later release": {"tells": "more"}},
    ],
)
def test_what_another_release_wrote_otherwise_is_left_out(written: object):
    assert read_report(written) == WorkerReport()
