"""Reading a request's body by its bytes: clients put JSON, forms and multipart under any label (traps 5 and 21)."""

import json
import math
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Annotated, Final, NoReturn, TypeAlias, cast
from urllib.parse import parse_qsl

from fastapi import Depends, Request
from starlette.datastructures import Headers
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect

from server.domain.errors import BadRequest
from server.domain.types import JsonValue

MAX_BODY: Final = 1_000_000
"""Bytes. Nothing a text-to-image request carries comes near it."""
MAX_DRAINED: Final = 16_000_000
MAX_DEPTH: Final = 32
MAX_FIELDS: Final = 500
# The boundary's line, then any header: .NET and aiohttp don't begin with Content-Disposition.
_BOUNDARY: Final = re.compile(rb"--([0-9A-Za-z'()+_,./:=?-]{1,70})[ \t]*\r?\n[A-Za-z0-9-]+[ \t]*:")

Fields: TypeAlias = Mapping[str, JsonValue]


async def read_fields(request: Request) -> Fields:
    """Return the body's top-level fields. Raises BadRequest."""
    body = (await _read(request)).removeprefix(b"\xef\xbb\xbf").strip()
    if not body:
        return {}
    if body[:1] in b'{["':
        return _json(body)
    boundary = _BOUNDARY.match(body)
    if boundary:
        return await _multipart(body, boundary[1])
    return _form(body)


Body = Annotated[Fields, Depends(read_fields)]


async def _read(request: Request) -> bytes:
    chunks: list[bytes] = []
    size = 0
    try:
        async for chunk in request.stream():
            size += len(chunk)
            if size <= MAX_BODY:
                chunks.append(chunk)
            elif size > MAX_DRAINED:
                break
    except ClientDisconnect:
        raise BadRequest from None  # answered to nobody: the caller hung up
    # A body a little too large is read to its end, so that the client gets to read the answer.
    if size > MAX_BODY:
        raise BadRequest(f"Request body is larger than {MAX_BODY} bytes.")
    return b"".join(chunks)


def _json(body: bytes) -> Fields:
    try:
        value = json.loads(body.decode(), parse_constant=_refuse, parse_float=_finite)
        _check(value, MAX_DEPTH)
    except (ValueError, RecursionError):
        # Invalid UTF-8, NaN, 5,000-digit integers, a megabyte of brackets: all the same to the client.
        raise BadRequest from None
    if not isinstance(value, dict):
        raise BadRequest
    fields = cast("dict[str, JsonValue]", value)
    if len(fields) > MAX_FIELDS:
        raise BadRequest
    return fields


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def _check(value: JsonValue, depth: int) -> None:
    """Refuse what a database would choke on: deep nesting, NUL and lone surrogates. Raises ValueError."""
    if depth == 0:
        raise ValueError("too deep")
    match value:
        case str():
            _check_text(value)
        case Mapping():
            for key, item in value.items():
                _check_text(key)
                _check(item, depth - 1)
        case Sequence():
            for item in value:
                _check(item, depth - 1)
        case _:
            pass


def _check_text(text: str) -> None:
    text.encode()  # UnicodeEncodeError, a ValueError, for lone surrogates
    if "\0" in text:
        raise ValueError("NUL")


def _form(body: bytes) -> Fields:
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS)
        return _collect(pairs)
    except ValueError:
        raise BadRequest from None


async def _multipart(body: bytes, boundary: bytes) -> Fields:
    async def stream() -> AsyncIterator[bytes]:
        yield body

    # The parser would read text that is no UTF-8 as Latin-1; asked for Latin-1 it hands on the bytes as they are.
    label = f'multipart/form-data; charset=latin-1; boundary="{boundary.decode("ascii")}"'
    headers = Headers({"content-type": label})
    parser = MultiPartParser(headers, stream(), max_files=20, max_fields=MAX_FIELDS, max_part_size=MAX_BODY)  # pyright: ignore[reportArgumentType]  an async iterator is all it needs
    try:
        form = await parser.parse()
        # No model here takes files yet; a file part is an unknown key like any other.
        pairs = [(name, value) for name, value in form.multi_items() if isinstance(value, str)]
        await form.close()
        return _collect([(_utf8(name), _utf8(value)) for name, value in pairs])
    except (MultiPartException, ValueError, KeyError):
        raise BadRequest from None


def _utf8(latin: str) -> str:
    return latin.encode("latin-1").decode()


def _collect(pairs: list[tuple[str, str]]) -> Fields:
    """Turn repeated keys into lists."""
    fields: dict[str, JsonValue] = {}
    for key, value in pairs:
        _check_text(key)
        _check_text(value)
        before = fields.get(key)
        if before is None:
            fields[key] = value
        else:
            fields[key] = [*before, value] if isinstance(before, list) else [before, value]
    return fields
