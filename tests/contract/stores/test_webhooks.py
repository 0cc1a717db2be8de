"""The outbox: written with the end of a task, taken under leases, kept until it is settled."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier

import pytest

from server.domain.errors import LeaseLost
from server.domain.lifecycle import FINISHING, RUNNING, TERMINAL, TaskStatus
from server.domain.types import TaskId
from server.domain.webhook import Due, Verdict, Webhook, WebhookId, WebhookState
from server.domain.writes import AddFile, Move, Requeue
from tests.stores import SUCCESS, Stores, new_task, picture

DONE = Verdict(state=WebhookState.DELIVERED, pause=None, status=204, reason="")
DEAD = Verdict(state=WebhookState.FAILED, pause=None, status=410, reason="gone")
AGAIN = Verdict(state=WebhookState.PENDING, pause=300, status=503, reason="the receiver answered 503")
AT_ONCE = replace(AGAIN, pause=0)
EVERYTHING = frozenset(TaskStatus)
URL = "https://example.org/done"


def _ended(stores: Stores, url: str = URL) -> TaskId:
    """A task that ended well, and so a webhook; the queue must be empty."""
    task = stores.tasks.submit(replace(new_task(stores.project().id), callback_url=url))
    lease = stores.claim().lease
    stores.drive(lease, TaskStatus.POSTPROCESS_END)
    return task.id


def _webhook(stores: Stores, task_id: TaskId) -> Webhook:
    (webhook,) = stores.webhooks.of_tasks([task_id])[task_id]
    return webhook


def _take(stores: Stores, limit: int = 10, seconds: float = 60, **which) -> list[Due]:
    return list(stores.webhooks.take(limit, seconds, **which))


# ── when a webhook is owed ───────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("status", sorted(TaskStatus))
def test_a_webhook_is_owed_from_the_end_of_a_task_on_and_not_before(stores: Stores, status: TaskStatus):
    task_id, _ = stores.task_in(status)
    if status not in TERMINAL:
        assert stores.webhooks.of_tasks([task_id]) == {}
        assert _take(stores) == []
        return
    webhook = _webhook(stores, task_id)
    task = stores.task(task_id)
    assert (webhook.task_id, webhook.url, webhook.endpoint) == (task_id, URL, "example.org:443")
    assert (webhook.state, webhook.tries, webhook.attempts) == (WebhookState.PENDING, 0, ())
    assert webhook.next_at is not None
    assert abs(webhook.created_at - task.times[status]) < 5
    assert [due.webhook.id for due in _take(stores)] == [webhook.id]


def test_a_task_without_a_callback_url_owes_nothing(stores: Stores):
    task_id = _ended(stores, url="")
    assert stores.task(task_id).terminal
    assert stores.webhooks.of_tasks([task_id]) == {}


def test_a_cancel_in_the_queue_interrupts_nothing_and_is_not_told(stores: Stores):
    task = stores.submit()
    assert stores.tasks.cancel(task.id, EVERYTHING)
    assert stores.webhooks.of_tasks([task.id]) == {}


def test_nor_one_after_the_task_came_back_to_the_queue(stores: Stores):
    lease = stores.claimed().lease
    stores.tasks.write(lease, [Requeue()])
    assert stores.tasks.cancel(lease.task_id, EVERYTHING)
    assert stores.webhooks.of_tasks([lease.task_id]) == {}


@pytest.mark.parametrize("status", sorted(RUNNING))
def test_a_cancel_that_interrupted_work_is_told(stores: Stores, status: TaskStatus):
    task_id, _ = stores.task_in(status)
    assert stores.tasks.cancel(task_id, EVERYTHING)
    assert _webhook(stores, task_id).state is WebhookState.PENDING


def test_a_move_that_is_refused_owes_nothing(stores: Stores):
    lease = stores.claimed().lease
    stores.drive(lease, TaskStatus.POSTPROCESS_START)
    with pytest.raises(LeaseLost):
        stores.tasks.write(replace(lease, token="0" * 32), [Move(TaskStatus.POSTPROCESS_END)])
    assert stores.webhooks.of_tasks([lease.task_id]) == {}
    stores.tasks.write(lease, [Move(TaskStatus.POSTPROCESS_END)])
    with pytest.raises(LeaseLost):
        stores.tasks.write(lease, [Move(TaskStatus.POSTPROCESS_END)])
    assert len(stores.webhooks.of_tasks([lease.task_id])[lease.task_id]) == 1


def test_a_rescued_task_owes_one_too(stores: Stores):
    lease = stores.claimed(seconds=-1).lease
    stores.drive(lease, TaskStatus.END)
    (taken,) = stores.tasks.take_over("rescuer", 60)
    assert taken.task.status in FINISHING
    stores.tasks.write(taken.lease, [Move(TaskStatus.POSTPROCESS_START)])
    stores.tasks.write(taken.lease, [Move(TaskStatus.POSTPROCESS_END)])
    assert _webhook(stores, taken.task.id)


# ── taking ───────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_what_is_taken_comes_with_its_task_and_its_files(stores: Stores):
    lease = stores.claimed().lease
    stores.drive(lease, TaskStatus.START)
    stores.tasks.write(lease, [AddFile(file := picture())])
    for status in (TaskStatus.END, TaskStatus.POSTPROCESS_START, TaskStatus.POSTPROCESS_END):
        stores.tasks.write(lease, [Move(status, ending=SUCCESS if status is TaskStatus.END else None)])
    (due,) = _take(stores)
    assert due.task == stores.task(lease.task_id)
    assert [output.key for output in due.task.outputs] == [file.key]
    assert due.webhook.uuid.startswith("msg_")
    assert "." not in due.webhook.uuid
    assert abs(due.at - due.webhook.created_at) < 5


def test_what_is_taken_is_not_taken_again_while_its_lease_holds(stores: Stores):
    _ended(stores)
    assert len(_take(stores)) == 1
    assert _take(stores) == []


def test_what_nobody_recorded_is_sent_again_under_the_same_id(stores: Stores):
    """An API process that was killed between sending and recording."""
    _ended(stores)
    (first,) = _take(stores, seconds=-1)
    (second,) = _take(stores)
    assert second.webhook == first.webhook
    assert second.lease != first.lease
    with pytest.raises(LeaseLost):
        stores.webhooks.record(first.lease, DONE)
    stores.webhooks.record(second.lease, DONE)
    assert len(_webhook(stores, first.task.id).attempts) == 1


def test_of_one_endpoint_only_two_are_out_and_the_others_are_not_held_up(stores: Stores):
    slow = [_ended(stores, "http://slow.test/1") for _ in range(5)]
    _ended(stores, "http://quick.test/1")
    taken = _take(stores)
    assert sorted(due.webhook.endpoint for due in taken) == ["quick.test:80", "slow.test:80", "slow.test:80"]
    assert [due.task.id for due in taken if due.webhook.endpoint == "slow.test:80"] == slow[:2]
    assert _take(stores) == []
    stores.webhooks.record(next(due for due in taken if due.task.id == slow[0]).lease, DONE)
    assert [due.task.id for due in _take(stores)] == [slow[2]]


def test_endpoints_can_be_avoided_or_asked_for(stores: Stores):
    for host in ("a", "b", "b", "c"):
        _ended(stores, f"http://{host}.test/")
    assert [due.webhook.endpoint for due in _take(stores, only=["b.test:80", "z.test:80"], each=1)] == ["b.test:80"]
    assert [due.webhook.endpoint for due in _take(stores, avoid=["a.test:80", "b.test:80"])] == ["c.test:80"]
    assert [due.webhook.endpoint for due in _take(stores, limit=1)] == ["a.test:80"]
    assert _take(stores, only=[]) == []


def test_eight_takers_at_once_take_each_webhook_once(stores: Stores):
    for number in range(6):
        _ended(stores, f"http://host-{number}.test/")
    start = Barrier(8)

    def take(_):
        start.wait()
        return _take(stores, limit=3)

    with ThreadPoolExecutor(8) as pool:
        taken = [due.webhook.id for dues in pool.map(take, range(8)) for due in dues]
    assert len(taken) == len(set(taken))
    assert len(taken) >= 3


# ── recording ────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_a_failure_waits_for_its_next_attempt(stores: Stores):
    task_id = _ended(stores)
    (due,) = _take(stores)
    stores.webhooks.record(due.lease, AGAIN)
    webhook = _webhook(stores, task_id)
    (attempt,) = webhook.attempts
    assert (attempt.number, attempt.status, attempt.reason) == (1, 503, AGAIN.reason)
    assert webhook.next_at is not None
    assert 299 < webhook.next_at - attempt.at < 301
    assert (webhook.tries, webhook.state, webhook.uuid) == (1, WebhookState.PENDING, due.webhook.uuid)
    assert _take(stores) == []


@pytest.mark.parametrize("last", [DONE, DEAD])
def test_what_is_settled_is_not_taken_again(stores: Stores, last: Verdict):
    task_id = _ended(stores)
    for verdict in (AT_ONCE, AT_ONCE, last):
        (due,) = _take(stores)
        stores.webhooks.record(due.lease, verdict)
    webhook = _webhook(stores, task_id)
    assert (webhook.state, webhook.tries, webhook.next_at) == (last.state, 3, None)
    assert [(attempt.number, attempt.status) for attempt in webhook.attempts] == [(1, 503), (2, 503), (3, last.status)]
    assert _take(stores) == []


def test_an_attempt_is_recorded_once(stores: Stores):
    _ended(stores)
    (due,) = _take(stores)
    stores.webhooks.record(due.lease, DONE)
    with pytest.raises(LeaseLost):
        stores.webhooks.record(due.lease, DONE)


# ── looking and asking again ─────────────────────────────────────────────────────────────────────────────────────────
def test_the_newest_come_first_and_dead_letters_can_be_asked_for(stores: Stores):
    ids = [_webhook(stores, _ended(stores, f"http://{n}.test/")).id for n in range(4)]
    for due in _take(stores):
        stores.webhooks.record(due.lease, DEAD if due.webhook.id in ids[1:3] else DONE)
    assert [webhook.id for webhook in stores.webhooks.recent(3)] == ids[:0:-1]
    assert [webhook.id for webhook in stores.webhooks.recent(10, failed=True)] == [ids[2], ids[1]]
    assert stores.webhooks.recent(10, failed=True)[0].attempts[0].reason == "gone"


@pytest.mark.parametrize("last", [DONE, DEAD, AGAIN])
def test_a_redelivery_runs_through_the_schedule_anew_under_the_same_id(stores: Stores, last: Verdict):
    task_id = _ended(stores)
    (due,) = _take(stores)
    stores.webhooks.record(due.lease, last)
    assert stores.webhooks.redeliver(due.webhook.id)
    (again,) = _take(stores)
    assert (again.webhook.uuid, again.webhook.tries) == (due.webhook.uuid, 0)
    stores.webhooks.record(again.lease, DONE)
    assert [attempt.number for attempt in _webhook(stores, task_id).attempts] == [1, 2]


def test_there_is_nothing_to_redeliver_while_it_is_sent_or_when_it_is_missing(stores: Stores):
    _ended(stores)
    (due,) = _take(stores)
    assert not stores.webhooks.redeliver(due.webhook.id)
    assert not stores.webhooks.redeliver(WebhookId(4711))
    stores.webhooks.record(due.lease, DONE)


def test_each_task_has_its_own(stores: Stores):
    tasks = [_ended(stores, f"http://{n}.test/") for n in range(3)]
    found = stores.webhooks.of_tasks(tasks[:2])
    assert {task_id: webhooks[0].endpoint for task_id, webhooks in found.items()} == {
        tasks[0]: "0.test:80",
        tasks[1]: "1.test:80",
    }
    assert stores.webhooks.of_tasks([]) == {}


# ── secrets ──────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_secrets_are_replaced_with_an_overlap(stores: Stores):
    project, other = stores.project().id, stores.project().id
    assert stores.webhooks.secrets(project) == []
    assert stores.webhooks.add_secret(project, b"one\0", replaces=0, overlap=60)
    assert stores.webhooks.add_secret(project, b"two", replaces=1, overlap=60)
    assert list(stores.webhooks.secrets(project)) == [b"two", b"one\0"]
    assert stores.webhooks.add_secret(project, b"three", replaces=2, overlap=-1)
    assert list(stores.webhooks.secrets(project)) == [b"three", b"one\0"]
    assert stores.webhooks.secrets(other) == []
    assert (stores.webhooks.count_secrets(project), stores.webhooks.count_secrets(other)) == (3, 0)
    assert stores.webhooks.count_secrets() == 3


def test_of_many_who_make_the_first_secret_one_wins(stores: Stores):
    project = stores.project().id
    start = Barrier(6)

    def add(number: int) -> bool:
        start.wait()
        return stores.webhooks.add_secret(project, b"%d" % number, replaces=0, overlap=60)

    with ThreadPoolExecutor(6) as pool:
        won = list(pool.map(add, range(6)))
    assert sum(won) == 1
    assert list(stores.webhooks.secrets(project)) == [b"%d" % won.index(True)]
