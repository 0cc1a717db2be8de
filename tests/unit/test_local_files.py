"""Going through all files there are takes no more memory than a few of them."""

import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from server.adapters.files import LocalFiles

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
