"""Run keys: one key, one body, one task."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from server.domain.errors import KeyReused, QueueFull
from server.domain.lifecycle import TaskStatus
from server.domain.project import Project
from server.domain.task import RunKey, Task
from server.ports import PageQuery
from tests.stores import Stores, new_task

DAY = 86400.0


def _run(stores: Stores, project: Project, key: str = "one", body: str = "body", seconds: float = DAY) -> Task:
    named = RunKey(text=key, body_hash=body, seconds=seconds)
    return stores.tasks.submit(replace(new_task(project.id), run_key=named))


def test_the_same_key_and_body_give_back_the_same_task(stores: Stores):
    project = stores.project()
    first = _run(stores, project)
    again = _run(stores, project)
    assert again == first
    assert stores.tasks.page(project.id, PageQuery()).total == 1
    claimed = stores.claim()
    assert _run(stores, project) == stores.task(first.id), "as it is now"
    stores.drive(claimed.lease, TaskStatus.POSTPROCESS_END)
    assert _run(stores, project).id == first.id
    assert len(stores.story(first.id, after=1).events) == 8, "nothing was added to its story"


def test_another_body_is_refused_and_writes_nothing(stores: Stores):
    project = stores.project()
    first = _run(stores, project)
    with pytest.raises(KeyReused):
        _run(stores, project, body="another")
    assert stores.tasks.page(project.id, PageQuery()).total == 1
    assert _run(stores, project).id == first.id


def test_another_key_or_another_project_makes_another_task(stores: Stores):
    project, other = stores.project(), stores.project()
    ids = {_run(stores, project).id, _run(stores, project, key="two").id, _run(stores, other).id}
    ids |= {stores.submit(project).id for _ in range(2)}
    assert len(ids) == 5


def test_an_old_key_is_a_new_one(stores: Stores):
    project = stores.project()
    first = _run(stores, project)
    second = _run(stores, project, body="another", seconds=0)
    assert second.id != first.id
    assert _run(stores, project, body="another").id == second.id
    with pytest.raises(KeyReused):
        _run(stores, project)


def test_old_keys_are_swept(stores: Stores):
    project = stores.project()
    first = _run(stores, project)
    assert stores.tasks.forget_run_keys(DAY) == 0
    assert _run(stores, project).id == first.id
    assert stores.tasks.forget_run_keys(0) == 1
    assert stores.tasks.forget_run_keys(0) == 0
    assert _run(stores, project).id != first.id


def test_a_refused_run_is_not_remembered_and_a_full_queue_gives_back_what_it_has(stores: Stores):
    limited = stores.with_quota(queued=1)
    project = limited.project()
    first = _run(limited, project)
    assert _run(limited, project).id == first.id
    with pytest.raises(QueueFull):
        _run(limited, project, key="two")
    limited.tasks.cancel(first.id, {TaskStatus.QUEUE})
    assert _run(limited, project, key="two", body="another").id != first.id


def test_f15_fifty_at_once_make_one_task(stores: Stores):
    project = stores.project()
    with ThreadPoolExecutor(16) as pool:
        tasks = list(pool.map(lambda _: _run(stores, project), range(50)))
    assert len({(task.id, task.token) for task in tasks}) == 1
    assert stores.tasks.page(project.id, PageQuery()).total == 1
