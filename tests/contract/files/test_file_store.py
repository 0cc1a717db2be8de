"""What every file store promises: a folder, and a bucket behind a server that speaks S3."""

from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from server.adapters.files import LocalFiles
from server.adapters.s3.store import BucketFiles
from server.adapters.s3.writer import PART
from server.domain.bucket_url import parse_bucket_url
from server.ports import FileStore

KEY = "outputs/7f3a/picture-1.png"
LARGE = Random(1).randbytes(2 * PART + 12345)


@pytest.fixture(params=["folder", "bucket"])
def files(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[FileStore]:
    if request.param == "folder":
        yield LocalFiles(tmp_path / "files")
    else:
        yield BucketFiles(parse_bucket_url(request.getfixturevalue("s3").new_bucket()))


def read(files: FileStore, key: str = KEY) -> bytes | None:
    content = files.open(key)
    if content is None:
        return None
    with content:
        return content.read()


def test_what_is_written_is_read(files: FileStore):
    files.write(KEY, b"pixels")

    assert read(files) == b"pixels"


def test_an_empty_file_is_a_file(files: FileStore):
    files.write(KEY, b"")

    assert read(files) == b""


def test_a_file_that_is_not_there(files: FileStore):
    assert read(files) is None


@pytest.mark.parametrize("size", [0, 1, PART, PART + 1, len(LARGE)])
def test_a_file_of_any_size_comes_whole(files: FileStore, size: int):
    writer = files.begin(KEY)
    for start in range(0, size, 3_000_001):
        writer.write(LARGE[start : min(size, start + 3_000_001)])
    assert read(files) is None
    writer.finish()

    assert read(files) == LARGE[:size]


def test_a_large_file_at_once(files: FileStore):
    files.write(KEY, LARGE)

    assert read(files) == LARGE


@pytest.mark.parametrize("size", [10, len(LARGE)])
def test_nothing_is_left_of_what_was_discarded(files: FileStore, size: int):
    writer = files.begin(KEY)
    writer.write(LARGE[:size])
    writer.discard()

    assert read(files) is None
    assert list(files.unchanged("outputs", -60)) == []
    assert files.collect(-60) == 0


def test_any_part_can_be_sought(files: FileStore):
    files.write(KEY, LARGE)

    with files.open(KEY) as content:
        content.seek(PART + 5)
        assert content.read(10) == LARGE[PART + 5 : PART + 15]
        assert content.tell() == PART + 15
        content.seek(3)
        assert content.read(4) == LARGE[3:7]
        content.seek(0, 2)
        assert content.tell() == len(LARGE)
        assert content.read(1) == b""


def test_a_later_write_takes_the_place(files: FileStore):
    files.write(KEY, b"first")
    files.write(KEY, b"second")

    assert read(files) == b"second"


def test_a_deleted_file_is_gone_and_may_be_deleted_again(files: FileStore):
    files.write(KEY, b"pixels")
    files.write("outputs/7f3a/other.png", b"others")
    files.delete(KEY)
    files.delete(KEY)

    assert read(files) is None
    assert read(files, "outputs/7f3a/other.png") == b"others"


def test_only_old_files_of_the_prefix_are_unchanged(files: FileStore):
    keys = {f"outputs/task-{number}/a.png" for number in range(3)}
    for key in (*keys, "uploads/ab/cd", "outputsish/x"):
        files.write(key, b"x")

    assert set(files.unchanged("outputs", -60)) == keys
    assert list(files.unchanged("outputs", 60)) == []
    assert list(files.unchanged("nothing", -60)) == []


def test_what_a_dead_writer_left_is_collected_when_it_is_old(files: FileStore):
    writer = files.begin(KEY)
    writer.write(LARGE)  # and then it dies

    if isinstance(files, LocalFiles):  # for moto every upload began in 2010; tests/unit/test_bucket_pages.py has ages
        assert files.collect(60) == 0
    assert files.collect(-60) == 1
    assert files.collect(-60) == 0
    assert read(files) is None
    writer.discard()


@pytest.mark.parametrize("key", ["", "/etc/passwd", "../secret", "outputs/../x", ".hidden", "a//b", "a b", "ä", "a/"])
def test_no_other_keys(files: FileStore, key: str):
    for call in (files.open, files.delete, files.begin, lambda bad: files.write(bad, b"")):
        with pytest.raises(ValueError, match="not a file key"):
            call(key)
