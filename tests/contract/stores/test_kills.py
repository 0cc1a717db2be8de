"""The kill receipt: written after a task is over, and nothing else of the task changes by it."""

from dataclasses import replace

import pytest

from server.domain.kill import Killed, Means
from server.domain.lifecycle import RUNNING, TaskStatus
from server.domain.task import Lease
from server.domain.writes import Requeue
from server.ports import PageQuery
from tests.stores import Stores


def killed(lease: Lease, means: Means = Means.BOUNDARY) -> Killed:
    return Killed(
        task_id=lease.task_id, attempt=lease.attempt, phase="base", step=3, total_steps=40, means=means
    )  # fmt: skip


def kill(stores: Stores) -> Lease:
    lease = stores.claimed().lease
    assert stores.tasks.cancel(lease.task_id, RUNNING)
    return lease


def test_it_is_read_with_the_task_everywhere_and_changes_nothing_else(stores: Stores):
    lease = kill(stores)
    before = stores.story(lease.task_id)

    stores.tasks.write_kill(killed(lease), 0.0)

    task = stores.task(lease.task_id)
    assert task.kill is not None
    assert (task.kill.phase, task.kill.step, task.kill.total_steps, task.kill.means) == ("base", 3, 40, "step boundary")
    assert 0 <= task.kill.milliseconds < 60_000
    assert replace(task, kill=None) == before.task
    assert stores.story(lease.task_id).events == before.events, "a receipt is no event"
    found = stores.tasks.find(task.project_id, task.id), stores.tasks.find_by_token(task.token)
    listed = stores.tasks.page(task.project_id, PageQuery()).tasks
    assert [each and each.kill for each in (*found, *listed)] == [task.kill] * 3


def test_time_counts_from_the_kill_to_when_the_device_was_free(stores: Stores):
    now, earlier = kill(stores), kill(stores)
    stores.tasks.write_kill(killed(now), -5.0)
    stores.tasks.write_kill(killed(earlier), 3600.0)

    late, clamped = (stores.task(lease.task_id).kill for lease in (now, earlier))
    assert late is not None
    assert clamped is not None
    assert 5000 <= late.milliseconds < 65_000
    assert clamped.milliseconds == 0, "clocks differ a little; no device was free before the kill"


def test_the_first_one_counts(stores: Stores):
    lease = kill(stores)
    stores.tasks.write_kill(killed(lease), 0.0)
    first = stores.task(lease.task_id).kill
    stores.tasks.write_kill(killed(lease, Means.SIGKILL), -9.0)

    assert stores.task(lease.task_id).kill == first


@pytest.mark.parametrize("status", [status for status in TaskStatus if status is not TaskStatus.CANCEL])
def test_a_task_that_was_not_killed_gets_none(stores: Stores, status: TaskStatus):
    task_id, lease = stores.task_in(status)
    stores.tasks.write_kill(killed(lease or Lease(task_id=task_id, attempt=0, token="")), 0.0)

    assert stores.task(task_id).kill is None


def test_neither_does_another_attempt_or_a_missing_task(stores: Stores):
    lease = kill(stores)
    stores.tasks.write_kill(replace(killed(lease), attempt=lease.attempt + 1), 0.0)
    stores.tasks.write_kill(replace(killed(lease), task_id=lease.task_id + 1000), 0.0)

    assert stores.task(lease.task_id).kill is None


def test_nor_one_that_was_cancelled_back_in_the_queue(stores: Stores):
    lease = stores.claimed().lease
    stores.tasks.write(lease, [Requeue(crashed=True)])
    assert stores.tasks.cancel(lease.task_id, [TaskStatus.QUEUE])
    stores.tasks.write_kill(killed(lease), 0.0)

    assert stores.task(lease.task_id).kill is None
