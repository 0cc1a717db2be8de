"""Reading the log: heads and stories."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event

from server.domain.events import EventType, NewEvent
from server.domain.lifecycle import TaskStatus
from server.domain.task import Head
from server.domain.types import TaskId
from server.domain.writes import Append, Move, Report
from tests.stores import PATH, Stores


def test_heads_say_how_far_each_task_has_come(stores: Stores):
    lease = stores.claimed().lease
    stores.tasks.write(lease, [Report({"step": 1})])
    stores.tasks.write(lease, [Report({"step": 2})])
    queued = stores.submit()

    assert stores.log.heads([lease.task_id, queued.id, TaskId(4711)]) == {
        lease.task_id: Head(last_seq=2, progress_version=2),
        queued.id: Head(last_seq=1, progress_version=0),
    }
    assert stores.log.heads([]) == {}


def test_many_heads_at_once(stores: Stores):
    project = stores.project()
    ids = [stores.submit(project).id for _ in range(3)]
    assert set(stores.log.heads([*ids[:2], *range(10_000, 13_000), ids[2]])) == set(ids)


def test_a_story_begins_after_what_is_known(stores: Stores):
    lease = stores.claimed().lease
    stores.drive(lease, TaskStatus.START)
    assert [event.seq for event in stores.story(lease.task_id, after=4).events] == [5, 6]
    assert stores.story(lease.task_id, after=6).events == ()
    assert stores.story(lease.task_id, after=99).events == ()
    assert stores.log.story(TaskId(4711)) is None


def test_appended_events_take_the_next_numbers(stores: Stores):
    lease = stores.claimed().lease
    stores.tasks.write(lease, [Append([NewEvent(EventType.OUTPUT, number) for number in range(3)])])
    stores.tasks.write(lease, [Append([])])
    stores.tasks.write(lease, [Append([NewEvent(EventType.ERROR, "last")])])
    story = stores.story(lease.task_id, after=2)

    assert [(event.seq, event.message) for event in story.events] == [(3, 0), (4, 1), (5, 2), (6, "last")]
    assert (story.task.last_seq, story.task.status) == (6, TaskStatus.ACCEPT)


def test_messages_come_back_as_they_were(stores: Stores):
    lease = stores.claimed().lease
    messages = [None, True, 0, -1.5, "", '"quoted"', "null", "12", "\u2028 \U0001f98a", [], {}, {"a": [{"b": None}]}]
    stores.tasks.write(lease, [Append([NewEvent(EventType.OUTPUT, message) for message in messages])])
    assert [event.message for event in stores.story(lease.task_id, after=2).events] == messages


def test_progress_is_one_overwritten_row_outside_the_log(stores: Stores):
    lease = stores.claimed().lease
    assert stores.story(lease.task_id).progress is None
    for step in range(1, 4):
        stores.tasks.write(lease, [Report({"step": step})])
        progress = stores.story(lease.task_id).progress
        assert (progress.version, progress.attempt, progress.payload) == (step, 1, {"step": step})
    assert stores.task(lease.task_id).last_seq == 2


def test_progress_may_be_empty(stores: Stores):
    lease = stores.claimed().lease
    stores.tasks.write(lease, [Report({})])
    assert stores.story(lease.task_id).progress.payload == {}


def test_a_story_is_one_moment(stores: Stores):
    """While a task runs to its end, every story read meanwhile agrees with itself."""
    lease = stores.claimed().lease
    over = Event()

    def read():
        stories = []
        while not over.is_set():
            stories.append(stores.story(lease.task_id))
        return stories

    with ThreadPoolExecutor(3) as pool:
        readers = [pool.submit(read) for _ in range(3)]
        try:
            for status in PATH[2:]:
                for number in range(4):
                    stores.tasks.write(lease, [Append([NewEvent(EventType.OUTPUT, number)] * 2)])
                stores.tasks.write(lease, [Move(status, before=[NewEvent(EventType.OUTPUT, "before")])])
        finally:
            over.set()
    statuses = {EventType.of(status) for status in TaskStatus}
    for story in (story for reader in readers for story in reader.result()):
        assert [event.seq for event in story.events] == list(range(1, story.task.last_seq + 1))
        last = [event.type for event in story.events if event.type in statuses][-1]
        assert last == EventType.of(story.task.status)


def test_writers_at_once_leave_no_gap(stores: Stores):
    lease = stores.claimed().lease

    def write(number: int):
        for _ in range(10):
            stores.tasks.write(lease, [Append([NewEvent(EventType.OUTPUT, number)] * 2)])
            stores.tasks.write(lease, [Report({"of": number})])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    story = stores.story(lease.task_id)
    assert [event.seq for event in story.events] == list(range(1, 83))
    assert [event.at for event in story.events] == sorted(event.at for event in story.events)
    assert story.progress.version == 40
