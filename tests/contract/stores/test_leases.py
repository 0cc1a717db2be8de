"""Leases: kept alive, run out, taken over. Seconds below zero stand for waiting."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from server.domain.lifecycle import FINISHING, LEASED, RUNNING, TERMINAL, TaskStatus
from server.domain.types import WorkerId
from server.domain.writes import AddFile, Move, Requeue
from tests.stores import MODEL, WORKER, Stores, picture

OTHER = WorkerId("worker-2")


def _claims(stores: Stores, seconds: list[float]):
    project = stores.project()
    for _ in seconds:
        stores.submit(project)
    return [stores.claim(seconds=each) for each in seconds]


def test_a_lease_is_not_taken_before_it_runs_out(stores: Stores):
    stores.claimed(seconds=60)
    assert stores.tasks.take_over(OTHER, 60) == []


@pytest.mark.parametrize("seconds", [0, -0.5, -1000])
def test_a_lease_that_ran_out_is_taken_over_under_a_fresh_one(stores: Stores, seconds: float):
    claimed = stores.claimed(seconds=seconds)
    stores.tasks.write(claimed.lease, [AddFile(picture())])
    before = stores.story(claimed.task.id)
    (taken,) = stores.tasks.take_over(OTHER, 60)

    assert taken.task == before.task
    assert stores.story(claimed.task.id) == before  # no status changes, no event
    assert (taken.lease.task_id, taken.lease.attempt) == (claimed.task.id, claimed.lease.attempt)
    assert taken.lease.token != claimed.lease.token
    assert stores.tasks.held([claimed.lease]) == frozenset()
    assert stores.tasks.renew([claimed.lease], 60) == frozenset()
    assert stores.tasks.held([taken.lease]) == {claimed.task.id}
    assert stores.tasks.take_over(OTHER, 60) == []


def test_the_fresh_leases_run_for_the_given_time_and_differ(stores: Stores):
    _claims(stores, [-1, -1, -1])
    first = stores.tasks.take_over(OTHER, -1)
    second = stores.tasks.take_over(OTHER, 60)
    assert len({claimed.lease.token for claimed in (*first, *second)}) == 6
    assert stores.tasks.take_over(OTHER, 60) == []


def test_the_oldest_come_first_up_to_the_limit(stores: Stores):
    claims = _claims(stores, [-10, -30, 60, -20, -40])
    ids = [claimed.task.id for claimed in claims]

    def taken(limit: int):
        return {claimed.task.id for claimed in stores.tasks.take_over(OTHER, 60, limit)}

    assert taken(2) == {ids[4], ids[1]}
    assert taken(1) == {ids[3]}
    assert taken(20) == {ids[0]}
    assert taken(20) == set()


def test_whatever_needs_a_worker_is_taken_over_and_nothing_else(stores: Stores):
    for status in (*LEASED, *TERMINAL, TaskStatus.QUEUE):
        task_id, lease = stores.task_in(status)
        if lease:
            stores.tasks.renew([lease], -1)
        taken = [claimed.task.id for claimed in stores.tasks.take_over(OTHER, 60)]
        assert taken == ([task_id] if status in LEASED else [])


def test_what_was_taken_over_can_be_finished(stores: Stores):
    for status in sorted(FINISHING | RUNNING):
        _, lease = stores.task_in(status)
        stores.tasks.renew([lease], -1)
    for claimed in stores.tasks.take_over(OTHER, 60):
        if claimed.task.status in RUNNING:
            stores.tasks.write(claimed.lease, [Move(TaskStatus.END)])
        if claimed.task.status is not TaskStatus.POSTPROCESS_START:
            stores.tasks.write(claimed.lease, [Move(TaskStatus.POSTPROCESS_START)])
        stores.tasks.write(claimed.lease, [Move(TaskStatus.POSTPROCESS_END)])
        assert stores.task(claimed.task.id).terminal


def test_renewing_extends(stores: Stores):
    lost, kept = _claims(stores, [-1, -1])
    assert stores.tasks.renew([kept.lease], 60) == {kept.task.id}
    assert [claimed.task.id for claimed in stores.tasks.take_over(OTHER, 60)] == [lost.task.id]


def test_a_lease_that_ran_out_but_was_not_taken_over_is_still_held(stores: Stores):
    lease = stores.claimed(seconds=-1).lease
    assert stores.tasks.held([lease]) == {lease.task_id}
    assert stores.tasks.renew([lease], -1) == {lease.task_id}
    stores.tasks.write(lease, [Move(TaskStatus.PREPROCESS_START)])


def test_of_many_only_those_still_held_are_returned(stores: Stores):
    held, cancelled, requeued = _claims(stores, [60, 60, 60])
    stores.tasks.cancel(cancelled.task.id, RUNNING)
    stores.tasks.write(requeued.lease, [Requeue()])
    leases = [held.lease, cancelled.lease, requeued.lease]
    assert stores.tasks.held(leases) == {held.task.id}
    assert stores.tasks.renew(leases, 60) == {held.task.id}
    assert stores.tasks.held([]) == stores.tasks.renew([], 60) == frozenset()


def test_a_fresh_claim_after_a_requeue_runs_on_its_own_lease(stores: Stores):
    lease = stores.claimed(seconds=-1).lease
    stores.tasks.write(lease, [Requeue()])
    assert stores.tasks.take_over(OTHER, 60) == []
    stores.claim(seconds=60)
    assert stores.tasks.take_over(OTHER, 60) == []


def test_eight_rescuers_share_what_ran_out(stores: Stores):
    claims = _claims(stores, [-1] * 40)
    start = Barrier(8)

    def rescue(_):
        start.wait()
        found = []
        while taken := stores.tasks.take_over(OTHER, 60, limit=3):
            assert len(taken) <= 3
            found += taken
        return found

    with ThreadPoolExecutor(8) as pool:
        taken = [claimed for found in pool.map(rescue, range(8)) for claimed in found]
    assert Counter(claimed.task.id for claimed in taken) == Counter(claimed.task.id for claimed in claims)


def test_a_holder_and_a_rescuer_at_once(stores: Stores):
    """Whoever comes first, the holder never believes that it holds what was taken from it."""
    for _ in range(5):
        lease = stores.claimed(seconds=-1).lease
        with ThreadPoolExecutor(2) as pool:
            renewing = pool.submit(stores.tasks.renew, [lease], 60)
            taking = pool.submit(stores.tasks.take_over, OTHER, 60)
        assert bool(renewing.result()) != bool(taking.result())
        stores.tasks.cancel(lease.task_id, RUNNING)
    assert stores.tasks.claim(WORKER, [MODEL], 60) is None
