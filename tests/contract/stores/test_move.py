"""Moves: status and log together, guarded by the transition table and the lease."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from server.domain.errors import LeaseLost
from server.domain.events import EventType, NewEvent
from server.domain.lifecycle import LEASED, RUNNING, TERMINAL, TRANSITIONS, TaskStatus
from server.domain.task import Ending, Lease
from server.domain.types import TaskId, WorkerId
from server.domain.writes import AddFile, Append, Move, Report, Requeue, Write, WriteReceipt
from server.ports import TaskStore
from server.services.story import last_words
from tests.stores import PATH, SUCCESS, Stores, broken, picture

STATUSES = list(TaskStatus)
QUEUE_LAST = [*STATUSES[1:], TaskStatus.QUEUE]


def test_the_whole_way(stores: Stores):
    lease = stores.claimed().lease
    stores.drive(lease, TaskStatus.POSTPROCESS_END)
    story = stores.story(lease.task_id)

    assert [event.type for event in story.events] == [EventType.of(status) for status in PATH]
    assert [event.seq for event in story.events] == list(range(1, 10))
    assert story.task.last_seq == 9
    assert story.task.succeeded
    assert story.task.times == {status: event.at for status, event in zip(PATH, story.events, strict=True)}
    assert [event.at for event in story.events] == sorted(event.at for event in story.events)
    assert {event.attempt for event in story.events[1:]} == {1}


def test_events_before_a_move_are_written_with_it(stores: Stores):
    lease = stores.claimed().lease
    before = [NewEvent(EventType.OUTPUT, {"raw": "ü", "n": [1, None]}), NewEvent(EventType.ERROR, "a line")]
    stores.tasks.write(lease, [Move(TaskStatus.PREPROCESS_START, before=before)])
    story = stores.story(lease.task_id, after=2)

    assert [(event.seq, event.type, event.message) for event in story.events] == [
        (3, EventType.OUTPUT, {"raw": "ü", "n": [1, None]}),
        (4, EventType.ERROR, "a line"),
        (5, EventType.PREPROCESS_START, None),
    ]
    assert story.task.last_seq == 5


def test_the_ending_is_written_with_end(stores: Stores):
    lease = stores.claimed().lease
    stores.tasks.write(lease, [Move(TaskStatus.END, ending=Ending("137", "The engine died."))])
    task = stores.task(lease.task_id)
    assert (task.status, task.pexit, task.message) == (TaskStatus.END, "137", "The engine died.")
    stores.tasks.write(lease, [Move(TaskStatus.POSTPROCESS_START)])
    stores.tasks.write(lease, [Move(TaskStatus.POSTPROCESS_END)])
    assert stores.task(lease.task_id).pexit == "137"


def test_an_ending_belongs_to_end_and_the_queue_to_requeue(stores: Stores):
    lease = stores.claimed().lease
    before = stores.story(lease.task_id)
    with pytest.raises(ValueError, match="END"):
        stores.tasks.write(lease, [Move(TaskStatus.PREPROCESS_START, ending=SUCCESS)])
    with pytest.raises(ValueError, match="Requeue"):
        stores.tasks.write(lease, [Move(TaskStatus.QUEUE)])
    assert stores.story(lease.task_id) == before


def test_a_terminal_status_clears_the_lease_and_no_other_does(stores: Stores):
    lease = stores.claimed().lease
    for status in PATH[2:]:
        assert stores.tasks.held([lease]) == {lease.task_id}
        stores.tasks.write(lease, [Move(status)])
    assert stores.tasks.held([lease]) == frozenset()
    assert stores.tasks.renew([lease], 60) == frozenset()
    assert stores.tasks.take_over(WorkerId("other"), 60) == []


def test_a_worker_may_cancel_what_it_holds(stores: Stores):
    lease = stores.claimed().lease
    stores.tasks.write(lease, [Move(TaskStatus.CANCEL)])
    assert stores.task(lease.task_id).status is TaskStatus.CANCEL
    assert stores.tasks.held([lease]) == frozenset()


def test_only_what_the_table_allows(stores: Stores):
    """From each status, every move it does not lead to is refused, and nothing is written."""
    for status in QUEUE_LAST:
        task_id, lease = stores.task_in(status)
        lease = lease or Lease(task_id=task_id, attempt=0, token="")
        before = stores.story(task_id)
        for to in set(STATUSES) - TRANSITIONS[status] - {TaskStatus.QUEUE}:
            with pytest.raises(LeaseLost):
                stores.tasks.write(lease, [Move(to, before=[NewEvent(EventType.OUTPUT)])])
        assert stores.story(task_id) == before


@pytest.mark.parametrize("status", sorted(LEASED))
def test_all_that_the_table_allows(stores: Stores, status: TaskStatus):
    for to in sorted(TRANSITIONS[status], key=QUEUE_LAST.index):
        task_id, lease = stores.task_in(status)
        if to is TaskStatus.QUEUE:
            stores.tasks.write(lease, [Requeue()])
        else:
            stores.tasks.write(lease, [Move(to)])
        story = stores.story(task_id)
        assert (story.task.status, story.events[-1].type) == (to, EventType.of(to))
        assert story.task.last_seq == story.events[-1].seq == len(story.events)


def _append(tasks: TaskStore, lease: Lease):
    tasks.write(lease, [Append([NewEvent(EventType.OUTPUT, "late")])])


def _report(tasks: TaskStore, lease: Lease):
    tasks.write(lease, [Report({"late": True})])


def _write_receipt(tasks: TaskStore, lease: Lease):
    tasks.write(lease, [WriteReceipt({"miniature": False})])


def _add_file(tasks: TaskStore, lease: Lease):
    tasks.write(lease, [AddFile(picture(7))])


def _requeue(tasks: TaskStore, lease: Lease):
    tasks.write(lease, [Requeue(crashed=True)])


def _end(tasks: TaskStore, lease: Lease):
    tasks.write(lease, [Move(TaskStatus.END, before=[NewEvent(EventType.OUTPUT, "late")], ending=SUCCESS)])


VERBS = [_append, _report, _write_receipt, _add_file, _requeue, _end]
ALLOWED = {
    _append: LEASED,
    _report: LEASED,
    _write_receipt: LEASED,
    _add_file: RUNNING,
    _requeue: RUNNING,
    _end: RUNNING,
}


@pytest.fixture
def refused(stores: Stores):
    """Ask a verb to be refused, with nothing written."""

    def ask(verb: Callable[[TaskStore, Lease], None], lease: Lease, task_id: TaskId):
        before, head = stores.story(task_id), stores.log.heads([task_id])
        with pytest.raises(LeaseLost):
            verb(stores.tasks, lease)
        assert stores.story(task_id) == before
        assert stores.log.heads([task_id]) == head

    return ask


def _works(stores: Stores, verb: Callable[[TaskStore, Lease], None], lease: Lease):
    verb(stores.tasks, lease)
    stores.tasks.cancel(lease.task_id, STATUSES)  # a requeued one is not to be claimed next


def test_a_lease_that_is_almost_right_writes_nothing(stores: Stores, refused):
    lease = stores.claimed().lease
    stores.tasks.write(lease, [Report({"step": 1})])
    stores.tasks.write(lease, [AddFile(picture(0))])
    for almost in broken(lease).values():
        for verb in VERBS:
            refused(verb, almost, lease.task_id)
        assert stores.tasks.held([almost]) == frozenset()
        assert stores.tasks.renew([almost], 60) == frozenset()


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_writes_in_its_statuses_only(stores: Stores, refused, verb):
    for status in STATUSES[1:]:
        task_id, lease = stores.task_in(status)
        if status in ALLOWED[verb]:
            _works(stores, verb, lease)
        else:
            refused(verb, lease, task_id)


def test_after_a_kill_the_worker_writes_nothing(stores: Stores, refused):
    lease = stores.claimed().lease
    stores.tasks.cancel(lease.task_id, RUNNING)
    for verb in VERBS:
        refused(verb, lease, lease.task_id)


def test_after_a_take_over_the_first_holder_writes_nothing(stores: Stores, refused):
    """The attempt is the same, the status is the same: the token alone tells them apart."""
    for verb in VERBS:
        lease = stores.claimed(seconds=-1).lease
        (taken,) = stores.tasks.take_over(WorkerId("other"), 60)
        assert taken.lease.attempt == lease.attempt
        refused(verb, lease, lease.task_id)
        _works(stores, verb, taken.lease)


def test_after_a_refund_the_first_holder_writes_nothing(stores: Stores, refused):
    """The next claim counts the same attempt again: here too the token alone tells them apart."""
    for verb in VERBS:
        first = stores.claimed().lease
        stores.tasks.write(first, [Requeue(refund=True)])
        second = stores.claim().lease
        assert second.attempt == first.attempt
        refused(verb, first, first.task_id)
        _works(stores, verb, second)


def test_while_it_waits_again_its_last_holder_writes_nothing(stores: Stores, refused):
    lease = stores.claimed().lease
    stores.tasks.write(lease, [Requeue()])
    for verb in VERBS:
        refused(verb, lease, lease.task_id)


def test_the_terminal_statuses_stay(stores: Stores):
    for status in TERMINAL:
        task_id, _ = stores.task_in(status)
        assert stores.tasks.cancel(task_id, STATUSES) is None
        assert stores.task(task_id).status is status


def test_what_is_written_together_is_told_in_order(stores: Stores):
    lease = stores.claimed().lease
    line = NewEvent(EventType.ERROR, "a line")
    stores.tasks.write(
        lease,
        [
            Move(TaskStatus.PREPROCESS_START),
            WriteReceipt({"seed": 1}),
            Append((line,)),
            Move(TaskStatus.PREPROCESS_END),
            Move(TaskStatus.ASSIGN),
            Report({"step": 1}),
        ],
    )
    story = stores.story(lease.task_id, after=2)
    assert [event.type for event in story.events] == [
        EventType.PREPROCESS_START,
        EventType.ERROR,
        EventType.PREPROCESS_END,
        EventType.ASSIGN,
    ]
    assert [event.seq for event in story.events] == [3, 4, 5, 6]
    task = story.task
    assert task.status is TaskStatus.ASSIGN
    assert task.receipt == {"seed": 1}
    assert {TaskStatus.PREPROCESS_START, TaskStatus.PREPROCESS_END, TaskStatus.ASSIGN} <= set(task.times)
    assert story.progress is not None
    assert stores.tasks.held([lease]) == {lease.task_id}


def test_a_whole_ending_is_one_write(stores: Stores):
    lease = stores.claimed().lease
    stores.tasks.write(lease, [Move(status) for status in PATH[2:-3]])
    stores.tasks.write(lease, [AddFile(picture()), *last_words(Ending("0"), "said")])
    task = stores.task(lease.task_id)
    assert (task.status, task.pexit, len(task.files)) == (TaskStatus.POSTPROCESS_END, "0", 1)
    assert stores.tasks.held([lease]) == set()


@pytest.mark.parametrize(
    "wrong",
    [
        [Move(TaskStatus.PREPROCESS_START), Move(TaskStatus.ASSIGN)],
        [WriteReceipt({"seed": 2}), Append((NewEvent(EventType.ERROR, "x"),)), Move(TaskStatus.START)],
        [Report({"step": 9}), Move(TaskStatus.PREPROCESS_START), Move(TaskStatus.POSTPROCESS_END)],
    ],
    ids=["a move that skips one", "a move too early", "a move far too early"],
)
def test_of_what_is_written_together_all_or_nothing_is_there(stores: Stores, wrong: list[Write]):
    lease = stores.claimed().lease
    before = stores.story(lease.task_id)
    with pytest.raises(LeaseLost):
        stores.tasks.write(lease, wrong)
    assert stores.story(lease.task_id) == before
    stores.tasks.write(lease, [Move(TaskStatus.PREPROCESS_START)])  # it is held as ever


def test_nobody_elses_lease_writes_anything(stores: Stores):
    lease = replace(stores.claimed().lease, token="another")
    before = stores.story(lease.task_id)
    for writes in ([Report({"step": 1})], [AddFile(picture())], [Append((NewEvent(EventType.ERROR, "x"),))]):
        with pytest.raises(LeaseLost):
            stores.tasks.write(lease, writes)
    assert stores.story(lease.task_id) == before
