"""Files from one store to another: only what is missing, whole or not at all."""

from pathlib import Path

import pytest

from server.adapters.files import LocalFiles
from server.services.copy_files import CopiedFiles, copy_files

KEYS = ("outputs/a/1.png", "outputs/a/2.png", "uploads/ab/cd")


class Full(LocalFiles):
    """A folder that takes two files."""

    def begin(self, key: str):
        if len([path for path in self._root.rglob("*") if path.is_file()]) >= 2:
            raise OSError(28, "No space left on device")
        return super().begin(key)


def test_what_is_missing_is_copied(tmp_path: Path):
    here, there = LocalFiles(tmp_path / "here"), LocalFiles(tmp_path / "there")
    for key in KEYS:
        here.write(key, key.encode() * 400_000)
    there.write(KEYS[0], b"there already")

    assert copy_files((*KEYS, "outputs/b/3.png"), here, there) == CopiedFiles(copied=2, there=1, gone=1)
    with there.open(KEYS[0]) as kept, there.open(KEYS[2]) as copied:
        assert kept.read() == b"there already"
        assert copied.read() == KEYS[2].encode() * 400_000
    assert copy_files(KEYS, here, there) == CopiedFiles(copied=0, there=3, gone=0)


def test_a_copy_that_broke_off_goes_on(tmp_path: Path):
    here = LocalFiles(tmp_path / "here")
    for key in KEYS:
        here.write(key, b"x")
    with pytest.raises(OSError, match="No space left"):
        copy_files(KEYS, here, Full(tmp_path / "there"))

    assert copy_files(KEYS, here, LocalFiles(tmp_path / "there")) == CopiedFiles(copied=1, there=2, gone=0)
