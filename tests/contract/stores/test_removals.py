"""Letting go of files: what goes, what stays, and when its bytes may be erased."""

import time
from dataclasses import replace
from threading import Barrier, Thread

import pytest

from server.domain.errors import BadRequest
from server.domain.files import Reason
from server.domain.lifecycle import RUNNING, TERMINAL, TaskStatus
from server.domain.types import TaskId
from server.domain.writes import AddFile, Requeue
from tests.contract.stores.test_uploads import add, reading, sent
from tests.stores import Stores, new_task, picture


def drawn(stores: Stores, project=None, *, inputs=(), sizes=(10,), end=True):
    """A task of these inputs with pictures of these sizes, brought to its end."""
    project = project or stores.project()
    task = stores.tasks.submit(replace(new_task(project.id), inputs=inputs))
    lease = stores.claim().lease
    assert lease.task_id == task.id
    for sample, size in enumerate(sizes):
        stores.tasks.write(lease, [AddFile(replace(picture(sample), size=size))])
    if end:
        stores.drive(lease, TaskStatus.POSTPROCESS_END)
    return stores.task(task.id), lease


def keys(task):
    return {file.key for file in task.files}


def test_a_task_forgets_its_pictures(stores: Stores):
    task, _ = drawn(stores, sizes=(1, 2))

    assert stores.keeper.forget(task.id)
    after = stores.task(task.id)
    assert (after.files, after.removed) == ((), Reason.CALLER)
    assert (after.status, after.pexit, after.last_seq) == (task.status, task.pexit, task.last_seq)
    assert stores.tasks.find_file(task.files[0].access_key) is None
    assert set(stores.keeper.erasable()) == keys(task)
    assert stores.keeper.forget(task.id)
    assert stores.task(task.id) == after
    stores.keeper.erased(list(keys(task)))
    assert list(stores.keeper.erasable()) == []


def test_a_task_that_drew_nothing_can_be_forgotten_too(stores: Stores):
    task_id, _ = stores.task_in(TaskStatus.CANCEL)
    assert stores.task(task_id).removed is None
    assert stores.keeper.forget(task_id)
    assert stores.task(task_id).removed is Reason.CALLER


@pytest.mark.parametrize("status", [status for status in TaskStatus if status not in TERMINAL])
def test_only_terminal_tasks_are_forgotten(stores: Stores, status):
    task_id, _ = stores.task_in(status)
    assert not stores.keeper.forget(task_id)
    assert stores.task(task_id).removed is None
    assert not stores.keeper.forget(TaskId(task_id + 4711))


def test_uploaded_inputs_go_with_their_task(stores: Stores):
    project = stores.project()
    [upload] = add(stores, project, sent())
    task, _ = drawn(stores, project, inputs=reading(upload.key))

    stores.keeper.forget(task.id)
    assert stores.uploads.find_upload(upload.access_key) is None
    assert set(stores.keeper.erasable()) == keys(task) | {upload.key}
    assert list(stores.uploads.inputs_of(task.id)) == []


def test_an_input_of_two_tasks_goes_with_the_last(stores: Stores):
    project = stores.project()
    [upload] = add(stores, project, sent())
    one, _ = drawn(stores, project, inputs=reading(upload.key))
    two, _ = drawn(stores, project, inputs=reading(upload.key))

    stores.keeper.forget(one.id)
    assert stores.uploads.find_upload(upload.access_key) is not None
    stores.keeper.forget(two.id)
    assert stores.uploads.find_upload(upload.access_key) is None


def test_another_projects_upload_stays(stores: Stores):
    [upload] = add(stores, stores.project(), sent())
    task, _ = drawn(stores, inputs=reading(upload.key))

    stores.keeper.forget(task.id)
    assert stores.uploads.find_upload(upload.access_key) is not None


def test_the_bytes_of_a_forgotten_picture_stay_while_a_task_still_reads_them(stores: Stores):
    task, _ = drawn(stores)
    [key] = keys(task)
    _, lease = drawn(stores, inputs=reading(key), sizes=(), end=False)

    stores.keeper.forget(task.id)
    assert list(stores.keeper.erasable()) == []
    stores.drive(lease, TaskStatus.POSTPROCESS_END)
    assert list(stores.keeper.erasable()) == [key]


def test_a_requeued_attempts_pictures_are_erasable(stores: Stores):
    task, lease = drawn(stores, end=False)
    stores.tasks.write(lease, [Requeue()])
    assert set(stores.keeper.erasable()) == keys(task)


def test_what_is_old_goes_oldest_first(stores: Stores):
    project = stores.project()
    tasks = [drawn(stores, project, sizes=(1, 2))[0], drawn(stores, project, sizes=(3,))[0]]
    [upload] = add(stores, project, sent(4))
    time.sleep(0.05)
    then = time.time()
    time.sleep(0.05)
    young, _ = drawn(stores, project)
    [fresh] = add(stores, project, sent())

    [first] = stores.keeper.remove_older(time.time() - then, limit=1)[:1]
    assert (first.task_id, first.files, first.size) == (tasks[0].id, 2, 3)
    rest = list(stores.keeper.remove_older(time.time() - then))
    assert (tasks[1].id, 1, 3) in [(each.task_id, each.files, each.size) for each in rest]
    assert stores.keeper.remove_older(time.time() - then) == []
    assert [stores.task(task.id).removed for task in (*tasks, young)] == [Reason.AGE, Reason.AGE, None]
    assert stores.uploads.find_upload(upload.access_key) is None
    assert stores.uploads.find_upload(fresh.access_key) is not None
    assert set(stores.keeper.erasable()) == keys(tasks[0]) | keys(tasks[1]) | {upload.key}


def test_nothing_that_is_still_wanted_goes(stores: Stores):
    project = stores.project()
    [upload] = add(stores, project, sent())
    source, _ = drawn(stores, project)
    [key] = keys(source)
    running, lease = drawn(stores, project, inputs=reading(upload.key, key), end=False)

    assert stores.keeper.remove_older(0) == []
    assert stores.keeper.remove_above(0) == []
    assert stores.task(running.id).files == running.files
    stores.drive(lease, TaskStatus.POSTPROCESS_END)
    time.sleep(0.01)
    assert {each.task_id for each in stores.keeper.remove_older(0)} == {source.id, running.id, None}


def test_a_quota_takes_the_oldest_until_it_fits(stores: Stores):
    project = stores.project()
    old, _ = drawn(stores, project, sizes=(30, 30))
    time.sleep(0.01)
    [upload] = add(stores, project, sent(30))
    time.sleep(0.01)
    young, _ = drawn(stores, project, sizes=(30,))

    assert stores.keeper.remove_above(120) == []
    [removed] = stores.keeper.remove_above(100)
    assert (removed.task_id, removed.files, removed.size) == (old.id, 2, 60)
    assert (stores.task(old.id).removed, stores.task(young.id).removed) == (Reason.QUOTA, None)
    [removed] = stores.keeper.remove_above(59)
    assert (removed.task_id, removed.size) == (None, 30)
    assert stores.uploads.find_upload(upload.access_key) is None
    assert stores.keeper.remove_above(30) == []


def test_partial_pictures_of_a_killed_task_are_forgotten(stores: Stores):
    task, lease = drawn(stores, end=False)
    assert stores.tasks.cancel(task.id, RUNNING)
    assert stores.keeper.forget(lease.task_id)
    assert stores.task(task.id).files == ()


def test_a_run_and_a_removal_at_the_same_moment(stores: Stores):
    """Either the Run is refused, or its file is there."""
    project = stores.project()
    for _ in range(15):
        [upload] = add(stores, project, sent())
        done, _ = drawn(stores, project, inputs=reading(upload.key), sizes=())
        start, submitted = Barrier(2), []

        def run(key=upload.key, start=start, submitted=submitted):
            start.wait()
            try:
                submitted.append(stores.tasks.submit(replace(new_task(project.id), inputs=reading(key))))
            except BadRequest:
                submitted.append(None)

        thread = Thread(target=run)
        thread.start()
        start.wait()
        stores.keeper.forget(done.id)
        thread.join()

        there = stores.uploads.find_upload(upload.access_key) is not None
        assert there == (submitted[0] is not None)
        if submitted[0]:
            stores.tasks.cancel(submitted[0].id, [TaskStatus.QUEUE])
