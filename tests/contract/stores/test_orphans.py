"""Pictures on disk that no row names: what may be erased, and what a worker may still record."""

import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from server.adapters.files import LocalFiles
from server.domain.lifecycle import FINISHING, RUNNING, TERMINAL, TaskStatus
from server.domain.writes import AddFile, Requeue
from server.services.retention import collect_orphans
from tests.stores import Stores, picture

HOUR = 3600.0


def write(files: LocalFiles, key: str, age: float = 2 * HOUR) -> str:
    files.write(key, b"pixels")
    path = files._path(key)
    os.utime(path, (time.time() - age,) * 2)
    return key


def exists(files: LocalFiles, key: str) -> bool:
    opened = files.open(key)
    if opened is not None:
        opened.close()
    return opened is not None


@pytest.mark.parametrize("status", [TaskStatus.QUEUE, *sorted(RUNNING), *sorted(FINISHING), *sorted(TERMINAL)])
def test_what_nobody_can_record_any_more_is_an_orphan(stores: Stores, status: TaskStatus):
    task_id, _ = stores.task_in(status)
    key = f"outputs/{stores.task(task_id).uuid}/left.png"
    assert list(stores.keeper.orphans([key])) == ([] if status in RUNNING else [key])


def test_a_worker_killed_between_the_file_and_its_row_leaves_nothing_for_ever(stores: Stores, tmp_path: Path):
    files = LocalFiles(tmp_path)
    lease = stores.claimed(seconds=60).lease
    uuid = stores.task(lease.task_id).uuid
    recorded, left = (write(files, f"outputs/{uuid}/{name}.png") for name in ("recorded", "left"))
    stores.tasks.write(lease, [AddFile(replace(picture(0), key=recorded))])

    assert collect_orphans(stores.keeper, files, HOUR) == 0  # its worker may only have lost the database for a while
    assert exists(files, left)
    stores.drive(lease, TaskStatus.POSTPROCESS_END)
    assert collect_orphans(stores.keeper, files, HOUR) == 1
    assert (exists(files, recorded), exists(files, left)) == (True, False)


def test_a_picture_recorded_late_is_kept(stores: Stores, tmp_path: Path):
    """The database was away for hours; the sweeper and the worker come back together, the sweeper first."""
    files = LocalFiles(tmp_path)
    lease = stores.claimed().lease
    key = write(files, f"outputs/{stores.task(lease.task_id).uuid}/late.png", age=5 * HOUR)
    collect_orphans(stores.keeper, files, HOUR)
    stores.tasks.write(lease, [AddFile(replace(picture(0), key=key))])
    stores.drive(lease, TaskStatus.POSTPROCESS_END)
    collect_orphans(stores.keeper, files, HOUR)
    assert exists(files, key)


def test_young_files_uploads_and_others_are_left_alone(stores: Stores, tmp_path: Path):
    files = LocalFiles(tmp_path)
    task_id, _ = stores.task_in(TaskStatus.CANCEL)
    uuid = stores.task(task_id).uuid
    kept = [
        write(files, f"outputs/{uuid}/young.png", age=HOUR / 2),
        write(files, "outputs/of-another-database/picture.png"),
        write(files, f"outputs/{uuid}/deeper/picture.png"),
        write(files, f"uploads/ab/{uuid}"),
        write(files, "notes.txt"),
    ]
    gone = write(files, f"outputs/{uuid}/old.png")
    assert collect_orphans(stores.keeper, files, HOUR) == 1
    assert [exists(files, key) for key in [*kept, gone]] == [True] * 5 + [False]
    assert collect_orphans(stores.keeper, LocalFiles(tmp_path / "nothing"), HOUR) == 0


def test_what_is_being_erased_is_the_erasers(stores: Stores):
    """It may be kept for a reader; only who erases looks for those."""
    lease = stores.claimed().lease
    key = f"outputs/{stores.task(lease.task_id).uuid}/dropped.png"
    stores.tasks.write(lease, [AddFile(replace(picture(0), key=key))])
    stores.tasks.write(lease, [Requeue()])
    assert key in stores.keeper.erasable()
    assert list(stores.keeper.orphans([key])) == []
