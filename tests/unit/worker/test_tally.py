"""What a worker counts of its own work, and how it comes back from its row."""

import json

import pytest

from pipelines.contract import Failed, Finished, Phase, SampleDone, Started, Stepped, Vitals
from server.domain.kill import Means
from server.domain.lifecycle import TaskStatus
from server.domain.report import BOUNDS, Spread, WorkerReport, read_report, report_json
from server.domain.writes import Requeue
from server.worker.tally import Tally
from tests.stores import memory_stores


class Hands:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def hands() -> Hands:
    return Hands()


@pytest.fixture
def tally(hands: Hands) -> Tally:
    return Tally(hands)


def _pass(tally: Tally, hands: Hands, *events: tuple[float, object]) -> None:
    for seconds, event in events:
        hands.now += seconds
        tally.heard("g", event)


def test_time_belongs_to_the_phase_that_it_ends_with(tally: Tally, hands: Hands):
    tally.admitted("g")
    _pass(
        tally,
        hands,
        (2, Started("g", 3)),
        (1, Stepped("g", Phase.BASE, 0, 1, 3)),
        (1, Stepped("g", Phase.BASE, 0, 2, 3)),
        (4, Stepped("g", Phase.REFINER, 0, 3, 3)),
        (0.5, SampleDone("g", 0, 8, 8, b"")),
        (0, Finished("g")),
    )
    report = tally.report({})
    assert {name: spread.total for name, spread in report.spreads.items()} == {
        "encode": 2,
        "base": 2,
        "refiner": 4,
        "decode": 0.5,
    }
    assert report.counts["steps.base"], report.counts["steps.refiner"] == (2, 1)


def test_a_failed_generation_leaves_no_times(tally: Tally, hands: Hands):
    tally.admitted("g")
    _pass(tally, hands, (2, Started("g", 3)), (1, Failed("g", "broken")), (1, Finished("g")))
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
