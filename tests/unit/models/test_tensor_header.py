"""Headers of safetensors files: told from the file alone, and held against its size."""

import json
from contextlib import suppress

import pytest
from hypothesis import strategies

from models.tensor_header import BrokenFile, Tensor, read_header
from tests.checkpoints import write_header, write_tensors
from tests.properties import budgets, hold

SHAPES = {"one": (2, 3), "two": (), "three": (0, 7)}


def why(path) -> str:
    with pytest.raises(BrokenFile) as broken:
        read_header(path)
    return str(broken.value)


def test_types_shapes_places_and_metadata_are_read(tmp_path):
    header = read_header(write_tensors(tmp_path / "a.safetensors", SHAPES, {"format": "pt"}))
    start = header.tensors["one"].start

    assert header.tensors["one"] == Tensor("F16", (2, 3), start, start + 12)
    assert header.tensors["two"] == Tensor("F16", (), start + 12, start + 14)
    assert header.tensors["three"].shape == (0, 7)
    assert header.metadata == {"format": "pt"}


@pytest.mark.parametrize("kept", [0, 4, 20, -1])
def test_a_file_that_is_cut_short_anywhere_is_broken(tmp_path, kept):
    path = write_tensors(tmp_path / "a.safetensors", SHAPES)
    path.write_bytes(path.read_bytes()[:kept])

    assert "is cut short" in why(path) or "has" in why(path)


def test_a_file_with_more_than_its_header_says_is_broken(tmp_path):
    path = write_tensors(tmp_path / "a.safetensors", SHAPES)
    path.write_bytes(path.read_bytes() + b"!")

    assert "its header speaks of" in why(path)


@pytest.mark.parametrize(
    ("start", "says"),
    [
        (b"PK\x03\x04" + bytes(60), "is a pickle under another name"),
        (b"\x80\x02}q" + bytes([1]) * 60, "is a pickle under another name"),
        (b"<!DOCTYPE html><html>" * 5, "is no safetensors file"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "is no safetensors file"),
    ],
)
def test_other_files_under_that_name(tmp_path, start, says):
    path = tmp_path / "a.safetensors"
    path.write_bytes(start)

    assert why(path).startswith(says)


@pytest.mark.parametrize(
    "header",
    [
        b"[]",
        b"{",
        b"[" * 100_000,
        b"\xff\xfe",
        b'{"a": 1}',
        b'{"a": {"dtype": "F16", "shape": [2], "data_offsets": [0]}}',
        b'{"a": {"dtype": "F99", "shape": [2], "data_offsets": [0, 4]}}',
        b'{"a": {"dtype": "F16", "shape": [-2], "data_offsets": [0, 4]}}',
        b'{"a": {"dtype": "F16", "shape": [true, 2], "data_offsets": [0, 4]}}',
        b'{"a": {"dtype": "F16", "shape": [3], "data_offsets": [0, 4]}}',
        b'{"a": {"dtype": "F16", "shape": [1], "data_offsets": [2, 4]}}',
    ],
)
def test_a_header_that_makes_no_sense(tmp_path, header):
    assert why(write_header(tmp_path / "a.safetensors", header, 4))


_NUMBERS = strategies.integers(-3, 9)
_ENTRY = strategies.fixed_dictionaries(
    {"dtype": strategies.sampled_from(["F16", "I8", "F99"]), "shape": strategies.lists(_NUMBERS, max_size=2)},
    optional={"data_offsets": strategies.lists(_NUMBERS, max_size=3)},
)
_HEADERS = strategies.dictionaries(strategies.text(max_size=3), _ENTRY, max_size=3).map(json.dumps).map(str.encode)


@budgets
def test_whatever_comes_is_read_or_called_broken(tmp_path, examples):
    path = tmp_path / "a.safetensors"

    def is_read_or_broken(content: bytes) -> None:
        path.write_bytes(len(content).to_bytes(8, "little") + content)
        with suppress(BrokenFile):
            read_header(path)

    hold(examples, (strategies.one_of(strategies.binary(max_size=40), _HEADERS), is_read_or_broken))
