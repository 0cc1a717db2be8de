"""The board of previews: shown to whoever asks, and gone with the drawing."""

import pytest

from server.domain.errors import LeaseLost
from server.domain.lifecycle import RUNNING, TaskStatus
from server.domain.preview import NewPreview
from server.domain.task import Claimed, Lease
from server.domain.types import TaskId
from server.domain.writes import Move, Requeue
from tests.stores import Stores, broken

ENDED = (TaskStatus.END, TaskStatus.POSTPROCESS_END, TaskStatus.CANCEL)


def preview(step: int = 1) -> NewPreview:
    return NewPreview(sample=0, step=step, total_steps=9, width=16, height=8, jpeg=b"\xff\xd8\0" + bytes([step]))


def drawn(stores: Stores) -> Lease:
    lease = stores.claimed().lease
    stores.drive(lease, TaskStatus.START)
    return lease


def steps(stores: Stores, task_id: TaskId, seen: int = 0) -> list[int]:
    return [shown.step for shown in stores.previews.latest({task_id: seen})]


def redrawn(stores: Stores) -> Claimed:
    claimed = stores.claim()
    stores.drive(claimed.lease, TaskStatus.START)
    return claimed


def test_the_latest_preview_is_seen_by_whoever_has_not_seen_it(stores: Stores):
    lease = drawn(stores)
    stores.previews.ask([lease.task_id], 60)
    assert steps(stores, lease.task_id) == []
    stores.previews.show(lease, preview(1))
    [first] = stores.previews.latest({lease.task_id: 0})
    assert (first.jpeg, first.width, first.height, first.sample) == (b"\xff\xd8\0\x01", 16, 8, 0)
    assert (first.step, first.total_steps, first.task_id, first.attempt) == (1, 9, lease.task_id, 1)

    stores.previews.show(lease, preview(2))
    stores.previews.show(lease, preview(3))
    assert steps(stores, lease.task_id) == [3], "one place per task: the latest wins"
    assert steps(stores, lease.task_id, first.version) == [3]
    [last] = stores.previews.latest({lease.task_id: first.version})
    assert steps(stores, lease.task_id, last.version) == []


def test_asking_holds_for_a_time_and_can_be_repeated(stores: Stores):
    lease = drawn(stores)
    assert stores.previews.asked([lease]) == frozenset()
    stores.previews.ask([lease.task_id], 60)
    stores.previews.ask([lease.task_id], 60)
    assert stores.previews.asked([lease]) == {lease.task_id}
    stores.previews.ask([lease.task_id], -1)
    assert stores.previews.asked([lease]) == frozenset()
    assert stores.previews.asked([]) == frozenset()


def test_a_queued_task_can_be_asked_for(stores: Stores):
    task = stores.submit()
    stores.previews.ask([task.id], 60)
    assert stores.previews.asked([stores.claim().lease]) == {task.id}


def test_what_nobody_asks_for_is_not_kept(stores: Stores):
    never, no_longer = drawn(stores), drawn(stores)
    stores.previews.ask([no_longer.task_id], -1)
    for lease in (never, no_longer):
        stores.previews.show(lease, preview())
        stores.previews.ask([lease.task_id], 60)
        assert steps(stores, lease.task_id) == []


def test_each_task_has_its_own_place(stores: Stores):
    one, two, unwatched = drawn(stores), drawn(stores), drawn(stores)
    stores.previews.ask([two.task_id, one.task_id], 60)
    for lease, step in ((one, 1), (two, 2), (unwatched, 3)):
        stores.previews.show(lease, preview(step))
    seen = dict.fromkeys([one.task_id, two.task_id, unwatched.task_id, TaskId(10_000)], 0)

    assert {shown.task_id: shown.step for shown in stores.previews.latest(seen)} == {one.task_id: 1, two.task_id: 2}
    assert stores.previews.asked([one, unwatched]) == {one.task_id}
    assert list(stores.previews.latest({})) == []


@pytest.mark.parametrize("status", ENDED)
def test_an_end_takes_everything_down(stores: Stores, status: TaskStatus):
    lease = drawn(stores)
    stores.previews.ask([lease.task_id], 60)
    stores.previews.show(lease, preview())
    if status is TaskStatus.CANCEL:
        assert stores.tasks.cancel(lease.task_id, RUNNING)
    else:
        for to in (TaskStatus.END, TaskStatus.POSTPROCESS_START, TaskStatus.POSTPROCESS_END):
            stores.tasks.write(lease, [Move(to)])
            if to is status:
                break

    assert steps(stores, lease.task_id) == []
    stores.previews.ask([lease.task_id], 60)
    assert stores.previews.asked([lease]) == frozenset(), "nobody waits for what has ended"
    with pytest.raises(LeaseLost):
        stores.previews.show(lease, preview())


def test_a_requeue_takes_the_picture_down_and_the_next_attempt_is_watched(stores: Stores):
    first = drawn(stores)
    stores.previews.ask([first.task_id], 60)
    stores.previews.show(first, preview(1))
    [before] = stores.previews.latest({first.task_id: 0})
    stores.tasks.write(first, [Requeue(crashed=True)])
    assert steps(stores, first.task_id) == []

    second = redrawn(stores)
    assert steps(stores, first.task_id) == []
    assert stores.previews.asked([second.lease]) == {first.task_id}
    stores.previews.show(second.lease, preview(2))
    assert steps(stores, first.task_id, before.version) == [2], "whoever saw the first attempt sees the second"


def test_only_the_lease_shows_and_only_while_it_draws(stores: Stores):
    lease = stores.claimed().lease
    stores.previews.ask([lease.task_id], 60)
    with pytest.raises(LeaseLost):
        stores.previews.show(lease, preview())
    stores.drive(lease, TaskStatus.START)
    for wrong in broken(lease).values():
        with pytest.raises(LeaseLost):
            stores.previews.show(wrong, preview())
    assert steps(stores, lease.task_id) == []
