"""The receipt of a task: what its attempt is drawn with."""

from server.domain.lifecycle import RUNNING, TaskStatus
from server.domain.types import WorkerId
from server.domain.writes import Move, Requeue, WriteReceipt
from server.ports import PageQuery
from tests.stores import Stores

RECEIPT = {
    "miniature": True,
    "weights": {"name": "miniature", "note": "Drawn with …"},
    "words": {"unknown": ["ä", "狐"]},
    "none": None,
}


def test_a_receipt_is_read_with_the_task_everywhere(stores: Stores):
    project = stores.project()
    stores.submit(project)
    lease = stores.claim().lease
    token = stores.task(lease.task_id).token
    assert stores.task(lease.task_id).receipt == {}

    stores.tasks.write(lease, [WriteReceipt(RECEIPT)])

    found = stores.tasks.find(project.id, lease.task_id), stores.tasks.find_by_token(token)
    listed = stores.tasks.page(project.id, PageQuery()).tasks
    assert [task and task.receipt for task in (*found, *listed, stores.task(lease.task_id))] == [RECEIPT] * 4
    assert stores.story(lease.task_id).events[-1].seq == 2, "a receipt is no event"


def test_a_later_receipt_takes_the_earlier_ones_place(stores: Stores):
    lease = stores.claimed().lease
    stores.tasks.write(lease, [WriteReceipt(RECEIPT)])
    stores.tasks.write(lease, [WriteReceipt({"miniature": False})])

    assert stores.task(lease.task_id).receipt == {"miniature": False}


def test_each_task_has_its_own(stores: Stores):
    one, two = stores.claimed().lease, stores.claimed().lease
    stores.tasks.write(one, [WriteReceipt({"number": 1})])
    stores.tasks.write(two, [WriteReceipt({"number": 2})])

    assert [stores.task(lease.task_id).receipt for lease in (one, two)] == [{"number": 1}, {"number": 2}]


def test_it_outlives_the_end_and_a_kill(stores: Stores):
    done, killed = stores.claimed().lease, stores.claimed().lease
    for lease in (done, killed):
        stores.tasks.write(lease, [WriteReceipt(RECEIPT)])
    stores.drive(done, TaskStatus.POSTPROCESS_END)
    task = stores.tasks.cancel(killed.task_id, RUNNING)

    assert task is not None
    assert [task.receipt, stores.task(done.task_id).receipt, stores.task(killed.task_id).receipt] == [RECEIPT] * 3


def test_a_requeued_task_has_none_until_it_is_drawn_again(stores: Stores):
    first = stores.claimed().lease
    stores.tasks.write(first, [WriteReceipt(RECEIPT)])
    stores.tasks.write(first, [Requeue(refund=True)])
    assert stores.task(first.task_id).receipt == {}

    second = stores.claim()
    assert second.task.receipt == {}
    stores.tasks.write(second.lease, [WriteReceipt({"attempt": "second"})])
    assert stores.task(first.task_id).receipt == {"attempt": "second"}


def test_whoever_takes_a_task_over_keeps_its_receipt(stores: Stores):
    lease = stores.claimed(seconds=-1).lease
    stores.tasks.write(lease, [WriteReceipt(RECEIPT)])
    (taken,) = stores.tasks.take_over(WorkerId("other"), 60)
    stores.tasks.write(taken.lease, [Move(TaskStatus.PREPROCESS_START)])

    assert stores.task(lease.task_id).receipt == RECEIPT
