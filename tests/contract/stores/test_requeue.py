"""Going back to the queue, and what an attempt leaves behind: nothing."""

import pytest

from server.domain.events import EventType, NewEvent
from server.domain.lifecycle import RUNNING, TaskStatus
from server.domain.writes import AddFile, Append, Move, Report, Requeue
from tests.stores import Stores, picture


def test_a_requeued_task_waits_as_if_new_but_remembers_its_tries(stores: Stores):
    lease = stores.claimed().lease
    stores.drive(lease, TaskStatus.START)
    submitted = stores.task(lease.task_id).times[TaskStatus.QUEUE]
    stores.tasks.write(lease, [AddFile(file := picture())])
    stores.tasks.write(lease, [Report({"step": 7})])
    stores.tasks.write(lease, [Requeue()])
    story = stores.story(lease.task_id)

    assert (story.task.status, story.task.attempt, story.task.crashes) == (TaskStatus.QUEUE, 1, 0)
    assert story.task.times == {TaskStatus.QUEUE: submitted}
    assert (story.task.files, story.progress) == ((), None)
    assert stores.tasks.find_file(file.access_key) is None
    assert story.events[-1].type is EventType.QUEUE
    assert story.events[-1].at >= submitted
    assert story.events[-1].attempt == story.task.attempt
    assert story.task.last_seq == story.events[-1].seq == 7
    assert stores.tasks.held([lease]) == frozenset()


@pytest.mark.parametrize(
    ("crashed", "refund", "attempt", "crashes"),
    [(False, False, 1, 0), (True, False, 1, 1), (False, True, 0, 0), (True, True, 0, 1)],
)
def test_attempts_and_crashes_are_counted_apart(stores: Stores, crashed, refund, attempt, crashes):
    lease = stores.claimed().lease
    stores.tasks.write(lease, [Requeue(crashed=crashed, refund=refund)])
    task = stores.task(lease.task_id)
    assert (task.attempt, task.crashes) == (attempt, crashes)
    again = stores.claim()
    assert (again.task.attempt, again.lease.attempt, again.task.crashes) == (attempt + 1, attempt + 1, crashes)


def test_crashes_add_up(stores: Stores):
    lease = stores.claimed().lease
    for _ in range(3):
        stores.tasks.write(lease, [Requeue(crashed=True)])
        lease = stores.claim().lease
    assert (stores.task(lease.task_id).crashes, lease.attempt) == (3, 4)


def test_the_story_goes_on_under_the_next_numbers(stores: Stores):
    first = stores.claimed().lease
    stores.tasks.write(first, [Append([NewEvent(EventType.OUTPUT, "one")])])
    stores.tasks.write(first, [Requeue()])
    second = stores.claim().lease
    stores.tasks.write(second, [Move(TaskStatus.PREPROCESS_START)])
    story = stores.story(first.task_id)

    assert [(event.seq, event.attempt, event.type) for event in story.events] == [
        (1, 0, EventType.QUEUE),
        (2, 1, EventType.ACCEPT),
        (3, 1, EventType.OUTPUT),
        (4, 1, EventType.QUEUE),
        (5, 2, EventType.ACCEPT),
        (6, 2, EventType.PREPROCESS_START),
    ]
    assert set(story.task.times) == {TaskStatus.QUEUE, TaskStatus.ACCEPT, TaskStatus.PREPROCESS_START}
    assert story.task.times[TaskStatus.ACCEPT] == story.events[4].at


@pytest.mark.parametrize("refund", [False, True])
def test_files_are_those_of_the_current_attempt(stores: Stores, refund):
    first = stores.claimed().lease
    stores.tasks.write(first, [AddFile(picture(0))])
    stores.tasks.write(first, [AddFile(picture(1))])
    stores.tasks.write(first, [Requeue(refund=refund)])
    again = stores.claim()
    assert again.task.files == ()
    stores.tasks.write(again.lease, [AddFile(mine := picture(0))])
    assert [(file.key, file.attempt) for file in stores.task(first.task_id).files] == [(mine.key, again.lease.attempt)]


@pytest.mark.parametrize("refund", [False, True])
def test_the_progress_version_never_falls(stores: Stores, refund):
    first = stores.claimed().lease
    for step in range(3):
        stores.tasks.write(first, [Report({"step": step})])
    assert stores.story(first.task_id).progress.version == 3
    stores.tasks.write(first, [Requeue(refund=refund)])
    assert stores.log.heads([first.task_id])[first.task_id].progress_version >= 3
    second = stores.claim().lease
    assert stores.story(first.task_id).progress is None
    stores.tasks.write(second, [Report({"step": 0})])
    progress = stores.story(first.task_id).progress
    assert (progress.version > 3, progress.attempt, progress.payload) == (True, second.attempt, {"step": 0})


def test_every_running_status_may_be_handed_back(stores: Stores):
    for status in sorted(RUNNING):
        task_id, lease = stores.task_in(status)
        stores.tasks.write(lease, [Requeue()])
        assert stores.claim().task.id == task_id
