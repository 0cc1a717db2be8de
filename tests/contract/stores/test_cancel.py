"""Cancel and kill: exactly one winner."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from server.domain.errors import LeaseLost
from server.domain.events import EventType, NewEvent
from server.domain.lifecycle import LEASED, RUNNING, TERMINAL, TaskStatus, sources_of
from server.domain.types import TaskId
from server.domain.writes import AddFile, Move
from tests.stores import SUCCESS, Stores, picture

EVERYTHING = frozenset(TaskStatus)
QUEUED = frozenset({TaskStatus.QUEUE})


@pytest.mark.parametrize("sources", [QUEUED, RUNNING, EVERYTHING, frozenset()], ids=["queued", "running", "all", "no"])
def test_a_cancel_needs_both_the_sources_and_the_table(stores: Stores, sources: frozenset[TaskStatus]):
    for status in (*LEASED, *TERMINAL, TaskStatus.QUEUE):
        task_id, lease = stores.task_in(status)
        if status in sources & sources_of(TaskStatus.CANCEL):
            _cancelled(stores, task_id, sources)
            assert stores.tasks.held([lease] if lease else []) == frozenset()
        else:
            before = stores.story(task_id)
            assert stores.tasks.cancel(task_id, sources) is None
            assert stores.story(task_id) == before


def _cancelled(stores: Stores, task_id: TaskId, sources: frozenset[TaskStatus]):
    before = stores.story(task_id)
    cancelled = stores.tasks.cancel(task_id, sources)
    after = stores.story(task_id)
    assert cancelled == after.task
    assert cancelled.status is TaskStatus.CANCEL
    assert cancelled.times == {**before.task.times, TaskStatus.CANCEL: after.events[-1].at}
    assert after.events == (*before.events, after.events[-1])
    assert (after.events[-1].type, after.events[-1].seq) == (EventType.CANCEL, before.task.last_seq + 1)
    assert cancelled.pexit == ""


def test_there_is_nothing_to_cancel(stores: Stores):
    assert stores.tasks.cancel(TaskId(4711), EVERYTHING) is None


def test_a_cancelled_task_is_not_claimed_and_cancelled_once(stores: Stores):
    task = stores.submit()
    assert stores.tasks.cancel(task.id, QUEUED)
    assert stores.tasks.cancel(task.id, EVERYTHING) is None
    assert stores.tasks.claim("worker", [task.model], 60) is None


def test_a_killed_task_keeps_what_was_finished(stores: Stores):
    lease = stores.claimed().lease
    stores.tasks.write(lease, [AddFile(file := picture())])
    killed = stores.tasks.cancel(lease.task_id, RUNNING)
    assert [kept.key for kept in killed.partial_outputs] == [file.key]


def test_a_kill_and_an_end_at_once(stores: Stores):
    for _ in range(8):
        _kill_and_end(stores)


def _kill_and_end(stores: Stores):
    lease = stores.claimed().lease
    stores.drive(lease, TaskStatus.START)
    start = Barrier(2)

    def kill():
        start.wait()
        return stores.tasks.cancel(lease.task_id, RUNNING) is not None

    def end():
        start.wait()
        try:
            stores.tasks.write(lease, [Move(TaskStatus.END, before=[NewEvent(EventType.OUTPUT_FULL)], ending=SUCCESS)])
        except LeaseLost:
            return False
        return True

    with ThreadPoolExecutor(2) as pool:
        killing, ending = pool.submit(kill), pool.submit(end)
    story = stores.story(lease.task_id)
    assert killing.result() != ending.result()
    assert [event.seq for event in story.events] == list(range(1, story.task.last_seq + 1))
    assert story.events[-1].type == EventType.of(story.task.status)
    assert story.task.status is (TaskStatus.CANCEL if killing.result() else TaskStatus.END)
    assert story.task.pexit == ("" if killing.result() else "0")


def test_eight_kills_at_once_have_one_winner(stores: Stores):
    lease = stores.claimed().lease
    start = Barrier(8)

    def kill(_):
        start.wait()
        return stores.tasks.cancel(lease.task_id, RUNNING)

    with ThreadPoolExecutor(8) as pool:
        won = [task for task in pool.map(kill, range(8)) if task]
    assert len(won) == 1
    assert [event.type for event in stores.story(lease.task_id).events][-1:] == [EventType.CANCEL]
    assert stores.task(lease.task_id).last_seq == 3
