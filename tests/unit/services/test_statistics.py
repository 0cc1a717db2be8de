"""Run counts: exact, and never a second reading of what can't change any more."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from server.adapters.memory import MemoryStores
from server.domain.errors import Unavailable
from server.domain.lifecycle import TaskStatus
from server.domain.runs import RunCount, Runs
from server.domain.task import Ending
from server.domain.types import TaskId
from server.domain.writes import Move
from server.services.statistics import FRESH_SECONDS, Statistics
from tests.stores import MODEL, over


class HandClock:
    """A clock that is set by hand; it is the stores' clock too."""

    seconds = 1000.0

    def monotonic(self) -> float:
        return self.seconds


class Counting:
    """Passes counts on and remembers where each began."""

    def __init__(self, stores: MemoryStores) -> None:
        self.stores = stores
        self.asked: list[TaskId] = []
        self.away = False

    def count_runs(self, after: TaskId) -> RunCount:
        self.asked.append(after)
        if self.away:
            raise Unavailable
        return self.stores.count_runs(after)


class House:
    """Stores, what counts them, and the service."""

    def __init__(self) -> None:
        self.clock = HandClock()
        memory = MemoryStores(now=self.clock.monotonic)
        self.stores = over(memory)
        self.counter = Counting(memory)
        self.statistics = Statistics(self.counter, self.clock)
        self.project = self.stores.project()

    def later(self, seconds: float) -> Runs:
        self.clock.seconds += seconds
        return self.statistics.runs().get(MODEL, Runs())

    def run(self, pexit: str = "0") -> None:
        self.stores.submit(self.project)
        lease = self.stores.claim().lease
        self.stores.drive(lease, TaskStatus.START)
        self.clock.seconds += 2
        self.stores.tasks.write(lease, [Move(TaskStatus.END, ending=Ending(pexit))])
        self.stores.tasks.write(lease, [Move(TaskStatus.POSTPROCESS_START)])
        self.stores.tasks.write(lease, [Move(TaskStatus.POSTPROCESS_END)])


@pytest.fixture
def house() -> House:
    return House()


def test_counts_are_the_same_whenever_they_are_asked_for(house):
    for _ in range(3):
        house.run()
        house.run("1")
        house.stores.tasks.cancel(house.stores.submit(house.project).id, {TaskStatus.QUEUE})
        house.later(50)
    queued = house.stores.submit(house.project)
    counted = house.later(1000)

    assert (counted.total, counted.succeeded, counted.failed, counted.seconds) == (10, 3, 3, 6.0)
    assert counted.mean_seconds == 2
    assert counted.last_at == queued.times[TaskStatus.QUEUE]
    assert Statistics(house.counter, house.clock).runs()[MODEL] == counted
    assert house.later(1000) == counted


def test_what_is_settled_is_read_once(house):
    for _ in range(3):
        house.run()
    house.later(100)
    house.later(100)
    open_task = house.stores.submit(house.project)
    house.later(100)
    house.run()  # claims the open task; another one is queued behind it
    house.later(100)
    house.later(100)

    assert house.counter.asked == [0, 3, 3, 3, 4]
    assert open_task.id == 4


def test_young_tasks_are_not_settled_yet(house):
    house.run()
    house.later(10)
    house.later(30)
    house.later(60)
    house.later(10)

    assert house.counter.asked == [0, 0, 0, 1]


def test_nothing_is_read_within_some_seconds(house):
    assert house.later(0).total == 0
    house.run()  # takes 2 seconds

    assert house.later(FRESH_SECONDS - 2.1).total == 0
    assert house.later(0.2).total == 1
    assert len(house.counter.asked) == 2


def test_after_an_outage_nothing_is_missing_or_double(house):
    house.run()
    house.later(100)
    house.counter.away = True
    house.run()
    with pytest.raises(Unavailable):
        house.later(100)
    house.counter.away = False

    assert house.later(0).total == 2


def test_a_model_that_never_ran_has_no_mean():
    assert Runs().mean_seconds is None


def test_who_has_something_to_show_does_not_wait_for_a_count():
    started, go_on = Event(), Event()

    class Slow:
        calls = 0

        def count_runs(self, after: TaskId) -> RunCount:
            self.calls += 1
            if self.calls > 1:
                started.set()
                assert go_on.wait(20)
            return RunCount(settled_until=after, others={MODEL: Runs(total=self.calls)})

    clock, slow = HandClock(), Slow()
    statistics = Statistics(slow, clock)
    assert statistics.runs()[MODEL].total == 1
    clock.seconds += FRESH_SECONDS
    with ThreadPoolExecutor() as pool:
        counting = pool.submit(statistics.runs)
        assert started.wait(20)
        shown = statistics.runs()[MODEL].total
        go_on.set()
        assert counting.result()[MODEL].total == 2
    assert (shown, slow.calls) == (1, 2)
