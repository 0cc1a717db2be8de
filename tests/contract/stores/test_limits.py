"""Limits of the queue: never one task more than may wait or run, however many submit or claim at once."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from server.domain.errors import QueueFull
from server.domain.lifecycle import TaskStatus
from server.domain.project import Project
from server.domain.quota import UNLIMITED
from server.domain.types import WorkerId
from server.domain.writes import Move, Requeue
from tests.stores import MODEL, WORKER, Stores


def _submitted(stores: Stores, projects: list[Project], many: int) -> int:
    """Submit from many threads at the same moment; return how many got in."""
    start = Barrier(8)

    def work(number: int) -> int:
        start.wait()
        done = 0
        for turn in range(many):
            try:
                stores.submit(projects[(number + turn) % len(projects)])
                done += 1
            except QueueFull:
                pass
        return done

    with ThreadPoolExecutor(8) as pool:
        return sum(pool.map(work, range(8)))


class TestQueued:
    def test_a_project_may_have_so_many_and_no_more(self, stores: Stores):
        limited = stores.with_quota(queued=3)
        project, other = limited.project(), limited.project()
        tasks = [limited.submit(project) for _ in range(3)]
        with pytest.raises(QueueFull, match="3 tasks of this project") as raised:
            limited.submit(project)
        assert raised.value.code == 96
        limited.submit(other)

        limited.tasks.cancel(tasks[0].id, {TaskStatus.QUEUE})
        limited.submit(project)
        with pytest.raises(QueueFull):
            limited.submit(project)
        limited.claim()
        limited.submit(project)

    def test_its_own_limit_overrides_the_servers(self, stores: Stores):
        limited = stores.with_quota(queued=1)
        few, many, none = limited.project(), limited.project(), limited.project()
        limited.projects.set_limits(few.id, queued=0, running=None)
        limited.projects.set_limits(many.id, queued=2, running=None)
        limited.projects.set_limits(none.id, queued=UNLIMITED, running=None)
        room = {few: 0, many: 2, none: 5}
        for project, tasks in room.items():
            for _ in range(tasks):
                limited.submit(project)
        for project in (few, many):
            with pytest.raises(QueueFull):
                limited.submit(project)

    def test_a_limit_of_its_own_where_the_server_has_none(self, stores: Stores):
        project = stores.project()
        stores.projects.set_limits(project.id, queued=1, running=None)
        stores.submit(project)
        with pytest.raises(QueueFull):
            stores.submit(project)
        stores.projects.set_limits(project.id, queued=None, running=None)
        stores.submit(project)

    def test_all_together_may_have_so_many(self, stores: Stores):
        limited = stores.with_quota(total=2)
        limited.submit()
        limited.submit()
        with pytest.raises(QueueFull, match="The server has reached"):
            limited.submit()
        limited.claim()
        limited.submit()

    def test_a_refused_task_leaves_nothing(self, stores: Stores):
        limited = stores.with_quota(queued=1)
        project = limited.project()
        first = limited.submit(project)
        with pytest.raises(QueueFull):
            limited.submit(project)
        assert limited.claim().task.id == first.id
        assert limited.tasks.claim(WORKER, [MODEL], 60) is None

    def test_many_submits_at_once_never_exceed_a_projects_limit(self, stores: Stores):
        limited = stores.with_quota(queued=10)
        assert _submitted(limited, [limited.project()], many=5) == 10

    @pytest.mark.parametrize("total", [10, 230])  # 230: PostgreSQL begins to count with others, and ends alone
    def test_many_submits_of_many_projects_at_once_never_exceed_the_servers(self, stores: Stores, total: int):
        limited = stores.with_quota(total=total)
        projects = [limited.project() for _ in range(8)]
        assert _submitted(limited, projects, many=5 if total == 10 else 32) == total


class TestRunning:
    def test_a_project_at_its_limit_is_passed_over(self, stores: Stores):
        limited = stores.with_quota(running=1)
        first, second = limited.project(), limited.project()
        mine = [limited.submit(first) for _ in range(3)]
        theirs = limited.submit(second)

        held = limited.claim()
        assert held.task.id == mine[0].id
        assert limited.claim().task.id == theirs.id
        assert limited.tasks.claim(WORKER, [MODEL], 60) is None

        limited.drive(held.lease, TaskStatus.END)
        assert limited.tasks.claim(WORKER, [MODEL], 60) is None, "until its story is told"
        limited.tasks.write(held.lease, [Move(TaskStatus.POSTPROCESS_START)])
        limited.tasks.write(held.lease, [Move(TaskStatus.POSTPROCESS_END)])
        assert limited.claim().task.id == mine[1].id

    def test_a_requeued_or_killed_task_makes_room(self, stores: Stores):
        limited = stores.with_quota(running=1)
        project = limited.project()
        first, second = limited.submit(project), limited.submit(project)
        limited.tasks.write(limited.claim().lease, [Requeue()])
        assert limited.claim().task.id == first.id
        limited.tasks.cancel(first.id, {TaskStatus.ACCEPT})
        assert limited.claim().task.id == second.id

    def test_its_own_limit_overrides_the_servers(self, stores: Stores):
        limited = stores.with_quota(running=1)
        project, free = limited.project(), limited.project()
        limited.projects.set_limits(project.id, queued=None, running=2)
        limited.projects.set_limits(free.id, queued=None, running=UNLIMITED)
        for _ in range(4):
            limited.submit(project)
            limited.submit(free)
        claimed = [limited.claim().task.project_id for _ in range(6)]
        assert (claimed.count(project.id), claimed.count(free.id)) == (2, 4)
        assert limited.tasks.claim(WORKER, [MODEL], 60) is None

    def test_order_is_kept_among_those_who_may(self, stores: Stores):
        blocked, others = stores.project(), [stores.project() for _ in range(3)]
        stores.projects.set_limits(blocked.id, queued=None, running=1)
        stores.submit(blocked)
        held = stores.claim()
        for project in [blocked, *others, blocked, *others]:
            stores.submit(project)
        waiting = []
        while claimed := stores.tasks.claim(WORKER, [MODEL], 60):
            waiting.append(claimed.task)
        assert len(waiting) == 6
        assert waiting == sorted(waiting, key=lambda task: (task.turn, task.id))
        assert blocked.id not in {task.project_id for task in waiting}
        stores.tasks.write(held.lease, [Requeue()])
        assert stores.claim().task.id == held.task.id

    def test_models_of_others_do_not_hide_a_task(self, stores: Stores):
        """The first task of the project that may run one more is of a model nobody here draws."""
        blocked, other = stores.project(), stores.project()
        stores.projects.set_limits(blocked.id, queued=None, running=1)
        stores.submit(blocked)
        stores.claim()
        stores.submit(blocked)
        stores.submit(other, model="easel/unknown")
        wanted = stores.submit(other)
        assert stores.claim().task.id == wanted.id

    def test_many_claims_at_once_never_exceed_it(self, stores: Stores):
        limited = stores.with_quota(running=3)
        projects = [limited.project(), limited.project()]
        for number in range(40):
            limited.submit(projects[number % 2])
        start = Barrier(8)

        def work(number: int):
            start.wait()
            return [limited.tasks.claim(WorkerId(f"worker-{number}"), [MODEL], 60) for _ in range(4)]

        with ThreadPoolExecutor(8) as pool:
            claims = [claimed for found in pool.map(work, range(8)) for claimed in found if claimed]
        assert sorted(claimed.task.project_id for claimed in claims) == sorted(3 * [one.id for one in projects])
