import contextlib
import json
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.safetensors_header import MOST_HEADER_BYTES, HeaderError, read_header


def file_of(folder, header, data: bytes):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path = folder / "file.safetensors"
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    return path


def tensor(dtype: str, shape: list[int], begin: int, end: int) -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def test_names_shapes_and_metadata_are_read(tmp_path):
    header = {"__metadata__": {"a": "b"}, "x": tensor("F16", [2, 3], 0, 12), "y": tensor("F32", [], 12, 16)}
    read = read_header(file_of(tmp_path, header, bytes(16)))

    assert {name: (spec.dtype, spec.shape) for name, spec in read.tensors.items()} == {
        "x": ("F16", (2, 3)),
        "y": ("F32", ()),
    }
    assert read.metadata == {"a": "b"}
    assert read.file_bytes == (tmp_path / "file.safetensors").stat().st_size


@pytest.mark.parametrize(
    ("header", "data", "words"),
    [
        ({"x": tensor("F16", [2, 3], 0, 12)}, bytes(7), "cut short: 5 of 12 bytes"),
        ({"x": tensor("F16", [2, 3], 0, 12)}, bytes(14), "2 bytes more"),
        ({"x": tensor("F16", [2, 4], 0, 12)}, bytes(12), "shape of x doesn't agree"),
        ({"x": tensor("F16", [-2, -3], 0, 12)}, bytes(12), "shape of x doesn't agree"),
        ({"x": tensor("F99", [2, 3], 0, 12)}, bytes(12), "malformed at x"),
        ({"x": tensor("F16", [1], 0, 2), "y": tensor("F16", [1], 1, 3)}, bytes(3), "overlap"),
        ({"x": tensor("F16", [1], 0, 2), "y": tensor("F16", [1], 4, 6)}, bytes(6), "gaps"),
        ({"x": 3}, b"", "malformed at x"),
        ({"x": {"dtype": "F16", "shape": [2], "data_offsets": [0]}}, bytes(4), "malformed at x"),
        ({"x": tensor("F16", [True, 2], 0, 4)}, bytes(4), "shape of x doesn't agree"),  # type: ignore[list-item]
        ({"x": tensor("F16", [1], 2, 4)}, bytes(4), "gaps"),
        (b"\xff\xfe", b"", "no JSON object"),
        (b"[1]", b"", "no JSON object"),
        (b"{" * 4000, b"", "no JSON object"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, header, data, words):
    with pytest.raises(HeaderError, match=words):
        read_header(file_of(tmp_path, header, data))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no safetensors file"),
        (b"\x00" * 8, "no safetensors file"),
        (b"PK\x03\x04 and more of a zip", "pickle"),
        (b"\x80\x02}q\x00.", "pickle"),
        (b"\x80\x04\x95" + bytes([1]) * 60, "pickle"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer"),
        (b"<!DOCTYPE html><html>", "web page"),
        (b"nothing of the kind", "no safetensors file"),
    ],
)
def test_other_files_are_called_by_their_name(tmp_path, content, words):
    (tmp_path / "file.safetensors").write_bytes(content)
    with pytest.raises(HeaderError, match=words):
        read_header(tmp_path / "file.safetensors")


@pytest.mark.parametrize("length", [0x280, 0x380, 0x480])
def test_a_header_whose_length_looks_like_a_pickle_is_read(tmp_path, length):
    text = json.dumps({"x": tensor("F16", [2], 0, 4)}).encode()

    assert read_header(file_of(tmp_path, text.ljust(length), bytes(4))).tensors["x"].shape == (2,)


@pytest.mark.parametrize(("dtype", "shape", "size"), [("F4", [4], 2), ("F6_E2M3", [4], 3), ("C64", [2], 16)])
def test_numbers_of_every_format_are_known(tmp_path, dtype, shape, size):
    header = {"x": tensor(dtype, shape, 0, size)}

    assert read_header(file_of(tmp_path, header, bytes(size))).tensors["x"].dtype == dtype


def test_a_header_beyond_the_bound_isnt_read(tmp_path):
    path = tmp_path / "huge.safetensors"
    with path.open("wb") as file:
        file.write(struct.pack("<Q", MOST_HEADER_BYTES + 1))
        file.truncate(MOST_HEADER_BYTES + 100)
    with pytest.raises(HeaderError, match="at most"):
        read_header(path)


@pytest.mark.parametrize("name", ["missing", "."])
def test_what_is_no_file_is_said(tmp_path, name):
    with pytest.raises(HeaderError, match=r"No such file|directory"):
        read_header(tmp_path / name)


@given(content=st.binary(max_size=200))
def test_nothing_but_a_header_error_comes_of_any_bytes(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "any.safetensors"
    path.write_bytes(content)
    with contextlib.suppress(HeaderError):
        read_header(path)
