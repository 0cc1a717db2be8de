"""One task's story, written in order whatever the database does."""

import pytest

from pipelines.contract import Phase, Stepped
from server.adapters.memory import MemoryStores
from server.domain.errors import LeaseLost, Unavailable
from server.domain.events import EventType
from server.domain.lifecycle import RUNNING, TaskStatus
from server.domain.task import Claimed, Ending, Lease
from server.domain.writes import Requeue, Write
from server.worker.progress import progress_payload
from server.worker.run import REPORT_SECONDS, Run
from tests.stores import MODEL, WORKER, new_project, new_task, picture


class Clock:
    """Stands still until told otherwise."""

    def __init__(self) -> None:
        self.time = 1000.0

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time


class Away:
    """Stores of which one verb fails a number of times."""

    def __init__(self, stores: MemoryStores, verb: str, times: int) -> None:
        self._stores, self._verb, self.left = stores, verb, times

    def __getattr__(self, verb: str):
        def call(*args: object, **options: object) -> object:
            if verb == self._verb and self.left:
                self.left -= 1
                raise Unavailable
            return getattr(self._stores, verb)(*args, **options)

        return call


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def stores() -> MemoryStores:
    return MemoryStores()


@pytest.fixture
def claimed(stores: MemoryStores) -> Claimed:
    stores.submit(new_task(stores.create(new_project("one")).id))
    claimed = stores.claim(WORKER, [MODEL], 60)
    assert claimed is not None
    return claimed


@pytest.fixture
def run(claimed: Claimed, stores: MemoryStores, clock: Clock) -> Run:
    run = Run(claimed, stores, clock)
    run.samples = 2
    return run


def _prepare(run: Run) -> None:
    for status in (TaskStatus.PREPROCESS_START, TaskStatus.PREPROCESS_END, TaskStatus.ASSIGN):
        run.move(status)
    run.started()


def _types(stores: MemoryStores, run: Run) -> list[EventType]:
    story = stores.story(run.task.id)
    assert story is not None
    return [event.type for event in story.events]


def _task(stores: MemoryStores, run: Run):
    story = stores.story(run.task.id)
    assert story is not None
    return story.task


def test_nothing_is_written_before_a_flush(run: Run, stores: MemoryStores):
    assert not run.waiting
    _prepare(run)
    assert run.waiting
    assert _types(stores, run) == [EventType.QUEUE, EventType.ACCEPT]
    run.flush()
    assert not run.waiting
    assert _types(stores, run)[-1] is EventType.START


def test_the_last_picture_ends_the_task_well(run: Run, stores: MemoryStores):
    _prepare(run)
    run.stored(picture(0))
    run.flush()
    assert not run.over
    run.stored(picture(1))
    assert run.over
    assert not run.written
    run.flush()
    assert run.written
    task = _task(stores, run)
    assert (task.status, task.pexit, len(task.outputs)) == (TaskStatus.POSTPROCESS_END, "0", 2)


@pytest.mark.parametrize("times", [1, 3])
def test_a_flush_goes_on_where_the_database_left_it(stores: MemoryStores, claimed: Claimed, clock, times):
    run = Run(claimed, Away(stores, "write", times), clock)  # type: ignore[arg-type]
    run.samples = 1
    _prepare(run)
    run.log("a line")
    run.stored(picture())
    for _ in range(times):
        with pytest.raises(Unavailable):
            run.flush()
        run.postpone(1)
        assert not run.waiting
        clock.time += 1
        assert run.waiting
    run.flush()
    assert run.written
    types = _types(stores, run)
    assert len(types) == len(set(types))
    assert _task(stores, run).pexit == "0"


def test_what_found_the_database_away_is_tried_again_as_it_was(stores: MemoryStores, claimed: Claimed, clock):
    """It may have been written: only the same again can be told from it."""
    tried: list[tuple[Write, ...]] = []

    class Noting(Away):
        def write(self, lease: Lease, writes: tuple[Write, ...]) -> None:
            tried.append(writes)
            if self.left:
                self.left -= 1
                raise Unavailable
            self._stores.write(lease, writes)

    run = Run(claimed, Noting(stores, "write", 1), clock)  # type: ignore[arg-type]
    run.samples = 1
    _prepare(run)
    with pytest.raises(Unavailable):
        run.flush()
    run.log("a line that came meanwhile")
    run.flush()
    assert tried[0] == tried[1]
    assert len(tried) == 3


def test_what_comes_together_is_one_transaction(stores: MemoryStores, claimed: Claimed, clock):
    counting = Away(stores, "write", 0)
    transactions: list[int] = []
    run = Run(claimed, counting, clock)  # type: ignore[arg-type]
    run.samples = 1
    _prepare(run)
    run.flush(lambda: transactions.append(1))
    run.stored(picture())
    run.flush(lambda: transactions.append(1))
    assert run.written
    assert len(transactions) == 2


def test_only_the_newest_progress_is_reported_and_not_too_often(run: Run, stores: MemoryStores, clock: Clock):
    _prepare(run)
    run.flush()
    for step in range(1, 11):
        clock.time += REPORT_SECONDS / 5
        run.stepped({"step": step}, last=False)
        if run.waiting:
            run.flush()
    story = stores.story(run.task.id)
    assert story is not None
    assert story.progress is not None
    assert story.progress.version <= 3
    run.stepped({"step": 10}, last=True)
    run.flush()
    story = stores.story(run.task.id)
    assert story is not None
    assert story.progress is not None
    assert story.progress.payload == {"step": 10}


def test_a_failure_tells_its_log_and_its_reason(run: Run, stores: MemoryStores):
    _prepare(run)
    run.log("the last words")
    run.end(Ending("1", "It broke."))
    run.flush()
    story = stores.story(run.task.id)
    assert story is not None
    told = {event.type: event.message for event in story.events}
    assert told[EventType.OUTPUT_FULL] == {"raw": "the last words"}
    assert told[EventType.ERROR_FULL] == {"raw": "It broke."}
    assert (story.task.pexit, story.task.message) == ("1", "It broke.")


@pytest.mark.parametrize("again", ["end", "requeue"])
@pytest.mark.parametrize("first", ["end", "requeue"])
def test_only_the_first_ending_counts(run: Run, stores: MemoryStores, first: str, again: str):
    _prepare(run)
    for verb in (first, again):
        if verb == "end":
            run.end(Ending("1", "It broke."))
        else:
            run.requeue(refund=True)
    run.flush()
    assert _task(stores, run).status is (TaskStatus.POSTPROCESS_END if first == "end" else TaskStatus.QUEUE)


def test_a_run_is_unwanted_until_the_engine_is_free_of_it(run: Run):
    run.engine_done = False
    assert not run.unwanted
    run.lost = True
    assert run.unwanted
    assert not run.closed
    run.engine_done = True
    assert not run.unwanted
    assert run.closed


def test_a_finished_run_is_closed_only_when_its_story_is_written(run: Run):
    _prepare(run)
    run.end(Ending("1"))
    assert not run.closed
    run.flush()
    assert run.closed


def test_a_cancelled_task_takes_no_more_words(run: Run, stores: MemoryStores):
    _prepare(run)
    run.flush()
    stores.cancel(run.task.id, RUNNING)
    run.stored(picture())
    with pytest.raises(LeaseLost):
        run.flush()
    assert _types(stores, run)[-1] is EventType.CANCEL


def test_generation_ids_differ_between_claims_of_the_same_attempt(run: Run, stores: MemoryStores, clock: Clock):
    stores.write(run.lease, [Requeue(refund=True)])
    again = stores.claim(WORKER, [MODEL], 60)
    assert again is not None
    assert again.lease.attempt == run.lease.attempt
    assert Run(again, stores, clock).generation_id != run.generation_id


def test_progress_tells_speed_and_what_remains():
    payload = progress_payload(Stepped("g", Phase.REFINER, 1, 10, 40), 5.0)
    assert payload == {
        "step": 10,
        "total": 40,
        "phase": Phase.REFINER.value,
        "sample": 1,
        "speed": 2.0,
        "elapsed": 5.0,
        "remaining": 15.0,
    }


def test_progress_at_no_time_divides_by_nothing():
    payload = progress_payload(Stepped("g", Phase.BASE, 0, 1, 4), 0.0)
    assert (payload["speed"], payload["remaining"]) == (0.0, 0.0)
