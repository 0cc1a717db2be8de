"""What reads a request: nothing but the documented error, in linear time, and back again where there is a way back."""

import asyncio
import json
import time
from itertools import pairwise
from typing import Any
from urllib.parse import quote_plus, urlencode

import pytest
from fastapi import Request
from hypothesis import strategies as st

from server.adapters.memory import MemoryStores
from server.adapters.secret_box import FileKeySecretBox
from server.api.body import MAX_DEPTH, Submission, read_submission
from server.api.body_stream import Pace
from server.api.multipart import MultipartReader, plain_name
from server.api.ranges import Span, Unsatisfiable, span_of
from server.domain.errors import BadRequest, NotAuthorized
from server.domain.file_urls import FileAddress, file_address, file_url
from server.services.authenticate import Proof, authenticate
from server.services.run_key import run_key
from tests.properties import Property, budgets, each, hold

PLAIN = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
TEXTS = st.text(PLAIN, max_size=40)
ANY_TEXT = st.text(st.characters(exclude_categories=[]), max_size=60)
NUMBERS = st.integers(-(10**40), 10**40) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=15,
)
FIELDS = st.dictionaries(TEXTS, VALUES, max_size=10)
CUTS = st.lists(st.integers(0, 4000), max_size=8)
PAIRS = st.lists(st.tuples(st.text(PLAIN, min_size=1, max_size=20), TEXTS), min_size=1, max_size=10)
PIECES = st.lists(
    st.sampled_from(
        ["{", "}", "[", "]", '"', ":", ",", "\\", "\\u", "d800", "0", "-", "1e999", "NaN", "null", "a", "="]
    )
)


def submitted(body: bytes, cuts: list[int]) -> Submission:
    """Read a body that comes in pieces."""
    edges = [0, *sorted({cut % (len(body) + 1) for cut in cuts}), len(body)]
    waiting = [{"type": "http.request", "body": body[a:b], "more_body": b < len(body)} for a, b in pairwise(edges)]
    messages = iter([*waiting, {"type": "http.request", "body": b"", "more_body": False}])

    async def receive() -> Any:
        return next(messages)

    request = Request({"type": "http", "method": "POST", "headers": []}, receive)
    return asyncio.run(read_submission(request, Pace()))


def json_comes_back(example: tuple[dict[str, Any], list[int], bool]) -> None:
    fields, cuts, escaped = example
    body = json.dumps(fields, ensure_ascii=escaped).encode()
    assert submitted(b"\xef\xbb\xbf \n" + body + b"\n ", cuts).fields == fields


def a_form_comes_back(example: tuple[list[tuple[str, str]], list[int]]) -> None:
    pairs, cuts = [("first", "x"), *example[0]], example[1]
    together: dict[str, list[str]] = {}
    for name, value in pairs:
        together.setdefault(name, []).append(value)
    one_or_all = {name: values[0] if len(values) == 1 else values for name, values in together.items()}
    assert submitted(urlencode(pairs, quote_via=quote_plus).encode(), cuts).fields == one_or_all


def a_body_is_read_or_refused(example: tuple[bytes, list[int]]) -> None:
    try:
        fields = submitted(*example).fields
    except BadRequest:
        return
    assert depth_of(fields) <= MAX_DEPTH
    text = json.dumps(fields, allow_nan=False, ensure_ascii=False)
    text.encode()
    assert "\\u0000" not in text


def depth_of(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max(map(depth_of, inner), default=0)


def a_range_lies_within(example: tuple[str, int]) -> None:
    header, size = example
    try:
        span = span_of(header, size)
    except Unsatisfiable:
        return
    assert span is None or 0 <= span.first <= span.last < size


def a_range_comes_back(example: tuple[int, int, int]) -> None:
    first, last, size = sorted(example)
    assert span_of(f"bytes={first}-{last}", size + 1) == Span(first, last)
    assert span_of(f"bytes={first}-", size + 1) == Span(first, size)
    assert span_of(f"bytes=-{first + 1}", size + 1) == Span(size - first, size)


def a_run_key_is_kept_or_refused(text: str) -> None:
    try:
        key = run_key(text, "m", {})
    except BadRequest:
        assert not text.strip().isascii() or not text.strip().isprintable() or len(text.strip()) > 255
        return
    assert (key.text if key else "") == text.strip()


def nobody_is_let_in(example: tuple[bytes | None, bytes | None, bytes | None]) -> None:
    with pytest.raises(NotAuthorized):
        authenticate(MemoryStores(), FileKeySecretBox.__new__(FileKeySecretBox), Proof(*example))


def a_part_begins_or_is_refused(head: bytes) -> None:
    reader = MultipartReader(b"X")
    try:
        reader.feed(b"--X\r\nContent-Disposition: form-data" + head + b"\r\n\r\na\r\n--X--\r\n")
        reader.close()
    except ValueError:
        return


def an_address_comes_back(example: tuple[str, str]) -> None:
    key, name = example
    url = file_url("https://example.org", key, plain_name(name))
    assert file_address(url) == FileAddress(key, plain_name(name))
    assert url.isascii()


HEADER = st.none() | st.binary(max_size=100)
PROPERTIES: dict[str, Property] = {
    "JSON": (st.tuples(FIELDS, CUTS, st.booleans()), json_comes_back),
    "forms": (st.tuples(PAIRS, CUTS), a_form_comes_back),
    "garbage": (st.tuples(st.binary(max_size=300), CUTS), a_body_is_read_or_refused),
    "almost JSON": (st.tuples(PIECES.map(lambda of: ("{" + "".join(of)).encode()), CUTS), a_body_is_read_or_refused),
    "any text as JSON": (
        st.tuples(ANY_TEXT.map(lambda text: json.dumps({text: [text]}).encode()), CUTS),
        a_body_is_read_or_refused,
    ),
    "almost multipart": (
        st.tuples(st.binary(max_size=200).map(lambda tail: b"--X\r\nContent-Disposition: form-data" + tail), CUTS),
        a_body_is_read_or_refused,
    ),
    "ranges": (
        st.tuples(ANY_TEXT | st.from_regex(r"bytes=[0-9]{0,20}-[0-9]{0,20}"), st.integers(0, 10**12)),
        a_range_lies_within,
    ),
    "written ranges": (st.tuples(*[st.integers(0, 10**15)] * 3), a_range_comes_back),
    "Idempotency-Key": (st.text(max_size=300), a_run_key_is_kept_or_refused),
    "credentials": (st.tuples(HEADER, HEADER, HEADER), nobody_is_let_in),
    "dispositions": (
        st.binary(max_size=100) | st.text("; \t=\"\\name*filename%'", max_size=100).map(str.encode),
        a_part_begins_or_is_refused,
    ),
    "addresses": (st.tuples(st.from_regex(r"[A-Za-z0-9_-]{16,64}", fullmatch=True), TEXTS), an_address_comes_back),
}


@budgets
@each(PROPERTIES)
def test_whatever_comes(about, examples):
    hold(examples, PROPERTIES[about])


BOMBS = [b"[", b'{"a":', b"a=1&", b"=", b"&", b"%", b" ", b'"', b"\\", b'{"a":"\\u0000', b"--X\r\na:", b"9"]


@pytest.mark.parametrize("bomb", BOMBS)
@pytest.mark.parametrize("start", [b"", b'{"a":', b"--X\r\nContent-Disposition: form-data", b"--X\r\nA: b\r\n\r\n"])
def test_a_megabyte_is_read_in_linear_time(start, bomb):
    body = start + bomb * (990_000 // len(bomb))
    started = time.perf_counter()
    try:
        submitted(body, [])
    except BadRequest:
        assert body
    assert time.perf_counter() - started < 10


@pytest.mark.parametrize("bomb", [b";", b'"', b'\\"', b';a="', b";a=", b"\\", b" ", b'; name="\\', b"; \t"])
def test_a_disposition_is_read_in_linear_time(bomb):
    started = time.perf_counter()
    a_part_begins_or_is_refused(b'; name="a' + bomb * (100_000 // len(bomb)))
    assert time.perf_counter() - started < 10
