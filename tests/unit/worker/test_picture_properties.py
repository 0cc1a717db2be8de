"""Heads of pictures from outside: a type that is drawn from, or one sentence; never another exception."""

import io
import tempfile
from pathlib import Path

from hypothesis import strategies as st
from PIL import Image

from server.domain.content_types import BY_ENDING, HEAD, UNKNOWN, content_type_of
from server.worker.pictures import check_picture
from server.worker.prepare import CannotPrepare
from tests.properties import Property, budgets, each, hold

KINDS = {"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp", "GIF": "image/gif"}


def picture(kind: str, width: int = 5, height: int = 3) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), "red").save(buffer, kind)
    return buffer.getvalue()


WHOLE = {kind: picture(kind) for kind in KINDS}


def checked(content: bytes) -> str:
    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        return check_picture(Path(file.name))


def a_picture_is_known(example: tuple[str, int, int]) -> None:
    kind, width, height = example
    content = picture(kind, width, height)
    assert checked(content) == content_type_of("a", content[:HEAD]) == KINDS[kind]


def a_file_is_checked(content: bytes) -> None:
    assert content_type_of("a.png", content[:HEAD]) in {*BY_ENDING.values(), UNKNOWN}
    try:
        assert checked(content) in KINDS.values()
    except CannotPrepare:
        return


def spoilt(example: tuple[str, list[tuple[int, int]], int]) -> bytes:
    """A picture with bytes of its head changed, cut somewhere."""
    kind, changes, end = example
    content = bytearray(WHOLE[kind])
    for place, byte in changes:
        content[place % len(content)] = byte
    return bytes(content[: len(content) - end % len(content)])


CHANGES = st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255)), max_size=6)
PROPERTIES: dict[str, Property] = {
    "pictures": (st.tuples(st.sampled_from(list(KINDS)), st.integers(1, 40), st.integers(1, 40)), a_picture_is_known),
    "spoilt pictures": (
        st.tuples(st.sampled_from(list(KINDS)), CHANGES, st.just(0) | st.integers(0, 300)).map(spoilt),
        a_file_is_checked,
    ),
    "garbage": (
        st.tuples(st.sampled_from([content[:12] for content in WHOLE.values()]), st.binary(max_size=200)).map(b"".join),
        a_file_is_checked,
    ),
}


@budgets
@each(PROPERTIES)
def test_whatever_comes(about, examples):
    hold(examples, PROPERTIES[about])
