"""What is seen of the queue from a task's place."""

import time

import pytest

from server.domain.lifecycle import TaskStatus
from tests.stores import Stores


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
    stores.tasks.requeue(claimed.lease)
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
