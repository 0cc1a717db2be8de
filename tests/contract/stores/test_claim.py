"""Who is next: turns, claims and models."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from server.domain.events import EventType
from server.domain.lifecycle import RUNNING, TaskStatus
from server.domain.types import WorkerId
from server.domain.writes import Requeue
from tests.stores import MODEL, WORKER, Stores


def _all_claimed(stores: Stores):
    while claimed := stores.tasks.claim(WORKER, [MODEL], 60):
        yield claimed


def test_a_claim_moves_the_task_and_grants_a_lease(stores: Stores):
    task = stores.submit()
    claimed = stores.claim()
    story = stores.story(task.id)

    assert claimed.task == story.task
    assert (claimed.task.status, claimed.task.attempt) == (TaskStatus.ACCEPT, 1)
    assert (claimed.lease.task_id, claimed.lease.attempt) == (task.id, 1)
    assert len(claimed.lease.token) == 32
    assert [(event.seq, event.attempt, event.type) for event in story.events] == [
        (1, 0, EventType.QUEUE),
        (2, 1, EventType.ACCEPT),
    ]
    assert story.task.times[TaskStatus.ACCEPT] == story.events[1].at
    assert stores.tasks.held([claimed.lease]) == {task.id}


def test_every_claim_has_a_token_of_its_own(stores: Stores):
    project = stores.project()
    for _ in range(5):
        stores.submit(project)
    assert len({claimed.lease.token for claimed in _all_claimed(stores)}) == 5


def test_an_empty_queue_gives_nothing(stores: Stores):
    assert stores.tasks.claim(WORKER, [MODEL], 60) is None
    stores.claimed()
    assert stores.tasks.claim(WORKER, [MODEL], 60) is None


def test_only_the_models_asked_for_are_claimed(stores: Stores):
    project = stores.project()
    stores.submit(project, model="easel/one")
    two = stores.submit(project, model="easel/two")
    three = stores.submit(project, model="easel/three")

    assert stores.tasks.claim(WORKER, [], 60) is None
    assert stores.tasks.claim(WORKER, ["easel"], 60) is None
    assert stores.tasks.claim(WORKER, frozenset({"easel/three", "easel/two"}), 60).task.id == two.id
    assert stores.tasks.claim(WORKER, ["easel/three", "easel/two"], 60).task.id == three.id
    assert stores.tasks.claim(WORKER, ["easel/three", "easel/two"], 60) is None


class TestTurns:
    def test_one_project_is_served_in_order(self, stores: Stores):
        project = stores.project()
        tasks = [stores.submit(project) for _ in range(4)]
        assert [task.turn for task in tasks] == [1, 2, 3, 4]
        assert [claimed.task.id for claimed in _all_claimed(stores)] == [task.id for task in tasks]

    def test_a_flood_delays_nobody_else(self, stores: Stores):
        flood, other = stores.project(), stores.project()
        for _ in range(50):
            stores.submit(flood)
        one = stores.submit(other)
        assert one.turn == 2
        assert [claimed.task.id for claimed in _all_claimed(stores)].index(one.id) == 2

    def test_projects_take_turns(self, stores: Stores):
        first, second = stores.project(), stores.project()
        for project in (first, first, first, second, second):
            stores.submit(project)
        served = [claimed.task.project_id for claimed in _all_claimed(stores)]
        assert served == [first.id, first.id, second.id, first.id, second.id]

    def test_a_turn_is_beyond_the_lowest_of_anyone_but_not_the_highest(self, stores: Stores):
        flood, late = stores.project(), stores.project()
        for _ in range(5):
            stores.submit(flood)
        stores.claim()
        stores.claim()  # turns 3, 4, 5 are left
        assert [stores.submit(late).turn for _ in range(3)] == [4, 5, 6]

    def test_only_what_is_queued_counts(self, stores: Stores):
        project = stores.project()
        tasks = [stores.submit(project) for _ in range(3)]
        stores.claim()
        stores.tasks.cancel(tasks[2].id, {TaskStatus.QUEUE})
        assert stores.submit(project).turn == 3
        for _ in _all_claimed(stores):
            pass
        assert stores.submit(project).turn == 1

    def test_a_requeued_task_keeps_its_turn(self, stores: Stores):
        project = stores.project()
        first = stores.submit(project)
        stores.submit(project)
        stores.tasks.write(stores.claim().lease, [Requeue()])
        assert stores.claim().task.id == first.id

    def test_two_runs_at_once_take_two_turns(self, stores: Stores):
        project = stores.project()
        with ThreadPoolExecutor(8) as pool:
            tasks = list(pool.map(lambda _: stores.submit(project), range(40)))
        assert sorted(task.turn for task in tasks) == list(range(1, 41))


def test_eight_claimers_never_get_the_same_task(stores: Stores):
    projects = [stores.project() for _ in range(4)]
    tasks = [stores.submit(projects[number % 4]) for number in range(100)]
    start = Barrier(8)

    def work(number: int):
        start.wait()
        found = []
        while claimed := stores.tasks.claim(WorkerId(f"worker-{number}"), [MODEL], 60):
            found.append(claimed)
        return found

    with ThreadPoolExecutor(8) as pool:
        claims = [claimed for found in pool.map(work, range(8)) for claimed in found]

    assert Counter(claimed.task.id for claimed in claims) == Counter(task.id for task in tasks)
    for claimed in claims:
        assert [event.seq for event in stores.story(claimed.task.id).events] == [1, 2]
    assert len(stores.tasks.held([claimed.lease for claimed in claims])) == 100


def test_a_cancel_and_a_claim_at_once(stores: Stores):
    for _ in range(10):
        _cancel_and_claim(stores)


def _cancel_and_claim(stores: Stores):
    """Either the claim comes first and its task is killed, or the cancel does and there is nothing to claim."""
    task = stores.submit()
    start = Barrier(2)

    def claim():
        start.wait()
        return stores.tasks.claim(WORKER, [MODEL], 60)

    def cancel():
        start.wait()
        return stores.tasks.cancel(task.id, {TaskStatus.QUEUE})

    with ThreadPoolExecutor(2) as pool:
        claiming, cancelling = pool.submit(claim), pool.submit(cancel)
    claimed, cancelled = claiming.result(), cancelling.result()
    types = [event.type for event in stores.story(task.id).events]
    assert (claimed is None) == (cancelled is not None)
    assert types == [EventType.QUEUE, EventType.ACCEPT if claimed else EventType.CANCEL]
    assert stores.tasks.cancel(task.id, RUNNING) if claimed else True


def test_a_claim_may_pass_over_what_is_fresh(stores: Stores):
    task = stores.submit()
    assert stores.tasks.claim(WORKER, [MODEL], 60, waited=60) is None
    claimed = stores.tasks.claim(WORKER, [MODEL], 60, waited=-1)
    assert claimed is not None
    assert claimed.task.id == task.id


def test_a_claim_may_pass_over_projects(stores: Stores):
    crowding, other = stores.project(), stores.project()
    first, second = stores.submit(crowding), stores.submit(other)
    claimed = stores.tasks.claim(WORKER, [MODEL], 60, not_of={crowding.id})
    assert claimed is not None
    assert claimed.task.id == second.id
    assert stores.tasks.claim(WORKER, [MODEL], 60, not_of={crowding.id}) is None
    assert stores.claim().task.id == first.id
