"""What is seen of the queue from a task's place."""

import time

import pytest

from server.domain.errors import NotAuthorized
from server.domain.lifecycle import TaskStatus
from server.domain.task import Ending
from server.domain.types import ProjectId
from server.domain.writes import Move, Requeue, WriteReceipt
from tests.stores import MODEL, PATH, Stores


def test_how_many_come_before_in_the_order_of_the_claim(stores: Stores):
    flood, other = stores.project(), stores.project()
    first = [stores.submit(flood) for _ in range(4)]
    late = stores.submit(other)
    order = [first[0], first[1], late, first[2], first[3]]

    assert [stores.queue.sight(task, 100).ahead for task in order] == [0, 1, 2, 3, 4]
    assert [stores.queue.sight(task, 2).ahead for task in order] == [0, 1, 2, None, None]
    claimed = stores.claim()
    assert stores.queue.sight(late, 100).ahead == 1
    assert stores.queue.sight(late, 100).running == 1
    stores.tasks.write(claimed.lease, [Requeue()])
    assert stores.queue.sight(late, 100).ahead == 2


def test_the_models_recent_successes_and_the_databases_time(stores: Stores):
    for _ in range(3):
        stores.drive(stores.claimed().lease, TaskStatus.POSTPROCESS_END)
    task = stores.submit()
    sight = stores.queue.sight(task, 100)
    assert len(sight.recent) == 3
    assert all(0 <= seconds < 30 for seconds in sight.recent)
    assert (sight.running, sight.held_back) == (0, False)
    assert sight.now == pytest.approx(time.time(), abs=5)
    assert stores.queue.sight(stores.submit(model="easel/other"), 100).recent == []


def test_whether_the_project_is_held_back(stores: Stores):
    project, other = stores.project(), stores.project()
    stores.projects.set_limits(project.id, queued=None, running=1)
    stores.submit(project)
    stores.claim()
    assert stores.queue.sight(stores.submit(project), 100).held_back
    assert not stores.queue.sight(stores.submit(other), 100).held_back


def test_what_a_task_would_see_if_it_were_submitted_now(stores: Stores):
    flood, other, idle = stores.project(), stores.project(), stores.project()
    assert stores.queue.foresight(idle.id, MODEL, 100).ahead == 0
    for _ in range(4):
        stores.submit(flood)
    stores.submit(other)
    for project in (flood, other, idle):
        foreseen = stores.queue.foresight(project.id, MODEL, 100)
        capped = stores.queue.foresight(project.id, MODEL, 0)
        task = stores.submit(project)
        assert foreseen.ahead == stores.queue.sight(task, 100).ahead
        assert capped.ahead is None
        assert (foreseen.running, foreseen.held_back) == (0, False)
    with pytest.raises(NotAuthorized):
        stores.queue.foresight(ProjectId(999), MODEL, 100)


def test_the_models_latest_successes_newest_first_with_their_receipts(stores: Stores):
    done = [stores.claimed().lease for _ in range(3)]
    for lease in done:
        stores.tasks.write(lease, [WriteReceipt({"number": lease.task_id})])
        stores.drive(lease, TaskStatus.POSTPROCESS_END)
    failed = stores.claimed().lease
    for status in PATH[2 : PATH.index(TaskStatus.END)]:
        stores.tasks.write(failed, [Move(status)])
    stores.tasks.write(failed, [Move(TaskStatus.END, ending=Ending("1", "no"))])
    latest = stores.queue.latest(MODEL, 2)
    assert [task.id for task in latest] == [lease.task_id for lease in done[:0:-1]]
    assert [task.receipt for task in latest] == [{"number": task.id} for task in latest]
    assert stores.queue.latest("easel/other", 2) == []
