"""Multipart forms: whatever is written comes out again however it is cut; garbage is refused, never a surprise."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.api.multipart import MultipartReader, PartBegins, PartData, PartEnds, plain_name
from server.api.ranges import Span, Unsatisfiable, span_of

BOUNDARIES = st.text("0123456789abcdefABCDEF-", min_size=1, max_size=70).map(str.encode)
NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=60).filter(
    lambda name: "%22" not in name
)


def written(boundary, parts):
    body = b""
    for name, filename, value in parts:
        head = f'Content-Disposition: form-data; name="{escaped(name)}"'
        if filename is not None:
            head += f'; filename="{escaped(filename)}"\r\nContent-Type: application/octet-stream'
        body += b"--" + boundary + b"\r\n" + head.encode() + b"\r\n\r\n" + value + b"\r\n"
    return body + b"--" + boundary + b"--\r\n"


def escaped(text):
    return text.replace("\\", "\\\\").replace('"', '\\"')


def read(boundary, body, cuts=()):
    reader = MultipartReader(boundary)
    edges = [0, *sorted({cut % (len(body) + 1) for cut in cuts}), len(body)]
    events = [event for start, end in pairwise(edges) for event in reader.feed(body[start:end])]
    reader.close()
    return parts_of(events)


def parts_of(events):
    parts = []
    for event in events:
        match event:
            case PartBegins(name, filename):
                parts.append([name, filename, b""])
            case PartData(data):
                parts[-1][2] += data
            case PartEnds():
                parts[-1] = tuple(parts[-1])
    return parts


@given(
    BOUNDARIES,
    st.lists(st.tuples(NAMES, st.none() | NAMES, st.binary(max_size=300)), min_size=1, max_size=5),
    st.lists(st.integers(0, 5000), max_size=20),
)
def test_a_form_comes_out_as_it_went_in(boundary, parts, cuts):
    if any(b"\r\n--" + boundary in b"\r\n" + value for *_, value in parts):
        return  # a client chooses a boundary that its values don't hold
    assert read(boundary, written(boundary, parts), cuts) == parts


@given(st.lists(st.integers(0, 5000), max_size=20))
def test_values_that_look_like_boundaries(cuts):
    parts = [("a", "b", b"\r\n--X" * 20 + b"\r\n--" + b"\r\n\r\n-"), ("c", None, b"--XY\r\n")]
    assert read(b"XYZ", written(b"XYZ", parts), cuts) == parts


@given(st.binary(max_size=400) | st.binary(max_size=200).map(lambda tail: b"--X\r\nContent-Disposition: " + tail))
def test_garbage_is_refused_with_a_value_error(body):
    reader = MultipartReader(b"X")
    try:
        reader.feed(body)
        reader.close()
    except ValueError:
        return


@pytest.mark.parametrize(
    ("disposition", "name", "filename"),
    [
        ('form-data; name="file"; filename="a.png"', "file", "a.png"),
        ("form-data; name=file; filename=a.png", "file", "a.png"),
        ('form-data; filename="a;name=b.png"; name="file"', "file", "a;name=b.png"),
        ('form-data; name="file"; filename="a \\"b\\" \\\\ c.png"', "file", 'a "b" \\ c.png'),
        ('form-data; name="file"; filename="a%22b.png"', "file", 'a"b.png'),
        ('form-data; name="file"; filename="C:\\fotos\\a.png"', "file", "C:\\fotos\\a.png"),
        ('form-data; name="file"; filename="x"; filename*=UTF-8\'\'gr%C3%B6%C3%9Fe.png', "file", "größe.png"),
        ('form-data; name="file"; filename="x"; filename*=nonsense', "file", "x"),
        ('form-data; NAME="file"; FileName="a"', "file", "a"),
        ('form-data; name="file"; filename=""', "file", ""),
        ('form-data; name="größe"', "größe", None),
    ],
)
def test_dispositions(disposition, name, filename):
    body = f"--X\r\nContent-Disposition: {disposition}\r\n\r\na\r\n--X--".encode()
    assert read(b"X", body + b"\r\n") == [(name, filename, b"a")]


@given(st.text(max_size=400))
def test_a_plain_name_is_one(filename):
    name = plain_name(filename)
    assert 1 <= len(name) <= 255
    assert name == name.strip()
    assert name.isprintable() or any(not char.isprintable() for char in name if char.isspace())
    assert not set(name) & set("/\\\0\r\n")
    assert name.strip(".")


@given(st.text(max_size=40) | st.from_regex(r"bytes=[0-9]{0,4}-[0-9]{0,4}", fullmatch=True), st.integers(0, 3000))
def test_a_range_lies_within_the_file(header, size):
    try:
        span = span_of(header, size)
    except Unsatisfiable:
        return
    assert span is None or (0 <= span.first <= span.last < size and span == Span(span.first, span.last))
