"""Hashes of files: read once, remembered across processes, known by path, size and time of change."""

import hashlib
import json
import os
from pathlib import Path

import pytest

from server.adapters.hashes import CachedHashes


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "weights.safetensors"
    path.write_bytes(b"weights" * 1000)
    return path


def forge(cache: Path, word: str) -> None:
    """Make the cache say something that no reading would give."""
    cache.write_text(json.dumps(dict.fromkeys(json.loads(cache.read_text()), word)))


def test_a_file_is_read_once(file: Path, tmp_path: Path):
    cache = tmp_path / "hashes.json"
    assert CachedHashes(cache).sha256(file) == hashlib.sha256(file.read_bytes()).hexdigest()
    forge(cache, "remembered")
    assert CachedHashes(cache).sha256(file) == "remembered"


@pytest.mark.parametrize("changed", ["content", "time"])
def test_a_changed_file_is_read_again(file: Path, tmp_path: Path, changed: str):
    cache = tmp_path / "hashes.json"
    CachedHashes(cache).sha256(file)
    forge(cache, "remembered")
    if changed == "content":
        file.write_bytes(b"other")
    else:
        os.utime(file, ns=(1, 1))
    assert CachedHashes(cache).sha256(file) == hashlib.sha256(file.read_bytes()).hexdigest()


@pytest.mark.parametrize("spoilt", ["", "[]", "{", '{"a": 1}', "\xff"])
def test_a_spoilt_cache_costs_time_only(file: Path, tmp_path: Path, spoilt: str):
    cache = tmp_path / "hashes.json"
    cache.write_bytes(spoilt.encode("latin-1"))
    assert CachedHashes(cache).sha256(file) == hashlib.sha256(file.read_bytes()).hexdigest()
    assert list(json.loads(cache.read_text()).values()) == [CachedHashes(cache).sha256(file)]


def test_a_cache_that_cannot_be_written_is_no_error(file: Path, tmp_path: Path):
    hashes = CachedHashes(tmp_path / "nowhere" / "hashes.json")
    assert hashes.sha256(file) == hashes.sha256(file) == hashlib.sha256(file.read_bytes()).hexdigest()


def test_a_missing_file_and_a_stop_are_told(file: Path, tmp_path: Path):
    hashes = CachedHashes(tmp_path / "hashes.json")
    with pytest.raises(OSError, match="No such file"):
        hashes.sha256(tmp_path / "missing")
    hashes.stop()
    with pytest.raises(OSError, match="stopped"):
        hashes.sha256(file)
