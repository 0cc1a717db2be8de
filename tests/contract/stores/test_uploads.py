"""Folders, uploads, and which files a task reads."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import count

import pytest

from server.domain.errors import BadRequest, NoSuchFolder, Unavailable
from server.domain.files import ROOT, NewUpload, TaskInput
from server.domain.types import FolderId, TaskId
from tests.stores import Stores, new_task

NUMBERS = count(1)


def sent(size: int = 10) -> NewUpload:
    number = next(NUMBERS)
    return NewUpload(
        name=f"größe {number}.png",
        content_type="image/png",
        size=size,
        sha256="0" * 64,
        access_key=f"access-{number}",
        key=f"uploads/{number}",
    )


def add(stores: Stores, project, *files: NewUpload, folder=ROOT):
    stores.uploads.expect([file.key for file in files], 60)
    return stores.uploads.add(project.id, folder, files)


def reading(*keys: str) -> tuple[TaskInput, ...]:
    return tuple(TaskInput(parameter="image", url=f"http://here/{key}", key=key) for key in keys)


def test_an_upload_is_found_by_its_access_key(stores: Stores):
    project, file = stores.project(), sent(3_000_000_000)
    [upload] = add(stores, project, file)

    assert stores.uploads.find_upload(file.access_key) == upload
    for name in ("name", "content_type", "size", "sha256", "access_key", "key"):
        assert getattr(upload, name) == getattr(file, name)
    assert (upload.project_id, upload.folder_id) == (project.id, ROOT)
    assert stores.uploads.find_upload("access-of-nobody") is None


def test_a_folder_is_made_once(stores: Stores):
    project = stores.project()
    folder = stores.uploads.make_folder(project.id, "a", ROOT)

    assert stores.uploads.make_folder(project.id, "a", ROOT) == folder
    inner = stores.uploads.make_folder(project.id, "a", folder.id)
    assert (inner.parent_id, inner.name) == (folder.id, "a")
    assert len({folder.id, inner.id, stores.uploads.make_folder(project.id, "b", ROOT).id}) == 3
    assert stores.uploads.make_folder(stores.project().id, "a", ROOT).id != folder.id


def test_a_folder_is_made_once_by_many_at_once(stores: Stores):
    project = stores.project()
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: stores.uploads.make_folder(project.id, "a", ROOT).id, range(8)))
    assert len(set(made)) == 1


def test_another_projects_folder_is_missing_like_any_other(stores: Stores):
    mine, theirs = stores.project(), stores.project()
    folder = stores.uploads.make_folder(theirs.id, "a", ROOT)

    for missing in (folder.id, FolderId(4711)):
        file = sent()
        stores.uploads.expect([file.key], 60)
        with pytest.raises(NoSuchFolder):
            stores.uploads.make_folder(mine.id, "b", missing)
        with pytest.raises(NoSuchFolder):
            stores.uploads.add(mine.id, missing, [file])
        assert stores.uploads.find_upload(file.access_key) is None


def test_what_is_expected_but_never_comes_is_erasable(stores: Stores):
    stores.uploads.expect(["uploads/late"], 0)
    stores.uploads.expect(["uploads/soon"], 60)

    assert list(stores.keeper.erasable()) == ["uploads/late"]
    stores.keeper.erased(["uploads/late", "uploads/soon"])
    assert list(stores.keeper.erasable()) == []
    stores.uploads.add(stores.project().id, ROOT, [replace(sent(), key="uploads/soon")])


def test_what_has_come_is_not_erasable(stores: Stores):
    file = sent()
    stores.uploads.expect([file.key], 0)
    stores.uploads.add(stores.project().id, ROOT, [file])
    assert list(stores.keeper.erasable()) == []


def test_nothing_comes_unexpected_and_all_or_none(stores: Stores):
    project, file, late = stores.project(), sent(), sent()
    stores.uploads.expect([file.key], 60)
    with pytest.raises(Unavailable):
        stores.uploads.add(project.id, ROOT, [file, late])
    assert stores.uploads.find_upload(file.access_key) is None
    assert stores.uploads.add(project.id, ROOT, [file])


def test_a_task_brings_its_files_with_it(stores: Stores):
    project, file = stores.project(), sent()
    [before] = add(stores, project, sent())
    stores.uploads.expect([file.key], 60)
    inputs = reading(before.key, file.key, before.key)
    task = stores.tasks.submit(replace(new_task(project.id), uploads=(file,), inputs=inputs))

    assert list(stores.uploads.inputs_of(task.id)) == list(inputs)
    upload = stores.uploads.find_upload(file.access_key)
    assert upload is not None
    assert (upload.project_id, upload.folder_id) == (project.id, ROOT)
    assert list(stores.uploads.inputs_of(TaskId(4711))) == []


def test_a_task_whose_file_is_gone_is_not_written(stores: Stores):
    project, file = stores.project(), sent()
    stores.uploads.expect([file.key], 60)
    new = replace(new_task(project.id), uploads=(file,), inputs=reading(file.key, "uploads/gone"))
    with pytest.raises(BadRequest, match=r"\[image\] can't be read"):
        stores.tasks.submit(new)
    assert stores.tasks.find_by_token(new.token) is None
    assert stores.uploads.find_upload(file.access_key) is None
