"""Submitting and finding tasks."""

import time

import pytest

from server.domain.errors import NotAuthorized
from server.domain.events import EventType
from server.domain.lifecycle import RUNNING, TaskStatus
from server.domain.task import Ending
from server.domain.types import ProjectId, TaskId
from server.domain.writes import AddFile, Move
from server.ports import PageQuery
from server.services.story import last_words
from tests.stores import Stores, new_task, picture


def test_a_submitted_task_stands_in_the_queue_with_its_first_event(stores: Stores):
    new = new_task(stores.project().id, parameters={"z": "1", "a": ["ä", 2.50, None], "b": {"n": True}})
    task = stores.tasks.submit(new)
    story = stores.story(task.id)

    assert story.task == task
    assert (task.status, task.turn, task.attempt, task.crashes, task.last_seq) == (TaskStatus.QUEUE, 1, 0, 0, 1)
    assert (task.pexit, task.message, task.files, story.progress) == ("", "", (), None)
    for name in ("project_id", "token", "uuid", "model", "parameters", "values", "callback_url", "base_url"):
        assert getattr(task, name) == getattr(new, name)
    assert [(event.seq, event.attempt, event.type, event.message) for event in story.events] == [
        (1, 0, EventType.QUEUE, None)
    ]
    assert task.times == {TaskStatus.QUEUE: story.events[0].at}
    assert task.times[TaskStatus.QUEUE] == pytest.approx(time.time(), abs=5)


def test_parameters_are_echoed_in_the_order_they_came(stores: Stores):
    task = stores.tasks.submit(new_task(stores.project().id, parameters={"zebra": 1, "ape": 2, "lion": 3}))
    assert list(stores.task(task.id).parameters) == ["zebra", "ape", "lion"]


def test_what_was_submitted_cannot_be_changed_from_outside(stores: Stores):
    parameters = {"prompt": "a fox"}
    task = stores.tasks.submit(new_task(stores.project().id, parameters=parameters))
    parameters["prompt"] = "a bear"
    assert stores.task(task.id).parameters == {"prompt": "a fox"}


def test_ids_rise(stores: Stores):
    project = stores.project()
    ids = [stores.submit(project).id for _ in range(5)]
    assert ids == sorted(set(ids))


def test_there_are_no_tasks_without_a_project(stores: Stores):
    with pytest.raises(NotAuthorized):
        stores.tasks.submit(new_task(ProjectId(4711)))


def test_a_task_is_found_by_its_project_only(stores: Stores):
    project, other = stores.project(), stores.project()
    task = stores.submit(project)
    assert stores.tasks.find(project.id, task.id) == task
    assert stores.tasks.find(other.id, task.id) is None
    assert stores.tasks.find(project.id, TaskId(task.id + 1)) is None


def test_a_task_is_found_by_its_token(stores: Stores):
    task = stores.submit()
    assert stores.tasks.find_by_token(task.token) == task
    assert stores.tasks.find_by_token("nobody's") is None


def test_what_is_found_has_its_files_in_sample_order(stores: Stores):
    claimed = stores.claimed()
    files = [picture(2), picture(0), picture(1)]
    for file in files:
        stores.tasks.write(claimed.lease, [AddFile(file)])
    task = stores.task(claimed.task.id)

    assert [file.sample for file in task.files] == [0, 1, 2]
    assert stores.tasks.find(task.project_id, task.id) == task
    assert stores.tasks.find_by_token(task.token) == task
    assert stores.tasks.page(task.project_id, PageQuery()).tasks == [task]
    assert stores.tasks.cancel(task.id, RUNNING).files == task.files


def test_a_file_is_found_by_its_access_key(stores: Stores):
    lease = stores.claimed().lease
    file = picture()
    stores.tasks.write(lease, [AddFile(file)])
    found = stores.tasks.find_file(file.access_key)

    assert found == stores.task(lease.task_id).files[0]
    assert {name: getattr(found, name) for name in file.__slots__} == {
        name: getattr(file, name) for name in file.__slots__
    }
    assert found.attempt == 1
    assert found.uuid
    assert found.created_at == pytest.approx(time.time(), abs=5)
    assert stores.tasks.find_file("another") is None


def test_the_same_sample_recorded_again_takes_the_first_ones_place(stores: Stores):
    lease = stores.claimed().lease
    first, second = picture(0), picture(0)
    stores.tasks.write(lease, [AddFile(first)])
    stores.tasks.write(lease, [AddFile(second)])
    assert [file.key for file in stores.task(lease.task_id).files] == [second.key]
    assert stores.tasks.find_file(first.access_key) is None


class TestPages:
    def test_newest_first_unless_ascending(self, stores: Stores):
        project = stores.project()
        ids = [stores.submit(project).id for _ in range(5)]
        stores.submit()

        def page(**query):
            found = stores.tasks.page(project.id, PageQuery(**query))
            return found.total, [task.id for task in found.tasks]

        assert page() == (5, ids[::-1])
        assert page(ascending=True) == (5, ids)
        assert page(start=1, limit=2) == (5, [ids[3], ids[2]])
        assert page(start=4, limit=2) == (5, [ids[0]])
        assert page(start=5) == (5, [])
        assert page(limit=0) == (5, [])

    def test_the_filter_is_a_part_of_the_models_name_and_no_pattern(self, stores: Stores):
        project = stores.project()
        for model in ("a/sdxl", "a/sdxl-turbo", "b/other_one"):
            stores.submit(project, model=model)
        found = {"": 3, "sdxl": 2, "SDXL": 2, "a/s": 2, "%": 0, "s_xl": 0, "_": 1, "\\": 0, "nothing": 0}
        for part, number in found.items():
            page = stores.tasks.page(project.id, PageQuery(model=part))
            assert (part, page.total, len(page.tasks)) == (part, number, number)


def test_a_page_of_some_statuses(stores):
    project = stores.project()
    waiting, stopped, other = (stores.submit(project) for _ in range(3))
    for task in (stopped, other):
        assert stores.tasks.cancel(task.id, {TaskStatus.QUEUE})

    def page(*statuses):
        found = stores.tasks.page(project.id, PageQuery(limit=1, statuses=frozenset(statuses)))
        return found.total, [task.id for task in found.tasks]

    assert page(TaskStatus.QUEUE) == (1, [waiting.id])
    assert page(TaskStatus.CANCEL) == (2, [other.id])
    assert page(TaskStatus.QUEUE, TaskStatus.CANCEL) == (3, [other.id])
    assert page(TaskStatus.START) == (0, [])
    assert page() == (3, [other.id])


def test_a_page_of_what_ended_well_or_failed(stores):
    project = stores.project()
    ended = []
    for ending in (Ending("0"), Ending("1", "It broke.")):
        stores.submit(project)
        claimed = stores.claim()
        stores.tasks.write(claimed.lease, [Move(TaskStatus.PREPROCESS_START), *last_words(ending, "")])
        ended.append(claimed.task.id)
    waiting, cancelled = (stores.submit(project) for _ in range(2))
    assert stores.tasks.cancel(cancelled.id, {TaskStatus.QUEUE})

    def page(succeeded):
        return [task.id for task in stores.tasks.page(project.id, PageQuery(succeeded=succeeded)).tasks]

    assert page(succeeded=True) == [ended[0]]
    assert page(succeeded=False) == [ended[1]]
    assert page(succeeded=None) == [cancelled.id, waiting.id, *reversed(ended)]


def test_a_page_also_holds_the_tasks_of_models_named_beside(stores):
    project = stores.project()
    for model in ("easel/sdxl", "easel/other", "another/third"):
        stores.submit(project, model=model)

    page = stores.tasks.page(project.id, PageQuery(model="sdxl", or_models=frozenset({"another/third"})))

    assert [task.model for task in page.tasks] == ["another/third", "easel/sdxl"]
    assert page.total == 2
