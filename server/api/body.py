"""Reading a request's body by its bytes: clients put JSON, forms and multipart under any label (traps 5 and 21)."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Final, NoReturn, TypeAlias, cast
from urllib.parse import parse_qsl

from fastapi import Depends, Request
from starlette.concurrency import run_in_threadpool

from server.api.body_stream import BodyStream, Pace
from server.api.forms import MAX_FORM, Wanted, read_form
from server.api.wiring import Wired
from server.domain.errors import BadRequest
from server.domain.types import JsonValue
from server.services.incoming import Incoming

MAX_BODY: Final = 1_000_000
"""Bytes. Nothing a text-to-image request carries comes near it."""
MAX_DRAINED: Final = 16_000_000
MAX_DEPTH: Final = 32
MAX_FIELDS: Final = 500
_TELLING: Final = 1024
# The boundary's line, then any header: .NET and aiohttp don't begin with Content-Disposition.
_BOUNDARY: Final = re.compile(rb"--([0-9A-Za-z'()+_,./:=?-]{1,70})[ \t]*\r?\n[A-Za-z0-9-]+[ \t]*:")

Fields: TypeAlias = Mapping[str, JsonValue]


async def read_fields(request: Request, wiring: Wired) -> Fields:
    """Return the body's top-level fields; files are read and dropped. Raises BadRequest."""
    return (await read_submission(request, wiring.pace)).fields


async def read_submission(request: Request, pace: Pace, wanted: Wanted | None = None) -> "Submission":
    """Return the body's fields, and the files that are wanted. Raises BadRequest; then no file is left.

    A body a little too large is read to its end, so that the client gets to read the answer.
    """
    stream = BodyStream(request, pace)
    drained = MAX_DRAINED
    try:
        first = await _first(stream)
        boundary = _BOUNDARY.match(first)
        if boundary is None:
            return Submission(_fields(await _whole(first, stream)))
        limit = MAX_BODY if wanted is None else MAX_FORM
        drained = max(limit, MAX_DRAINED)
        form = await read_form(first, stream, boundary[1], limit, wanted)
        try:
            return Submission(_collect(form.pairs), form.files)
        except ValueError:
            await run_in_threadpool(form.discard)
            raise BadRequest from None
    except BadRequest:
        await stream.drain(drained)
        raise


@dataclass(frozen=True, slots=True)
class Submission:
    """A body as a route sees it: fields, and files on their way in, which the route keeps or leaves."""

    fields: Fields
    files: Sequence[Incoming] = ()

    def discard(self) -> None:
        """Leave nothing of files that were not kept."""
        for file in self.files:
            file.discard()


Body = Annotated[Fields, Depends(read_fields)]


async def _first(stream: BodyStream) -> bytes:
    """Return the beginning, enough of it to tell a form's boundary by."""
    first = b""
    async for chunk in stream:
        first = (first + chunk).removeprefix(b"\xef\xbb\xbf").lstrip()
        if len(first) >= _TELLING or stream.size > MAX_BODY:
            break
    return first


async def _whole(first: bytes, stream: BodyStream) -> bytes:
    chunks = [first]
    async for chunk in stream:
        if stream.size > MAX_BODY:
            break
        chunks.append(chunk)
    if stream.size > MAX_BODY:
        raise BadRequest(f"Request body is larger than {MAX_BODY} bytes.")
    return b"".join(chunks).strip()


def _fields(body: bytes) -> Fields:
    if not body:
        return {}
    return _json(body) if body[:1] in b'{["' else _form(body)


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
