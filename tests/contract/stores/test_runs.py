"""What became of runs, counted alike by every store."""

import pytest
from sqlalchemy import update

from server.adapters.sql.tables import TASKS
from server.domain.lifecycle import TaskStatus
from server.domain.runs import RunCount, Runs
from server.domain.task import Ending
from server.domain.types import TaskId
from server.domain.writes import Move
from tests.stores import MODEL, Stores, memory_stores, open_sql_stores


def _end(stores: Stores, pexit: str) -> TaskId:
    lease = stores.claimed().lease
    stores.drive(lease, TaskStatus.START)
    stores.tasks.write(lease, [Move(TaskStatus.END, ending=Ending(pexit))])
    stores.tasks.write(lease, [Move(TaskStatus.POSTPROCESS_START)])
    stores.tasks.write(lease, [Move(TaskStatus.POSTPROCESS_END)])
    return lease.task_id


def _counts(runs: Runs) -> tuple[int, int, int]:
    return runs.total, runs.succeeded, runs.failed


def test_an_empty_store(stores: Stores):
    assert stores.counter.count_runs(TaskId(0)) == RunCount(settled_until=TaskId(0))


def test_runs_by_model_and_outcome(stores: Stores):
    ends = [_end(stores, pexit) for pexit in ("0", "0", "1", "137")]
    stores.task_in(TaskStatus.CANCEL)
    queued = stores.task(stores.submit().id)
    other = stores.task(stores.submit(model="me/other").id)
    counted = stores.counter.count_runs(TaskId(0))

    assert counted.settled_until == 0, "all of them are young"
    assert counted.settled == {}
    assert {model: _counts(runs) for model, runs in counted.others.items()} == {MODEL: (6, 2, 2), "me/other": (1, 0, 0)}
    drawn = [stores.task(task_id).times for task_id in ends[:2]]
    seconds = sum(times[TaskStatus.END] - times[TaskStatus.START] for times in drawn)
    assert counted.others[MODEL].seconds == pytest.approx(seconds)
    assert counted.others[MODEL].last_at == queued.times[TaskStatus.QUEUE]
    assert counted.others["me/other"].last_at == other.times[TaskStatus.QUEUE]


def test_an_outcome_counts_as_soon_as_it_is_visible(stores: Stores):
    stores.task_in(TaskStatus.END)

    assert _counts(stores.counter.count_runs(TaskId(0)).others[MODEL]) == (1, 1, 0)


def test_only_what_lies_behind_is_counted(stores: Stores):
    first, second = _end(stores, "0"), _end(stores, "1")

    assert _counts(stores.counter.count_runs(first).others[MODEL]) == (1, 0, 1)
    assert stores.counter.count_runs(second) == RunCount(settled_until=second)
    assert stores.counter.count_runs(TaskId(second + 5)) == RunCount(settled_until=TaskId(second + 5))


@pytest.fixture(params=["memory", "sqlite_database_url", "postgres_url"])
def aged(request: pytest.FixtureRequest):
    """Stores, and a word that makes every task in them an hour old."""
    if request.param == "memory":
        stores = memory_stores()
        yield stores, lambda: setattr(stores.counter, "_now", lambda: 4e9)
        return
    with open_sql_stores(request.getfixturevalue(request.param)) as stores:
        assert stores.database
        database = stores.database
        change = update(TASKS).values({"task_queue_at": TASKS.c["task_queue_at"] - 3600})
        yield stores, lambda: database.write(lambda connection: connection.execute(change))


def test_all_before_the_first_open_task_is_settled(aged):
    stores, age = aged
    done = [_end(stores, pexit) for pexit in ("0", "1")]
    cancelled, _ = stores.task_in(TaskStatus.CANCEL)
    ending, _ = stores.task_in(TaskStatus.END)
    later = _end(stores, "0")
    age()
    counted = stores.counter.count_runs(TaskId(0))

    assert counted.settled_until == cancelled == ending - 1
    assert _counts(counted.settled[MODEL]) == (3, 1, 1)
    assert _counts(counted.others[MODEL]) == (2, 2, 0)
    behind = stores.counter.count_runs(counted.settled_until)
    assert (behind.settled_until, behind.settled, behind.others) == (cancelled, {}, counted.others)
    assert done[-1] < cancelled < later


def test_where_all_is_settled(aged):
    stores, age = aged
    last = [_end(stores, pexit) for pexit in ("0", "0")][-1]
    age()

    counted = stores.counter.count_runs(TaskId(0))
    assert (counted.settled_until, counted.others) == (last, {})
    assert _counts(counted.settled[MODEL]) == (2, 2, 0)
