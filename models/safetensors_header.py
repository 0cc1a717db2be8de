"""The header of a safetensors file: names, shapes and metadata, read and bounded without any library for tensors.

The format: eight bytes with the header's length, the header as JSON, the tensors' bytes one after the other
(https://huggingface.co/docs/safetensors).
"""

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

SUFFIX: Final = ".safetensors"
MOST_HEADER_BYTES: Final = 32 * 2**20
MOST_TENSORS: Final = 100_000

_LENGTH_BYTES: Final = 8
_BITS: Final[Mapping[str, int]] = {
    "F4": 4,
    **dict.fromkeys(("F6_E2M3", "F6_E3M2"), 6),
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E8M0", "F8_E4M3", "F8_E5M2", "F8_E4M3FNUZ", "F8_E5M2FNUZ"), 8),
    **dict.fromkeys(("U16", "I16", "F16", "BF16"), 16),
    **dict.fromkeys(("U32", "I32", "F32"), 32),
    **dict.fromkeys(("U64", "I64", "F64", "C64"), 64),
}
_PICKLE: Final = "it is a pickle (.ckpt, .pt), which may hold programs; get the same weights as safetensors"
_PAGE: Final = "it is a web page; the download was answered with a page instead of the file"
_SIGNATURES: Final[Mapping[bytes, str]] = {
    b"PK\x03\x04": "it is a pickle (.ckpt, .pt) or an archive, which may hold programs; get the weights as safetensors",
    **dict.fromkeys((b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05"), _PICKLE),
    b"version ": "it is a Git LFS pointer, not the file itself; fetch the file with git lfs pull",
    **dict.fromkeys((b"<!DOCTYP", b"<!doctyp", b"<html"), _PAGE),
}


class HeaderError(ValueError):
    """The file is no whole safetensors file; the message says why and what to do, as a clause that doesn't name it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorSpec:
    """What the header says of one tensor. `dtype` in the format's names, as F16 and BF16."""

    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SafetensorsHeader:
    """The tensors by name, the free-form metadata, and the size of the whole file in bytes."""

    tensors: Mapping[str, TensorSpec]
    metadata: Mapping[str, str]
    file_bytes: int


def read_header(path: Path) -> SafetensorsHeader:
    """Read a file's header; its tensors stay on the disk.

    Raises:
        HeaderError: there is no such file, or it is no whole safetensors file.
    """
    try:
        with path.open("rb") as file:
            return parse_header(file, os.fstat(file.fileno()).st_size)
    except OSError as error:
        raise HeaderError(error.strerror or "it can't be opened") from error


def parse_header(file: BinaryIO, file_bytes: int) -> SafetensorsHeader:
    """Read the header from the beginning of a stream that is `file_bytes` long.

    Raises:
        HeaderError: it is no whole safetensors file.
    """
    start = file.read(_LENGTH_BYTES)
    length = int.from_bytes(start, "little")
    if len(start) < _LENGTH_BYTES or not 0 < length <= min(file_bytes - _LENGTH_BYTES, MOST_HEADER_BYTES):
        raise HeaderError(_meaning(start, length, file_bytes))
    content = _read_json(file.read(length))
    metadata: Any = content.pop("__metadata__", {})
    if not isinstance(metadata, dict) or len(content) > MOST_TENSORS:
        raise _damaged(f"its header is malformed, or names more than {MOST_TENSORS} tensors")
    pairs = cast("dict[str, Any]", metadata).items()
    texts = {name: value for name, value in pairs if isinstance(value, str)}
    tensors = _read_tensors(content, file_bytes - _LENGTH_BYTES - length)
    return SafetensorsHeader(tensors=tensors, metadata=texts, file_bytes=file_bytes)


def _meaning(start: bytes, length: int, file_bytes: int) -> str:
    """Say what a file is that begins with no possible length of a header."""
    # only here: a header of 640 bytes begins like a pickle
    for signature, meaning in _SIGNATURES.items():
        if start.startswith(signature):
            return meaning
    if MOST_HEADER_BYTES < length <= file_bytes - _LENGTH_BYTES:
        return f"its header takes {length} bytes; at most {MOST_HEADER_BYTES} are read"
    return "it is no safetensors file, or cut short within its header; get it again"


def _damaged(what: str) -> HeaderError:
    return HeaderError(f"{what}; get it again")


def _read_json(text: bytes) -> dict[str, Any]:
    try:
        content: Any = json.loads(text)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise _damaged("its header is no JSON object, so it is no safetensors file")
    return cast("dict[str, Any]", content)


def _read_tensors(content: Mapping[str, Any], data_bytes: int) -> dict[str, TensorSpec]:
    tensors: dict[str, TensorSpec] = {}
    spans: list[tuple[int, int]] = []
    for name, entry in content.items():
        spec, span = _read_entry(name, entry)
        tensors[name] = spec
        spans.append(span)
    end = 0
    for begin, finish in sorted(spans):
        if begin != end:
            raise _damaged("its tensors overlap or leave gaps")
        end = finish
    if end > data_bytes:
        raise _damaged(f"it is cut short: {end - data_bytes} of {end} bytes of its tensors are missing")
    if end < data_bytes:
        raise _damaged(f"it holds {data_bytes - end} bytes more than its header says")
    return tensors


def _read_entry(name: str, entry: Any) -> tuple[TensorSpec, tuple[int, int]]:
    try:
        dtype, shape, (begin, end) = entry["dtype"], tuple(entry["shape"]), entry["data_offsets"]
        whole = all(type(number) is int and number >= 0 for number in (*shape, begin, end))
        right = whole and (end - begin) * 8 == math.prod(shape) * _BITS[dtype]
    except (TypeError, KeyError, ValueError) as error:
        raise _damaged(f"its header is malformed at {name}") from error
    if not right:
        raise _damaged(f"the shape of {name} doesn't agree with its size")
    return TensorSpec(dtype=dtype, shape=shape), (begin, end)
