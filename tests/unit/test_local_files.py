"""Going through all files there are: what it takes, and what of unfinished ones."""

import os
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from server.adapters.files import LocalFiles
from server.services.retention import collect_unfinished

FOLDERS = 3000
MOST_BYTES = 150_000
"""A list of the folders' entries takes more than a megabyte."""


@pytest.mark.parametrize(
    "walk",
    [lambda files: files.collect(-60), lambda files: sum(1 for _ in files.unchanged("outputs", -60))],
    ids=["collect", "unchanged"],
)
def test_a_walk_holds_no_list_of_what_there_is(tmp_path: Path, walk: Callable[[LocalFiles], int]):
    for number in range(FOLDERS):
        folder = tmp_path / "outputs" / f"task-{number:06}"
        folder.mkdir(parents=True)
        (folder / "0.png").touch()
        (folder / "1.png.0123abcd.tmp").touch()
    files = LocalFiles(tmp_path)
    tracemalloc.start()
    try:
        found = walk(files)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found == FOLDERS
    assert peak < MOST_BYTES


def test_what_nobody_has_finished_for_two_days_is_erased(tmp_path: Path):
    names = ("old.png.0123abcd.tmp", "new.png.0123abcd.tmp", "old.png")
    for name in names:
        (tmp_path / name).touch()
    past = time.time() - 2 * 86_400
    for name in (names[0], names[2]):
        os.utime(tmp_path / name, (past, past))
    assert collect_unfinished(LocalFiles(tmp_path)) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names[1:])
