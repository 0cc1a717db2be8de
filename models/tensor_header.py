"""The header of a safetensors file: which tensors it holds, of which type and shape. No torch."""

import json
import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

SUFFIX: Final = ".safetensors"

_LENGTH: Final = struct.Struct("<Q")
_LONGEST: Final = 100_000_000  # bytes of a header; the format's own limit
_METADATA: Final = "__metadata__"
_PICKLE_STARTS: Final = (b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
_BITS: Final[Mapping[str, int]] = {
    "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6, "F8_E8M0": 8, "F8_E4M3": 8, "F8_E5M2": 8, "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8,
    "BOOL": 8, "U8": 8, "I8": 8, "U16": 16, "I16": 16, "F16": 16, "BF16": 16, "U32": 32, "I32": 32, "F32": 32,
    "U64": 64, "I64": 64, "F64": 64, "C64": 64,
}  # fmt: skip


class BrokenFile(Exception):
    """The file is no safetensors, or not whole. The message says why, to follow the file's name."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor: its type as safetensors names it (F16, F32, …), its shape, and its bytes from the file's start."""

    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Header:
    """What a file says of itself. `metadata` is what its maker wrote down."""

    tensors: Mapping[str, Tensor]
    metadata: Mapping[str, str]


def read_header(path: Path) -> Header:
    """Read the header and hold it against the file's size.

    Raises:
        BrokenFile: no safetensors, or cut short.
        OSError: the file can't be read.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(_LENGTH.size)
        if len(head) < _LENGTH.size:
            raise BrokenFile(f"is no safetensors file: it has {size} bytes")
        length: int = _LENGTH.unpack(head)[0]
        if head.startswith(_PICKLE_STARTS) and _LENGTH.size + length > size:
            raise BrokenFile("is a pickle under another name")
        if length > _LONGEST:
            raise BrokenFile("is no safetensors file")
        if _LENGTH.size + length > size:
            raise BrokenFile(f"is cut short within its header, at {size} bytes")
        content = _json(file.read(length))
    metadata = content.pop(_METADATA, {})
    tensors = {name: _tensor(name, entry, _LENGTH.size + length) for name, entry in content.items()}
    _check_size(tensors, _LENGTH.size + length, size)
    return Header(tensors, cast("dict[str, str]", metadata) if isinstance(metadata, dict) else {})


def _json(text: bytes) -> dict[str, object]:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        raise BrokenFile("is no safetensors file: its header can't be read") from None
    if not isinstance(content, dict):
        raise BrokenFile("is no safetensors file: its header is no table")
    return cast("dict[str, object]", content)


def _tensor(name: str, entry: object, data: int) -> Tensor:
    if not isinstance(entry, dict):
        raise BrokenFile(f"is no safetensors file: its header is wrong about {name}")
    fields = cast("dict[str, object]", entry)
    dtype, shape, span = fields.get("dtype"), _whole_numbers(fields.get("shape")), fields.get("data_offsets")
    offsets = _whole_numbers(span)
    if dtype not in _BITS or shape is None or offsets is None or len(offsets) != len(("start", "end")):
        raise BrokenFile(f"is no safetensors file: its header is wrong about {name}")
    start, end = offsets
    if (end - start) * 8 != _BITS[cast("str", dtype)] * math.prod(shape):
        raise BrokenFile(f"is damaged: {name} has {end - start} bytes, which its shape and type don't need")
    return Tensor(cast("str", dtype), shape, data + start, data + end)


def _whole_numbers(value: object) -> tuple[int, ...] | None:
    if not isinstance(value, list):
        return None
    items = cast("list[object]", value)
    if not all(type(item) is int and item >= 0 for item in items):
        return None
    return tuple(cast("list[int]", items))


def _check_size(tensors: Mapping[str, Tensor], data: int, size: int) -> None:
    at = data
    for tensor in sorted(tensors.values(), key=lambda tensor: (tensor.start, tensor.end)):
        if tensor.start != at:
            raise BrokenFile("is damaged: its tensors overlap or leave gaps")
        at = tensor.end
    if at > size:
        raise BrokenFile(f"is cut short: it has {size} of {at} bytes")
    if at < size:
        raise BrokenFile(f"is damaged: it has {size} bytes, its header speaks of {at}")
